/** Model weights in files: safetensors to read and write, PyTorch and `.nemo` checkpoints to read. */
export type { Dtype } from './dtypes.js';
export {
  type ModelCard,
  readModelFolder,
  readTensors,
  replaceFolder,
  tensorsToWrite,
  writeFlushed,
  writeModelFolder,
} from './model-folder.js';
export { openSafetensors, type TensorToWrite, writeSafetensors } from './safetensors.js';
export { type NemoArchive, openNemo, openTorch } from './torch.js';
export type { TensorInfo, WeightsFile } from './weights-file.js';
