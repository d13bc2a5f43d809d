/**
 * Tensors, operators and models in native code, behind asynchronous calls that never block the event loop.
 *
 * Calls run one after another on one engine thread per process, in the order they were made.
 */
export type { NativeInfo, TensorArray } from './binding.js';
export { Codec, type CodecLoss } from './codec.js';
export { Discriminators } from './discriminators.js';
export { info, setThreads } from './engine.js';
export { Judge, type JudgeAnswer, type JudgeBatch } from './judge.js';
export type { Model, NamedTensors } from './model.js';
export * as ops from './ops.gen.js';
export { Optimizer, type OptimizerState } from './optimizer.js';
export { Tensor } from './tensor.js';
export { Tts } from './tts.js';
export type { GenerateSettings, Sampling, Trained, TtsBatch, TtsLoss, TtsPass, TtsPrompts } from './tts-types.js';
