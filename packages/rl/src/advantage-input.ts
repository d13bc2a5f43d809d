import { ConfigError, type ErrorParts, ShapeError } from '@align2speak/contracts';
import type { AdvantageInput } from './advantages.js';

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
