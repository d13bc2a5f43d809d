import { CancelledError, RewardError } from '@align2speak/contracts';
import type { Parts, Reward, RewardBatch } from './reward.js';
import { faultOf } from './usable.js';

/** How many samples have no value, and the first reason that was given. */
export interface Failures {
  readonly count: number;
  readonly first: string;
}

/** What `scoreAll` found, by name of the reward. */
export interface Scores {
  /** One value for each sample of the batch; NaN where there is none. */
  readonly values: Readonly<Record<string, Float64Array>>;
  /** Where in each sample its value was earned; undefined where there is none, or the reward does not say. */
  readonly parts: Readonly<Record<string, readonly (Parts | undefined)[]>>;
  /** Rewards that gave no value for samples which could be judged; those without failures are not in it. */
  readonly failures: Readonly<Record<string, Failures>>;
  /** Samples that were not judged at all, NaN in every reward: silent, below 0.1 s, or not finite. */
  readonly unusable: Failures | undefined;
}

/** Samples looked at in one turn of the event loop: about a millisecond. */
const sliceSamples = 2 ** 20;

/**
 * Scores a batch by several rewards at once; judges work in threads of their own.
 *
 * A reward that throws, or gives anything but one value in range for each sample, loses the values concerned and is
 * counted: no reward ends a training step.
 * @throws RewardError where two rewards have one name, or waveforms and references differ in number; CancelledError where
 * the batch's signal has ended it.
 */
export async function scoreAll(rewards: readonly Reward[], batch: RewardBatch): Promise<Scores> {
  checkCall(rewards, batch);
  const { indices, unusable } = await usableOf(batch);
  const part: RewardBatch = {
    ...batch,
    wavs: indices.map((i) => batch.wavs[i]!),
    references: indices.map((i) => batch.references[i]!),
  };
  const values: Record<string, Float64Array> = {};
  const parts: Record<string, (Parts | undefined)[]> = {};
  const failures: Record<string, Failures> = {};
  await Promise.all(
    rewards.map(async (reward) => {
      const scored: Scored = indices.length > 0 ? await scoresOf(reward, part) : { scores: [], failed: undefined };
      const row = new Float64Array(batch.wavs.length).fill(Number.NaN);
      const located = new Array<Parts | undefined>(row.length).fill(undefined);
      for (const [i, index] of indices.entries()) {
        row[index] = scored.scores[i]!;
        if (!Number.isNaN(row[index])) located[index] = scored.parts?.[i];
      }
      values[reward.name] = row;
      parts[reward.name] = located;
      if (scored.failed) failures[reward.name] = scored.failed;
    }),
  );
  const { signal } = batch;
  if (signal?.aborted) {
    const parts = { where: 'scoreAll', what: 'batch', expected: 'to be scored', got: 'a signal to stop' };
    throw new CancelledError({ ...parts, cause: signal.reason });
  }
  return { values, parts, failures, unusable };
}

function checkCall(rewards: readonly Reward[], { wavs, references }: RewardBatch): void {
  const twice = rewards.find(({ name }, i) => rewards.findIndex((other) => other.name === name) < i);
  if (twice)
    throw new RewardError({ where: 'scoreAll', what: twice.name, expected: 'a name of its own', got: 'two rewards' });
  if (wavs.length !== references.length) {
    const got = String(references.length);
    throw new RewardError({ where: 'scoreAll', what: 'references', expected: `${wavs.length}`, got });
  }
}

async function usableOf({
  wavs,
  sampleRate,
}: RewardBatch): Promise<{ indices: number[]; unusable: Scores['unusable'] }> {
  const indices: number[] = [];
  let first: string | undefined;
  let seen = 0;
  for (const [i, wav] of wavs.entries()) {
    const fault = faultOf(wav, sampleRate);
    if (fault) first ??= `sample ${i}: ${fault}`;
    else indices.push(i);
    seen += wav.length;
    if (seen < sliceSamples) continue;
    seen = 0;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return { indices, unusable: first === undefined ? undefined : { count: wavs.length - indices.length, first } };
}

interface Scored {
  scores: number[];
  parts?: readonly Parts[];
  failed: Failures | undefined;
}

/** One number for each sample of the batch, NaN in place of whatever is none in range. */
async function scoresOf(reward: Reward, batch: RewardBatch): Promise<Scored> {
  const count = batch.wavs.length;
  const none = (first: string) => ({
    scores: new Array<number>(count).fill(Number.NaN),
    failed: { count, first },
  });
  let found: unknown;
  let parts: readonly Parts[] | undefined;
  try {
    const answer = await reward.score(batch);
    const located = answer && 'parts' in answer ? answer : undefined;
    found = located ? located.scores : answer;
    parts = located?.parts;
  } catch (error) {
    return none(error instanceof Error ? error.message : String(error));
  }
  if (!(found instanceof Float64Array) || found.length !== count) {
    const got = found instanceof Float64Array ? `${found.length}` : typeof found;
    return none(`${reward.name}: score: expected a Float64Array of ${count}, got ${got}`);
  }
  if (Boolean(reward.locates) !== (parts !== undefined)) {
    const got = parts ? 'parts' : 'none';
    return none(`${reward.name}: score: expected ${reward.locates ? 'parts' : 'no parts'} as locates says, got ${got}`);
  }
  if (parts && parts.length !== count)
    return none(`${reward.name}: score: expected parts of ${count} samples, got ${parts.length}`);
  const [least, most] = reward.range;
  const faults = Array.from(found, (value, i) => {
    if (!(value >= least && value <= most)) return `expected ${least} to ${most}, got ${value}`;
    return parts && !areUsable(parts[i]) ? 'expected parts with as many finite places as values' : undefined;
  });
  const scores = faults.map((fault, i) => (fault === undefined ? (found as Float64Array)[i]! : Number.NaN));
  const bad = faults.findIndex((fault) => fault !== undefined);
  const failed =
    bad < 0
      ? undefined
      : { count: faults.filter((fault) => fault).length, first: `${reward.name}: sample ${bad}: ${faults[bad]}` };
  return { scores, ...(parts && { parts }), failed };
}

function areUsable(parts: Parts | undefined): boolean {
  const { values, places } = parts ?? {};
  if (!(values instanceof Float64Array && places instanceof Float64Array) || values.length !== places.length)
    return false;
  return values.every(Number.isFinite) && places.every(Number.isFinite);
}
