/**
 * What crosses a stage: errors, configurations, and the letters that name axes.
 *
 * | letter | axis | letter | axis |
 * |---|---|---|---|
 * | `B` | batch | `C` | channels, model width |
 * | `N` | text tokens | `H` | attention heads |
 * | `T` | codec or mel frames | `D` | width of a head |
 * | `S` | audio samples | `L` | layers |
 * | `K` | codebooks | `P` | prompts |
 * | `V` | vocabulary | `G` | rollouts of one prompt |
 *
 * Shapes stand in memory order with the last axis contiguous: transformers use `[B, T, C]`, convolutions `[B, C, T]`.
 * A ragged axis is written `<=T`, with a tensor of lengths beside it.
 */
export { type CodecConfig, codecConfig, type DiscriminatorConfig, discriminatorConfig } from './codec-config.js';
export { type Codes, requireSameCodes, sliceCodes, stackCodes, unstackCodes } from './codes.js';
export { configJsonSchema, parseConfig } from './config.js';
export { digestOf } from './digest.js';
export {
  Align2SpeakError,
  CancelledError,
  CheckpointError,
  ConfigError,
  DataError,
  DeviceError,
  type ErrorCode,
  type ErrorParts,
  RewardError,
  ShapeError,
} from './errors.js';
export { type JudgeConfig, judgeConfig } from './judge-config.js';
export { CounterRandom, randomAt, randomIndex, randomOrder } from './random.js';
export { type TtsConfig, ttsConfig } from './tts-config.js';
export { writeFolder, writeWhole } from './whole-file.js';
