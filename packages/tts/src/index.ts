/** The text-to-codes model. */

export { type CodedUtterance, codedKey, loadCoded, Voices } from './coded.js';
export { type TensorShapes, type TtsHints, ttsConfigFromWeights } from './config-from-weights.js';
export {
  alignmentTargets,
  batchTensors,
  disposeTensors,
  loadTts,
  type Prompt,
  promptTensors,
  type Sample,
  sampleCodes,
} from './model.js';
