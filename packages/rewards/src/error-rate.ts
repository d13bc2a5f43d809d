/** What speech recognition got wrong: `errors` of `length` segments; `rate` = errors / length, NaN where there are none. */
export interface ErrorCount {
  readonly errors: number;
  readonly length: number;
  readonly rate: number;
}

/** Stress and length marks, spaces and punctuation, and the ties of affricates. */
const unjudged = /[ˈˌːˑ\s\p{P}]|\u0361|\u035c/gu;

/**
 * The sounds of an IPA text as code points in NFC, without stress, length, spaces, punctuation and ties: what error rates compare.
 */
export function segmentsOf(ipa: string): string[] {
  return [...ipa.normalize('NFD').replace(unjudged, '').normalize('NFC')];
}

/**
 * The least number of insertions, deletions and replacements that turn one sequence into the other.
 *
 * @see Levenshtein: Binary codes capable of correcting deletions, insertions, and reversals, 1966
 */
export function editDistance(a: readonly string[], b: readonly string[]): number {
  // distances[j]: from the part of `a` seen so far to the first j elements of `b`.
  const distances = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (const [i, element] of a.entries()) {
    let diagonal = i;
    distances[0] = i + 1;
    for (let j = 1; j <= b.length; j++) {
      const replaced = diagonal + (element === b[j - 1] ? 0 : 1);
      diagonal = distances[j]!;
      distances[j] = Math.min(replaced, diagonal + 1, distances[j - 1]! + 1);
    }
  }
  return distances[b.length]!;
}

/**
 * Character error rate of an IPA transcript against the IPA that was to be said, over their segments; not clipped, so
 * that it exceeds 1 where more was said than was to be. Counts of several utterances add up to the cumulative rate.
 */
export function cer(hypothesis: string, reference: string): ErrorCount {
  const expected = segmentsOf(reference);
  const errors = editDistance(segmentsOf(hypothesis), expected);
  return { errors, length: expected.length, rate: expected.length === 0 ? Number.NaN : errors / expected.length };
}
