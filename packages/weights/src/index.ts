/** Model weights in files: safetensors to read and write. */
export type { Dtype } from './dtypes.js';
export { openSafetensors, type TensorToWrite, writeSafetensors } from './safetensors.js';
export type { TensorInfo, WeightsFile } from './weights-file.js';
