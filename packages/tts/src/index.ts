/** The text-to-codes model. */
export { type TensorShapes, type TtsHints, ttsConfigFromWeights } from './config-from-weights.js';
