import { ConfigError, DataError, randomIndex } from '@align2speak/contracts';

/** A mean and the 95 % interval around it. */
export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** How intervals are found. */
export interface BootstrapOptions {
  /** Number of resamples, at least 100; 2000 by default. */
  readonly resamples?: number;
  /** Seed of the resampling; the same seed and data give the same interval. 0 by default. */
  readonly seed?: number;
}

/** One measure of a data set, by cluster: its value is the sum of the numerators over that of the denominators. */
export interface ClusterSums {
  readonly numerators: Float64Array;
  readonly denominators: Float64Array;
}

/** The value over all clusters; NaN without a denominator. */
export function ratioOf({ numerators, denominators }: ClusterSums): number {
  return sum(numerators) / sum(denominators);
}

/**
 * Values of several measures in resamples of their clusters, [measures][resamples]; all measures share each resample.
 *
 * Of P clusters each resample draws P - 1 with replacement, which makes up for a variance that P draws would
 * understate by (P-1)/P.
 * @throws DataError with fewer than two clusters; ConfigError with fewer than 100 resamples.
 * @see Rao and Wu, Resampling inference with complex survey data, JASA 83 (1988)
 */
export function bootstrapRatios(measures: readonly ClusterSums[], options: BootstrapOptions): Float64Array[] {
  const { resamples = 2000, seed = 0 } = options;
  const where = 'bootstrap';
  if (!Number.isInteger(resamples) || resamples < 100) {
    const expected = 'an integer of at least 100';
    throw new ConfigError({ where, what: 'resamples', expected, got: String(resamples) });
  }
  const numClusters = measures[0]?.numerators.length ?? 0;
  if (numClusters < 2) {
    const hint = 'an interval needs several prompts to vary between';
    throw new DataError({ where, what: 'prompts', expected: 'at least 2', got: String(numClusters), hint });
  }
  const values = measures.map(() => new Float64Array(resamples));
  const drawn = new Int32Array(numClusters - 1);
  for (let r = 0; r < resamples; r++) {
    for (let i = 0; i < drawn.length; i++) drawn[i] = randomIndex(numClusters, seed, r, i);
    for (const [m, { numerators, denominators }] of measures.entries()) {
      let [numerator, denominator] = [0, 0];
      for (const cluster of drawn) {
        numerator += numerators[cluster]!;
        denominator += denominators[cluster]!;
      }
      values[m]![r] = numerator / denominator;
    }
  }
  return values;
}

/** The percentile interval of resampled values; resamples without a value (NaN) are left out. */
export function intervalOf(mean: number, resampled: Float64Array): Interval {
  const sorted = resampled.filter(Number.isFinite).sort();
  return { mean, low: quantile(sorted, 0.025), high: quantile(sorted, 0.975) };
}

function quantile(sorted: Float64Array, share: number): number {
  const position = share * (sorted.length - 1);
  const below = sorted[Math.floor(position)] ?? Number.NaN;
  const above = sorted[Math.ceil(position)] ?? Number.NaN;
  return below + (position - Math.floor(position)) * (above - below);
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}
