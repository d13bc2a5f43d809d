import { ConfigError, type ErrorParts, ShapeError } from '@align2speak/contracts';
import type { Credit, Reach } from './credit.js';

/** What becomes of a sample that failed: left out of its group, or given its group's minimum of each reward. */
type FailurePolicy = 'mask' | 'group-minimum';

/** Skips groups by their kept samples' error rates. */
export interface CerFilter {
  /** Error rates [P*G], lower is better; NaN is ignored. */
  readonly cer: Float64Array;
  /** A group is skipped where even its lowest CER is above this. */
  readonly best: number;
  /** A group is skipped where its highest CER is above this. */
  readonly worst: number;
}

/** Rewards of P prompts with G rollouts each, and how they become advantages. */
export interface AdvantageInput {
  /** By name, each [P*G] with the rollouts of a prompt side by side; higher is better; NaN or infinite = failed. */
  readonly rewards: Readonly<Record<string, Float64Array>>;
  /** Weight >= 0 of each reward; one of weight 0 is reported, and takes no part in anything else. */
  readonly weights: Readonly<Record<string, number>>;
  /** G >= 2. */
  readonly groupSize: number;
  /**
   * `sum-then-centre`: the weighted sum of the rewards, centred in its group (the paper).
   * `standardise-each`: each reward centred and divided by its standard deviation in the group, then weighted, so that
   * no reward outweighs another only because it varies more.
   */
  readonly combine: 'sum-then-centre' | 'standardise-each';
  /**
   * Least standard deviation that is divided by, > 0: keeps rounding noise from becoming advantages. With
   * `standardise-each` 1e-3 by default; with `sum-then-centre` nothing is divided unless it is given.
   */
  readonly stdFloor?: number;
  /** For samples of which a weighted reward failed; `mask` by default. */
  readonly onFailure?: FailurePolicy;
  /** [P*G], 1 = truncated, too short, too long or silent. */
  readonly lengthFailures?: Uint8Array;
  /** For samples marked in `lengthFailures`, whether or not their rewards failed too; `group-minimum` by default. */
  readonly onLengthFailure?: FailurePolicy;
  readonly cerFilter?: CerFilter;
  /** By name of a reward: what of its weight goes to single frames, with `standardise-each`. */
  readonly credits?: Readonly<Record<string, Credit>>;
  /** For `credits`: frames of each sample [P*G], and how far from a part they answer for it. */
  readonly frames?: Int32Array;
  readonly reach?: Reach;
}

const where = 'composeAdvantages';

/** Refuses what `composeAdvantages` cannot use, and counts samples and groups. */
export function checkAdvantageInput(input: AdvantageInput): { numSamples: number; numGroups: number } {
  const { rewards, groupSize, lengthFailures, cerFilter } = input;
  const numSamples = checkWeights(input);
  if (!Number.isInteger(groupSize) || groupSize < 2) refuse('groupSize', 'an integer of at least 2', groupSize);
  const lengths: Record<string, ArrayLike<number>> = { ...rewards };
  if (lengthFailures) lengths.lengthFailures = lengthFailures;
  if (cerFilter) lengths['cerFilter.cer'] = cerFilter.cer;
  for (const [what, { length }] of Object.entries(lengths)) {
    if (length === numSamples && length > 0 && length % groupSize === 0) continue;
    const expected = `the same positive multiple of groupSize ${groupSize} as the others`;
    throw new ShapeError({ where, what, expected, got: `${length} values` });
  }
  if (input.stdFloor !== undefined && !(input.stdFloor > 0 && input.stdFloor < Infinity))
    refuse('stdFloor', 'a finite number above 0', input.stdFloor);
  if (input.onLengthFailure && !lengthFailures)
    refuse('onLengthFailure', 'lengthFailures beside it', input.onLengthFailure);
  if (cerFilter && (Number.isNaN(cerFilter.best) || Number.isNaN(cerFilter.worst)))
    refuse('cerFilter', 'thresholds that are numbers', `${cerFilter.best} and ${cerFilter.worst}`);
  if (input.credits) checkCredits(input, numSamples);
  return { numSamples, numGroups: numSamples / groupSize };
}

/** Credits are of rewards that are there, and the parts of a group's samples agree in number. */
function checkCredits(
  { credits, rewards, combine, frames, reach, groupSize }: AdvantageInput,
  numSamples: number,
): void {
  if (combine !== 'standardise-each') refuse('combine', 'standardise-each where rewards credit frames', combine);
  if (frames?.length !== numSamples) refuse('frames', `${numSamples} counts beside credits`, frames?.length);
  if (!(reach && reach.before >= 0 && reach.after >= 0))
    refuse('reach', 'numbers of at least 0', JSON.stringify(reach));
  for (const [name, { share, parts }] of Object.entries(credits!)) {
    const what = `credits.${name}`;
    if (!Object.hasOwn(rewards, name))
      refuse(what, `a reward among ${Object.keys(rewards).join(', ')}`, 'none of them');
    if (!(share >= 0 && share <= 1)) refuse(`${what}.share`, '0 to 1', share);
    if (parts.length !== numSamples) refuse(`${what}.parts`, `${numSamples} entries`, parts.length);
    for (const [i, each] of parts.entries()) {
      if (!each) continue;
      const group = i - (i % groupSize);
      const expected = parts.slice(group, i).find((other) => other)?.values.length ?? each.values.length;
      if (
        each.values.length === expected &&
        each.places.length === expected &&
        each.values.every(Number.isFinite) &&
        each.places.every(Number.isFinite)
      )
        continue;
      const got = `${each.values.length} values and ${each.places.length} places`;
      throw new ShapeError({
        where,
        what: `${what}.parts[${i}]`,
        expected: `${expected} finite values and places`,
        got,
      });
    }
  }
}

/** Every reward has a usable weight and the other way round; returns the length of the first reward. */
function checkWeights({ rewards, weights }: AdvantageInput): number {
  const names = Object.keys(rewards);
  for (const name of new Set([...names, ...Object.keys(weights)])) {
    if (!Object.hasOwn(rewards, name)) refuse(`weights.${name}`, `a reward among ${names.join(', ')}`, 'none of them');
    const weight = Object.hasOwn(weights, name) ? weights[name]! : Number.NaN;
    if (!(weight >= 0 && weight < Infinity)) refuse(`weights.${name}`, 'a finite number of at least 0', weight);
  }
  if (!Object.values(weights).some((weight) => weight > 0)) refuse('weights', 'one above 0', 'none');
  return rewards[names[0]!]!.length;
}

function refuse(what: string, expected: string, got: unknown): never {
  const parts: ErrorParts = { where, what, expected, got: String(got) };
  throw new ConfigError(parts);
}
