import { DataError } from '@align2speak/contracts';
import { type BootstrapOptions, bootstrapRatios, type Interval, intervalOf, ratioOf } from './bootstrap.js';
import { clusterItems, type ItemScore, type MeasureName, measures, sumClusters } from './items.js';

/** The measures of a set of utterances; one that no utterance has is absent. */
export type Summary = Readonly<Record<'cer' | 'cerCumulative' | 'runawayRate', Interval>> &
  Readonly<Partial<Record<MeasureName, Interval>>> & {
    /** Utterances, of all seeds. */
    readonly items: number;
    /** Different texts; those of different languages are different. */
    readonly prompts: number;
    /** Different seeds of the sampler. */
    readonly seeds: number;
    /** How many utterances a judge failed on, which its measure leaves out. */
    readonly failures: Readonly<Record<'cer' | 'cerHeldOut' | 'ssim' | 'ssimHeldOut' | 'quality', number>>;
  };

/**
 * Error rates, similarity, quality and lengths of a set of utterances, each with a 95 % bootstrap interval.
 *
 * Texts are resampled, with all of their utterances, so an interval covers the choice of texts and the sampler's luck. It
 * does not cover the choice of voices, nor the luck of training: see `meanOverSeeds`. With fewer than about 20 texts it is
 * somewhat too narrow.
 * @throws DataError without items or CERs, with fewer than two texts, on an item that is there twice or has no reference.
 */
export function summarise(items: readonly ItemScore[], options: BootstrapOptions = {}): Summary {
  const where = 'summarise';
  const clusters = clusterItems(items, where);
  const sums = (Object.keys(measures) as MeasureName[]).map((name) => ({ name, ...sumClusters(clusters, name) }));
  const failuresOf = (name: MeasureName) => sums.find((one) => one.name === name)!.failures;
  const taken = sums.filter(({ count }) => count > 0);
  if (!taken.some(({ name }) => name === 'cer')) {
    const got = `none among ${items.length} items`;
    throw new DataError({ where, what: 'cerErrors', expected: 'a recogniser to have judged an item', got });
  }
  const resampled = bootstrapRatios(taken, options);
  const intervals = taken.map((one, m) => [one.name, intervalOf(ratioOf(one), resampled[m]!)] as const);
  return {
    ...(Object.fromEntries(intervals) as Record<'cer' | 'cerCumulative' | 'runawayRate', Interval>),
    items: items.length,
    prompts: clusters.size,
    seeds: new Set(items.map(({ seed }) => seed)).size,
    failures: {
      cer: failuresOf('cer'),
      cerHeldOut: failuresOf('cerHeldOut'),
      ssim: failuresOf('ssim'),
      ssimHeldOut: failuresOf('ssimHeldOut'),
      quality: failuresOf('quality'),
    },
  };
}

/** Two systems on the same texts and voices. */
export interface Comparison {
  readonly metric: MeasureName;
  /** Of `a` less that of `b`. */
  readonly difference: Interval;
  /** Of `b` over that of `a`: how many times lower `a` is. NaN or infinite where `a` is 0. */
  readonly ratio: Interval;
  /** Texts that both have. */
  readonly prompts: number;
  /** Items of either that are left out, because the other has not got their text and voice. */
  readonly unpaired: number;
}

/** What is compared, and how its interval is found. */
export interface CompareOptions extends BootstrapOptions {
  /** `cer` by default. */
  readonly metric?: MeasureName;
}

/**
 * How `a` differs from `b` on the texts and voices that both have, with 95 % intervals from resampling those texts.
 *
 * Each resample takes the same texts for both, so that what makes a text easy or hard cancels. Seeds need not agree.
 * @throws DataError where fewer than two texts are common, or the metric is missing; and as `summarise`.
 */
export function comparePaired(
  a: readonly ItemScore[],
  b: readonly ItemScore[],
  options: CompareOptions = {},
): Comparison {
  const where = 'comparePaired';
  const { metric = 'cer' } = options;
  const [inA, inB] = [new Set(a.map(spoken)), new Set(b.map(spoken))];
  const common = [a.filter((item) => inB.has(spoken(item))), b.filter((item) => inA.has(spoken(item)))];
  const sums = common.map((items) => sumClusters(clusterItems(items, where), metric));
  for (const [s, { count }] of sums.entries()) {
    if (count > 0) continue;
    const expected = `${metric} of a text and voice that both have`;
    throw new DataError({ where, what: 'ab'[s]!, expected, got: 'none' });
  }
  const [valueA, valueB] = sums.map(ratioOf) as [number, number];
  const [ofA, ofB] = bootstrapRatios(sums, options) as [Float64Array, Float64Array];
  return {
    metric,
    difference: intervalOf(
      valueA - valueB,
      ofA.map((value, r) => value - ofB[r]!),
    ),
    ratio: intervalOf(
      valueB / valueA,
      ofA.map((value, r) => ofB[r]! / value),
    ),
    prompts: sums[0]!.numerators.length,
    unpaired: a.length + b.length - common[0]!.length - common[1]!.length,
  };
}

function spoken({ lang, prompt, voice }: ItemScore): string {
  return JSON.stringify([lang, prompt, voice]);
}
