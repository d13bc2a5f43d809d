import { decodeCodes } from '@align2speak/codec';
import { unstackCodes } from '@align2speak/contracts';
import { type Codec, type GenerateSettings, Tensor, type Tts, type TtsBatch } from '@align2speak/native';
import type { Reference } from '@align2speak/rewards';
import { disposeTensors, type Prompt, promptTensors } from '@align2speak/tts';
import type { Phases } from './loop.js';

/** A prompt, and what its rollouts are judged against. */
export interface RolloutPrompt extends Prompt {
  reference: Reference;
}

/** Rollouts of some prompts, B = P·G, on the native side ready to be learnt from, on this side to be heard. */
export interface Rollouts {
  batch: TtsBatch;
  /** `[B, K, T]` nats, as the sampler drew them. */
  logprobs: Tensor;
  /** `[B, K]` nats of the frame that ended a sample. */
  endLogprobs: Tensor;
  /** Mean entropy of each codebook's distribution, nats. */
  entropy: Float64Array;
  frames: Int32Array;
  /** 1: cut off at the longest length. */
  truncated: Int32Array;
  wavs: Float32Array[];
}

/** Samples `settings.group` rollouts of each prompt and decodes each once. */
export async function rollOut(
  { model, codec }: { model: Tts; codec: Codec },
  prompts: readonly RolloutPrompt[],
  settings: GenerateSettings,
  phases: Phases,
): Promise<Rollouts> {
  const inputs = await promptTensors(prompts);
  const generated = await phases.time('rollout', () => model.generate(inputs, settings));
  const { codes, lengths, truncated, logprobs, entropy, endTokens, endLogprobs } = generated;
  const frames = (await lengths.toArray()) as Int32Array;
  const items = unstackCodes((await codes.toArray()) as Int32Array, codes.shape, frames);
  const wavs = await phases.time('decode', () => decodeCodes(codec, items));
  const result = {
    batch: { ...inputs, codes, codeLengths: lengths, group: settings.group, endTokens },
    logprobs,
    endLogprobs,
    entropy: entropyOf((await entropy.toArray()) as Float32Array, entropy.shape, frames),
    frames,
    truncated: (await truncated.toArray()) as Int32Array,
    wavs,
  };
  disposeTensors({ truncated, entropy });
  return result;
}

/** Frames of a scored batch: of the longest sample with its end, in whole decoder steps. */
const scoredFrames = ({ batch }: Rollouts, frameStacking: number) =>
  frameStacking * (Math.floor(batch.codes.shape[2]! / frameStacking) + 1);

/** Frames that take part in the loss, `[B, T']`: all, but not the end that a cut-off sample never drew. */
export async function lossMask(rollouts: Rollouts, frameStacking: number): Promise<Tensor> {
  const { frames, truncated } = rollouts;
  const width = scoredFrames(rollouts, frameStacking);
  const mask = new Int32Array(frames.length * width).fill(1);
  truncated.forEach((cut, b) => {
    if (cut) mask[b * width + frames[b]!] = 0;
  });
  return Tensor.from(mask, [frames.length, width]);
}

/** A number for each frame of each sample as `[B, T']`, 0 for the end and beyond. */
export async function frameRows(
  rollouts: Rollouts,
  rows: readonly Float64Array[],
  frameStacking: number,
): Promise<Tensor> {
  const width = scoredFrames(rollouts, frameStacking);
  const values = new Float32Array(rows.length * width);
  rows.forEach((row, b) => {
    values.set(row, b * width);
  });
  return Tensor.from(values, [rows.length, width]);
}

/** Largest difference between a token's log-probability when it was drawn and when it is learnt from, the ending frame's included. */
export async function largestGap(
  { logprobs, endLogprobs, frames, truncated }: Rollouts,
  scored: Tensor,
): Promise<number> {
  const [drawn, ending, learnt] = (await Promise.all(
    [logprobs, endLogprobs, scored].map((tensor) => tensor.toArray()),
  )) as [Float32Array, Float32Array, Float32Array];
  const [, codebooks, width] = logprobs.shape as [number, number, number];
  const scoredWidth = scored.shape[2]!;
  let gap = 0;
  frames.forEach((count, b) => {
    for (let k = 0; k < codebooks; k++)
      for (let t = 0; t < count; t++) {
        const row = b * codebooks + k;
        gap = Math.max(gap, Math.abs(drawn[row * width + t]! - learnt[row * scoredWidth + t]!));
      }
    if (truncated[b]) return;
    for (let k = 0; k < codebooks; k++) {
      const row = b * codebooks + k;
      gap = Math.max(gap, Math.abs(ending[row]! - learnt[row * scoredWidth + count]!));
    }
  });
  return gap;
}

function entropyOf(values: Float32Array, shape: readonly number[], frames: Int32Array): Float64Array {
  const [, codebooks, width] = shape as [number, number, number];
  const sums = new Float64Array(codebooks);
  frames.forEach((count, b) => {
    for (let k = 0; k < codebooks; k++)
      for (let t = 0; t < count; t++) sums[k]! += values[(b * codebooks + k) * width + t]!;
  });
  const total = frames.reduce((sum, count) => sum + count, 0);
  return sums.map((sum) => sum / Math.max(1, total));
}
