import { decodeCodes } from '@align2speak/codec';
import { type Codes, unstackCodes } from '@align2speak/contracts';
import { type Codec, type GenerateSettings, Tensor, type Tts, type TtsBatch } from '@align2speak/native';
import type { Reference } from '@align2speak/rewards';
import { batchTensors, disposeTensors, type Prompt, promptTensors } from '@align2speak/tts';
import type { Phases } from './loop.js';

/** A prompt, and what its rollouts are judged against. */
export interface RolloutPrompt extends Prompt {
  reference: Reference;
}

/** What a sample drew, its ending frame included. */
export interface Drawn {
  codes: Codes;
  /** `[K]` */
  end: Int32Array;
}

/** A sample of a prompt, to be learnt from and to be heard. */
export interface Rollout extends Drawn {
  /** `[K, T]` nats, as the sampler drew them; T is at least the sample's frames. */
  logprobs: Float32Array;
  /** `[K]` nats of the frame that ended it. */
  endLogprobs: Float32Array;
  /** Cut off at the longest length: its end was not drawn. */
  truncated: boolean;
  wav: Float32Array;
}

/** Samples of some prompts, B = P·G. */
export interface Rollouts {
  samples: Rollout[];
  /** Mean entropy of each codebook's distribution, nats. */
  entropy: Float64Array;
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
  const { times: _, ...tensors } = generated;
  const ints = async (tensor: Tensor) => (await tensor.toArray()) as Int32Array;
  const floats = async (tensor: Tensor) => (await tensor.toArray()) as Float32Array;
  const frames = await ints(generated.lengths);
  const truncated = await ints(generated.truncated);
  const drawn = unstackCodes(await ints(generated.codes), generated.codes.shape, frames);
  const entropy = entropyOf(await floats(generated.entropy), generated.entropy.shape, frames);
  /** The part of `values` [B, …] that is sample b's. */
  const own = <T extends Int32Array | Float32Array>(values: T, b: number): T => {
    const size = values.length / frames.length;
    return values.slice(b * size, (b + 1) * size) as T;
  };
  const [ends, logprobs, endLogprobs] = [
    await ints(generated.endTokens),
    await floats(generated.logprobs),
    await floats(generated.endLogprobs),
  ];
  disposeTensors(inputs, tensors);
  const wavs = await phases.time('decode', () => decodeCodes(codec, drawn));
  const samples = drawn.map((codes, b) => ({
    codes,
    end: own(ends, b),
    logprobs: own(logprobs, b),
    endLogprobs: own(endLogprobs, b),
    truncated: truncated[b] === 1,
    wav: wavs[b]!,
  }));
  return { samples, entropy };
}

/** Samples as a loss takes them, as many of each prompt, side by side. */
export async function drawnBatch(prompts: readonly Prompt[], drawn: readonly Drawn[]): Promise<TtsBatch> {
  const batch = await batchTensors(
    prompts,
    drawn.map(({ codes }) => codes),
  );
  const ends = Int32Array.from(drawn.flatMap(({ end }) => [...end]));
  return { ...batch, endTokens: await Tensor.from(ends, [drawn.length, ends.length / drawn.length]) };
}

/** T' of a scored batch: frames of the longest sample with its end, in whole decoder steps. */
function scoredFrames(samples: readonly Drawn[], frameStacking: number): number {
  const longest = Math.max(...samples.map(({ codes }) => codes.frames));
  return frameStacking * (Math.floor(longest / frameStacking) + 1);
}

/** Frames that take part in the loss, `[B, T']`: all, but not the end that a cut-off sample never drew. */
export async function lossMask(
  samples: readonly Pick<Rollout, keyof Drawn | 'truncated'>[],
  frameStacking: number,
): Promise<Tensor> {
  const width = scoredFrames(samples, frameStacking);
  const mask = new Int32Array(samples.length * width).fill(1);
  samples.forEach(({ truncated, codes }, b) => {
    if (truncated) mask[b * width + codes.frames] = 0;
  });
  return Tensor.from(mask, [samples.length, width]);
}

/** A number for each frame of each sample as `[B, T']`, 0 for the end and beyond. */
export async function frameRows(
  samples: readonly Drawn[],
  rows: readonly Float64Array[],
  frameStacking: number,
): Promise<Tensor> {
  const width = scoredFrames(samples, frameStacking);
  const values = new Float32Array(samples.length * width);
  rows.forEach((row, b) => {
    values.set(row, b * width);
  });
  return Tensor.from(values, [samples.length, width]);
}

/** Largest difference between a token's log-probability when it was drawn and when it is learnt from, the ending frame's included. */
export async function largestGap(samples: readonly Rollout[], scored: Tensor): Promise<number> {
  const learnt = (await scored.toArray()) as Float32Array;
  const [, codebooks, scoredWidth] = scored.shape as [number, number, number];
  let gap = 0;
  samples.forEach(({ codes, logprobs, endLogprobs, truncated }, b) => {
    const width = logprobs.length / codebooks;
    for (let k = 0; k < codebooks; k++) {
      const row = (b * codebooks + k) * scoredWidth;
      for (let t = 0; t < codes.frames; t++) gap = Math.max(gap, Math.abs(logprobs[k * width + t]! - learnt[row + t]!));
      if (!truncated) gap = Math.max(gap, Math.abs(endLogprobs[k]! - learnt[row + codes.frames]!));
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
