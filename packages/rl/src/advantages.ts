import { type AdvantageInput, type CerFilter, checkAdvantageInput } from './advantage-input.js';
import { creditFrames } from './credit.js';
import { type RewardStats, rewardStats } from './reward-stats.js';

/** What happened to the groups and samples of one step; shares are of all groups, or of all samples. */
export interface AdvantageStats {
  readonly validShare: number;
  readonly zeroVarianceShare: number;
  readonly filteredShare: number;
  readonly maskedShare: number;
  /** Samples without a length failure of which a weighted reward failed. */
  readonly rewardFailures: number;
  readonly lengthFailures: number;
  /** Of the rewards as given, those of weight 0 too. */
  readonly rewards: Readonly<Record<string, RewardStats>>;
  /** Of the weighted sum, over samples of which no weighted reward failed. */
  readonly total: RewardStats;
}

/** Advantages, and what takes part in the loss. */
export interface Advantages {
  /** [P*G]; the kept samples of a group sum to 0; masked samples and invalid groups have 0. */
  readonly advantages: Float64Array;
  /** With `credits`: for each of the P*G samples, what to add at each of its frames. */
  readonly frameAdvantages?: readonly Float64Array[];
  /** [P*G], 1 = counts in its group, 0 = masked. */
  readonly kept: Uint8Array;
  /** [P], 1 = the group teaches something, 0 = filtered, or all its samples are equally good. */
  readonly valid: Uint8Array;
  readonly stats: AdvantageStats;
}

/** What standardised rewards are divided by at least, unless `stdFloor` says otherwise. */
const leastDeviation = 1e-3;

/** One reward of one group: values [G] and its weight. */
interface Column {
  values: Float64Array;
  readonly weight: number;
}

/**
 * Turns rewards into advantages, every prompt's rollouts among themselves.
 *
 * Mean and standard deviation (population) of a group are those of its kept samples.
 * @throws ShapeError where lengths disagree; ConfigError on unusable weights, group sizes, floors or thresholds.
 * @see Align2Speak, arXiv 2509.21718, equations 1 and 2
 */
export function composeAdvantages(input: AdvantageInput): Advantages {
  const { numSamples, numGroups } = checkAdvantageInput(input);
  const { groupSize } = input;
  const names = Object.keys(input.rewards);
  const weighted = names.filter((name) => input.weights[name]! > 0);
  const advantages = new Float64Array(numSamples);
  const kept = new Uint8Array(numSamples);
  const valid = new Uint8Array(numGroups);
  const frameAdvantages = input.credits && Array.from(input.frames!, (count) => new Float64Array(count));
  const total = weightedSum(input, weighted, numSamples);
  let filtered = 0;
  for (let group = 0; group < numGroups; group++) {
    const [begin, end] = [group * groupSize, (group + 1) * groupSize];
    const columns = weighted.map((name) => ({
      values: input.rewards[name]!.slice(begin, end),
      weight: input.weights[name]! * (1 - (input.credits?.[name]?.share ?? 0)),
    }));
    kept.set(settleFailures(input, columns, begin), begin);
    const mask = kept.subarray(begin, end);
    if (isFilteredOut(input.cerFilter, mask, begin)) {
      filtered++;
      continue;
    }
    const within = combine(input, columns, mask);
    advantages.set(within, begin);
    const local = frameAdvantages?.slice(begin, end);
    if (local) addCredits(input, local, mask, begin);
    if (within.some(isNotZero) || local?.some((row) => row.some(isNotZero))) valid[group] = 1;
  }
  const numValid = sum(valid);
  const lengthFailures = input.lengthFailures ? sum(input.lengthFailures) : 0;
  const rewardFailures = total.filter((value, i) => Number.isNaN(value) && !input.lengthFailures?.[i]).length;
  const stats: AdvantageStats = {
    validShare: numValid / numGroups,
    zeroVarianceShare: (numGroups - numValid - filtered) / numGroups,
    filteredShare: filtered / numGroups,
    maskedShare: 1 - sum(kept) / numSamples,
    rewardFailures,
    lengthFailures,
    rewards: Object.fromEntries(names.map((name) => [name, rewardStats(input.rewards[name]!, groupSize)])),
    total: rewardStats(total, groupSize),
  };
  return { advantages, ...(frameAdvantages && { frameAdvantages }), kept, valid, stats };
}

