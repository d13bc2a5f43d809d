import { createHash } from 'node:crypto';
import { CheckpointError, ConfigError } from '@align2speak/contracts';
import { CounterRandom } from './random.js';

/** Batches are cut from runs of so many batches' utterances, sorted by length: little padding, still random. */
const batchesPerRun = 20;

/** How {@link BatchSampler} makes batches: of so many utterances, or of so many frames with their padding. */
export type BatchSettings = {
  /** Whole number. */
  seed: number;
  /**
   * `[N]` times that each utterance comes in an epoch, at least 0; default 1. Of 2.3, two are certain and the third has
   * a probability of 0.3.
   */
  weights?: readonly number[];
} & (
  | { batchSize: number; batchFrames?: never }
  | {
      /** At least the longest length; a batch has as many utterances as fit in it when padded to its longest. */
      batchFrames: number;
      batchSize?: never;
    }
);

/** Where a sampler stands; plain JSON. */
export interface SamplerState {
  epoch: number;
  /** Batches of the epoch already given. */
  given: number;
  /** Of lengths, weights and settings: batches continue only over what they began with. */
  fingerprint: string;
}

/**
 * Endless batches of utterances of similar length, a pure function of the settings and of how many were drawn.
 *
 * Each epoch has every utterance as often as its weight says, in an order of its own. Resuming repeats and skips nothing.
 */
export class BatchSampler {
  readonly #lengths: readonly number[];
  readonly #settings: BatchSettings;
  readonly #fingerprint: string;
  #epoch = 0;
  #given = 0;
  #batches: readonly number[][] | undefined;

  /**
   * @param lengths `[N]` frames of each utterance
   * @throws ConfigError on settings out of range, or weights that sum to less than 1.
   */
  constructor(lengths: readonly number[], settings: BatchSettings) {
    check(lengths, settings);
    this.#lengths = [...lengths];
    this.#settings = { ...settings };
    const { seed, weights, batchSize, batchFrames } = settings;
    const identity = JSON.stringify([lengths, weights ?? null, seed, batchSize ?? null, batchFrames ?? null]);
    this.#fingerprint = createHash('sha256').update(identity).digest('hex').slice(0, 16);
  }

  /** Indices into lengths: the next batch. */
  next(): number[] {
    this.#batches ??= this.#plan(this.#epoch);
    // Weights below 1 can leave an epoch empty.
    while (this.#given >= this.#batches.length) {
      this.#epoch++;
      this.#given = 0;
      this.#batches = this.#plan(this.#epoch);
    }
    return [...this.#batches[this.#given++]!];
  }

  /** What {@link BatchSampler.restore} of a sampler with the same arguments continues from. */
  state(): SamplerState {
    return { epoch: this.#epoch, given: this.#given, fingerprint: this.#fingerprint };
  }

  /** @throws CheckpointError where the state is of other lengths, weights or settings. */
  restore({ epoch, given, fingerprint }: SamplerState): void {
    if (fingerprint !== this.#fingerprint)
      throw new CheckpointError({
        where: 'sampler',
        what: 'state',
        expected: `one of this corpus and these settings (${this.#fingerprint})`,
        got: fingerprint,
        hint: 'resume with the manifests and batch settings that the run began with',
      });
    this.#epoch = epoch;
    this.#given = given;
    this.#batches = undefined;
  }

  #plan(epoch: number): number[][] {
    const { seed, weights } = this.#settings;
    const random = new CounterRandom(seed, 'batches', epoch);
    const drawn = this.#lengths.flatMap((_, i): number[] => {
      const weight = weights?.[i] ?? 1;
      const times = Math.floor(weight) + (random.next() < weight % 1 ? 1 : 0);
      return new Array(times).fill(i);
    });
    const order = random.shuffled(drawn);
    const run = this.#runLength();
    const batches: number[][] = [];
    for (let at = 0; at < order.length; at += run) batches.push(...this.#cut(order.slice(at, at + run)));
    return random.shuffled(batches);
  }

  #runLength(): number {
    const { batchSize, batchFrames } = this.#settings;
    if (batchSize !== undefined) return batchSize * batchesPerRun;
    const mean = this.#lengths.reduce((sum, length) => sum + length, 0) / this.#lengths.length;
    return Math.max(1, Math.round((batchFrames / mean) * batchesPerRun));
  }

