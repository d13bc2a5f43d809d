/** The codec: codes from audio, audio from codes. */
export { codecConfigFromWeights, type TensorShapes } from './config-from-weights.js';
export { decoderToOnnx } from './decoder-onnx.js';
export { decodeCodes, encodeWavs, hopLengthOf, loadCodec, wavTensors } from './model.js';