/** The weighted sum of the rewards [P*G]; NaN where one of them failed. */
function weightedSum(input: AdvantageInput, weighted: string[], numSamples: number): Float64Array {
  return Float64Array.from({ length: numSamples }, (_, i) => {
    const value = weighted.reduce((total, name) => total + input.weights[name]! * input.rewards[name]![i]!, 0);
    return Number.isFinite(value) ? value : Number.NaN;
  });
}

/** Applies the failure policies to one group: fills in minima where they are wanted, returns which samples stay. */
function settleFailures(input: AdvantageInput, columns: Column[], begin: number): Uint8Array {
  const { groupSize, lengthFailures, onFailure = 'mask', onLengthFailure = 'group-minimum' } = input;
  const kept = new Uint8Array(groupSize).fill(1);
  const lowered: number[] = [];
  for (let i = 0; i < groupSize; i++) {
    const failedLength = lengthFailures?.[begin + i] === 1;
    if (!failedLength && columns.every(({ values }) => Number.isFinite(values[i]))) continue;
    if ((failedLength ? onLengthFailure : onFailure) === 'mask') kept[i] = 0;
    else lowered.push(i);
  }
  // What a failed sample did earn counts too: a low reward must not be raised to the minimum of the others.
  const minima = columns.map(({ values }) =>
    values.reduce((least, value, i) => (kept[i] && Number.isFinite(value) ? Math.min(least, value) : least), Infinity),
  );
  for (const i of lowered) {
    if (minima.includes(Infinity)) kept[i] = 0;
    else for (const [c, { values }] of columns.entries()) values[i] = minima[c]!;
  }
  return kept;
}

function isFilteredOut(filter: CerFilter | undefined, kept: Uint8Array, begin: number): boolean {
  if (!filter) return false;
  const known = [...filter.cer.subarray(begin, begin + kept.length)].filter((cer, i) => kept[i] && !Number.isNaN(cer));
  return known.length > 0 && (Math.min(...known) > filter.best || Math.max(...known) > filter.worst);
}

/** Advantages [G] of one group; all exactly 0 where its samples are equally good. */
function combine(input: AdvantageInput, columns: Column[], kept: Uint8Array): Float64Array {
  const out = new Float64Array(kept.length);
  const each = input.combine === 'standardise-each';
  const floor = input.stdFloor ?? (each ? leastDeviation : undefined);
  const parts = each ? columns : [{ values: weightedColumn(columns), weight: 1 }];
  for (const { values, weight } of parts) {
    const centred = centre(values, kept);
    const std = Math.sqrt(centred.reduce((total, value) => total + value * value, 0) / Math.max(sum(kept), 1));
    const factor = floor === undefined ? weight : weight / Math.max(std, floor);
    for (const [i, value] of centred.entries()) out[i]! += factor * value;
  }
  // Below this the samples differ by rounding alone.
  return out.some((value) => Math.abs(value) > 1e-9) ? out : out.fill(0);
}

const isNotZero = (value: number) => value !== 0;

/** Adds to the frames of a group's samples what rewards that know where they were earned give them. */
function addCredits(input: AdvantageInput, rows: readonly Float64Array[], kept: Uint8Array, begin: number): void {
  const { credits, frames, reach, stdFloor = leastDeviation, weights } = input;
  const end = begin + rows.length;
  for (const [name, { share, parts }] of Object.entries(credits!)) {
    const own = frames!.subarray(begin, end);
    const earned = creditFrames(parts.slice(begin, end), { frames: own, kept, reach: reach!, floor: stdFloor });
    for (const [i, row] of earned.entries())
      for (const [t, value] of row.entries()) rows[i]![t]! += weights[name]! * share * value;
  }
}

function weightedColumn(columns: Column[]): Float64Array {
  return columns[0]!.values.map((_, i) =>
    columns.reduce((total, column) => total + column.weight * column.values[i]!, 0),
  );
}

/** Values less their mean over the kept samples; 0 for masked samples. */
function centre(values: Float64Array, kept: Uint8Array): Float64Array {
  const counted = values.filter((_, i) => kept[i]);
  const mean = sum(counted) / counted.length;
  return values.map((value, i) => (kept[i] ? value - mean : 0));
}

function sum(values: Float64Array | Uint8Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