  #cut(run: number[]): number[][] {
    const { batchSize, batchFrames } = this.#settings;
    const lengthOf = (i: number) => this.#lengths[i]!;
    const sorted = run.sort((a, b) => lengthOf(a) - lengthOf(b) || a - b);
    const batches: number[][] = [[]];
    for (const i of sorted) {
      const batch = batches.at(-1)!;
      // Sorted, so that this length is the one that the batch would be padded to.
      const full =
        batchSize !== undefined ? batch.length === batchSize : (batch.length + 1) * lengthOf(i) > batchFrames;
      if (full) batches.push([i]);
      else batch.push(i);
    }
    return batches;
  }
}

/**
 * Weights for {@link BatchSettings} that mix corpora: the expected share of each in an epoch is as given, and an epoch
 * has as many utterances as all corpora together.
 *
 * @param counts utterances of each corpus, whose utterances follow one another
 * @param shares of each corpus, at least 0; only their ratio matters
 * @returns `[N]` one weight for each utterance of all corpora.
 * @throws ConfigError where the lists differ in length, a share is negative, or a corpus with a share is empty.
 */
export function mixWeights(counts: readonly number[], shares: readonly number[]): number[] {
  const refuse = (what: string, expected: string, got: unknown) => {
    throw new ConfigError({ where: 'sampler', what, expected, got: String(got) });
  };
  if (counts.length !== shares.length) refuse('shares', `${counts.length}, one a corpus`, shares.length);
  const whole = shares.reduce((sum, share) => sum + share, 0);
  if (!(whole > 0 && shares.every((share) => share >= 0))) refuse('shares', 'numbers of at least 0, not all 0', shares);
  const total = counts.reduce((sum, count) => sum + count, 0);
  return counts.flatMap((count, c): number[] => {
    if (count === 0 && shares[c]! > 0) refuse(`corpus ${c}`, 'utterances for its share', 'none');
    return new Array(count).fill((shares[c]! / whole) * (total / count));
  });
}

function check(lengths: readonly number[], { seed, weights, batchSize, batchFrames }: BatchSettings): void {
  const refuse = (what: string, expected: string, got: unknown) => {
    throw new ConfigError({ where: 'sampler', what, expected, got: String(got) });
  };
  if (lengths.length === 0) refuse('lengths', 'at least one utterance', 'none');
  const short = lengths.findIndex((length) => !(length > 0 && Number.isFinite(length)));
  if (short >= 0) refuse(`lengths[${short}]`, 'frames above 0', lengths[short]);
  if (!Number.isSafeInteger(seed)) refuse('seed', 'a whole number', seed);
  if ((batchSize === undefined) === (batchFrames === undefined))
    refuse('batchSize, batchFrames', 'one of them', 'both or none');
  if (batchSize !== undefined && !(Number.isInteger(batchSize) && batchSize >= 1))
    refuse('batchSize', 'a whole number of at least 1', batchSize);
  const longest = lengths.reduce((most, length) => Math.max(most, length), 0);
  if (batchFrames !== undefined && !(batchFrames >= longest))
    refuse('batchFrames', `at least the longest utterance, ${longest}`, batchFrames);
  if (weights === undefined) return;
  if (weights.length !== lengths.length) refuse('weights', `${lengths.length}, one an utterance`, weights.length);
  const bad = weights.findIndex((weight) => !(weight >= 0 && Number.isFinite(weight)));
  if (bad >= 0) refuse(`weights[${bad}]`, 'a number of at least 0', weights[bad]);
  // Far less would leave most epochs empty.
  const sum = weights.reduce((total, weight) => total + weight, 0);
  if (sum < 1) refuse('weights', 'a sum of at least 1', sum);
}
