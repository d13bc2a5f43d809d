/** Corpora: manifests, their validation, batches of utterances, and speech that espeak-ng speaks. */
export { type Prompt, readManifest, readPrompts, type Utterance, writeManifest } from './manifest.js';
export { type CorpusSummary, type SynthOptions, type SynthProgress, synthesizeCorpus } from './synth.js';
