/** Model weights in files: safetensors to read and write, PyTorch and `.nemo` checkpoints to read, ONNX to write. More than
 * 15 names, because a type for what is written goes with each writer. */
export { type Dtype, floatBytes } from './dtypes.js';
export { readModelFolder, readTensors, tensorsToWrite, writeModelFolder } from './model-folder.js';
export { type NamedWeights, OnnxGraph, onnxMetadata, weightOf } from './onnx.js';
export { openSafetensors, type TensorToWrite, writeSafetensors } from './safetensors.js';
export { type NemoArchive, openNemo, openTorch } from './torch.js';
export type { WeightsFile } from './weights-file.js';
