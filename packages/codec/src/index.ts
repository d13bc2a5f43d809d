/** The codec: codes from audio, audio from codes. */
export { codecConfigFromWeights, type TensorShapes } from './config-from-weights.js';
export { type CodecWeights, decoderToOnnx } from './decoder-onnx.js';
export { decodeCodes, encodeWavs, hopLengthOf, loadCodec, wavTensors } from './model.js';
