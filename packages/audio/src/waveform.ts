import { ShapeError } from '@align2speak/contracts';
import { ops, Tensor } from '@align2speak/native';

/** Root mean square of `[S]` samples; 0 for none. */
export function rms(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  return samples.length === 0 ? 0 : Math.sqrt(sum / samples.length);
}

/** Where {@link trimSilence} cuts. */
export interface TrimSettings {
  /** Samples of at most this magnitude are silence; default 250/32768. */
  threshold?: number;
  /** Samples kept before the first loud one; default 400. */
  before?: number;
  /** Samples kept after the last loud one; default 900. */
  after?: number;
}

/** A view of `[S]` samples without the silence at both ends; empty where nothing exceeds the threshold. */
export function trimSilence(samples: Float32Array, settings: TrimSettings = {}): Float32Array {
  const { threshold = 250 / 32768, before = 400, after = 900 } = settings;
  const loud = (sample: number) => Math.abs(sample) > threshold;
  const first = samples.findIndex(loud);
  if (first < 0) return samples.subarray(0, 0);
  return samples.subarray(Math.max(0, first - before), samples.findLastIndex(loud) + 1 + after);
}

/**
 * `[S]` samples at another rate, `[ceil(S · to / from)]`; equal rates copy.
 *
 * @param from,to sample rates in Hz, whole numbers; only their ratio matters
 * @throws ShapeError without samples
 */
export async function resample(samples: Float32Array, from: number, to: number): Promise<Float32Array> {
  if (samples.length === 0)
    throw new ShapeError({ where: 'resample', what: 'samples', expected: 'at least one', got: 'none' });
  const x = await Tensor.from(samples, [1, samples.length]);
  const { y } = await ops.resample({ x }, { from, to });
  const converted = (await y.toArray()) as Float32Array;
  x.dispose();
  y.dispose();
  return converted;
}
