/** Corpora: manifests, their validation, batches of utterances, and speech that espeak-ng speaks. */
export {
  type ManifestProblem,
  type Prompt,
  readManifest,
  readPrompts,
  type Utterance,
  writeManifest,
} from './manifest.js';
export { CounterRandom } from './random.js';
export { BatchSampler, type BatchSettings, mixWeights, type SamplerState } from './sampler.js';
export { type CorpusSummary, type SynthOptions, synthesizeCorpus } from './synth.js';
export { validateManifest } from './validate.js';
