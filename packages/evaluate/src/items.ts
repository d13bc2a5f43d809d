import { DataError } from '@align2speak/contracts';
import type { ClusterSums } from './bootstrap.js';

/** What the judges say of one synthesised utterance; NaN = that judge failed, absent = it was not asked. */
export interface ItemScore {
  readonly lang: string;
  readonly voice: string;
  /** Name of the text; all utterances of one text stand or fall together when an interval is computed. */
  readonly prompt: string;
  /** Seed of the sampler. */
  readonly seed: number;
  /** Edits between what the reward's recogniser heard and the reference; silence is an utterance with all of it deleted. */
  readonly cerErrors: number;
  /** Length of the reference, at least 1, for both recognisers. */
  readonly cerLength: number;
  /** Edits, by a recogniser that is never a reward. */
  readonly heldOutErrors?: number | undefined;
  /** Cosine with the voice prompt in [-1, 1], by the reward's speaker net and by one that is never a reward. */
  readonly ssim?: number | undefined;
  readonly heldOutSsim?: number | undefined;
  readonly quality?: number | undefined;
  readonly frames: number;
  /** Length of a recording of the same text, where there is one. */
  readonly referenceFrames?: number | undefined;
  /** Whether the utterance was cut off because it did not end by itself. */
  readonly truncated: boolean;
}

/** What one item adds to numerator and denominator of a measure; undefined where the measure is not about it. */
type Term = (item: ItemScore) => readonly [number, number] | undefined;

const single = (value: number | undefined) => (value === undefined ? undefined : ([value, 1] as const));
const rate = (item: ItemScore, errors = item.cerErrors) => [errors / item.cerLength, 1] as const;

/** Every measure; those named `cumulative` weigh utterances by their length, the others count each once. */
export const measures = {
  /** Mean over utterances of their error rates, not clipped. */
  cer: (item) => rate(item),
  /** All errors over all of the references. */
  cerCumulative: (item) => [item.cerErrors, item.cerLength],
  /** Without utterances that were cut off. */
  cerTrimmed: (item) => (item.truncated ? undefined : rate(item)),
  cerHeldOut: (item) => (item.heldOutErrors === undefined ? undefined : rate(item, item.heldOutErrors)),
  cerHeldOutCumulative: (item) => (item.heldOutErrors === undefined ? undefined : [item.heldOutErrors, item.cerLength]),
  ssim: (item) => single(item.ssim),
  ssimHeldOut: (item) => single(item.heldOutSsim),
  quality: (item) => single(item.quality),
  runawayRate: (item) => [Number(item.truncated), 1],
  /** All frames over those of the recordings, without utterances that were cut off. */
  lengthRatio: (item) =>
    item.truncated || item.referenceFrames === undefined ? undefined : [item.frames, item.referenceFrames],
} as const satisfies Record<string, Term>;

export type MeasureName = keyof typeof measures;

/** Items by text, in an order that does not depend on the order they came in. */
export type Clusters = ReadonlyMap<string, readonly ItemScore[]>;

/**
 * Groups items by language and text.
 *
 * @throws DataError on an item that is there twice, or has no reference to compare with.
 */
export function clusterItems(items: readonly ItemScore[], where: string): Clusters {
  const keyed = items.map((item) => ({ key: JSON.stringify([item.lang, item.prompt, item.voice, item.seed]), item }));
  keyed.sort((a, b) => (a.key < b.key ? -1 : 1));
  const clusters = new Map<string, ItemScore[]>();
  for (const [i, { key, item }] of keyed.entries()) {
    if (key === keyed[i - 1]?.key)
      throw new DataError({ where, what: `item ${key}`, expected: 'to be there once', got: 'it twice' });
    if (!(item.cerLength > 0)) {
      const expected = 'a reference of at least one segment';
      throw new DataError({ where, what: `item ${key}: cerLength`, expected, got: String(item.cerLength) });
    }
    const text = JSON.stringify([item.lang, item.prompt]);
    const cluster = clusters.get(text);
    if (cluster) cluster.push(item);
    else clusters.set(text, [item]);
  }
  return clusters;
}

/** A measure's sums over each text, and how many items it could not be taken of because their judge failed. */
export function sumClusters(clusters: Clusters, name: MeasureName): ClusterSums & { failures: number; count: number } {
  const numerators = new Float64Array(clusters.size);
  const denominators = new Float64Array(clusters.size);
  const term: Term = measures[name];
  let [failures, count] = [0, 0];
  for (const [c, items] of [...clusters.values()].entries()) {
    for (const item of items) {
      const [numerator, denominator] = term(item) ?? [];
      if (numerator === undefined || denominator === undefined) continue;
      if (!Number.isFinite(numerator)) {
        failures++;
        continue;
      }
      count++;
      numerators[c]! += numerator;
      denominators[c]! += denominator;
    }
  }
  return { numerators, denominators, failures, count };
}
