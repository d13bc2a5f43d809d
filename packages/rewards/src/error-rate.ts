import type { Parts } from './reward.js';
import type { Transcript } from './transcript.js';

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

/** How one sequence is turned into another with the least number of insertions, deletions and replacements. */
export interface Alignment {
  readonly errors: number;
  /** Of each element of the reference: 1 where it is missing or replaced, and 1 more for each element inserted before it (the last one's: after it too). */
  readonly each: Float64Array;
  /** Of each element of the reference, the index of the one that stands for it, -1 where it is missing. */
  readonly matches: Int32Array;
}

/** @see Levenshtein: Binary codes capable of correcting deletions, insertions, and reversals, 1966 */
export function align(hypothesis: readonly string[], reference: readonly string[]): Alignment {
  const [rows, columns] = [hypothesis.length + 1, reference.length + 1];
  // distances[i * columns + j]: from the first i elements of the hypothesis to the first j of the reference.
  const distances = new Int32Array(rows * columns);
  for (let j = 0; j < columns; j++) distances[j] = j;
  for (let i = 1; i < rows; i++) {
    distances[i * columns] = i;
    for (let j = 1; j < columns; j++) {
      const above = (i - 1) * columns + j;
      const replaced = distances[above - 1]! + (hypothesis[i - 1] === reference[j - 1] ? 0 : 1);
      distances[i * columns + j] = Math.min(replaced, distances[above]! + 1, distances[i * columns + j - 1]! + 1);
    }
  }
  const each = new Float64Array(reference.length);
  const matches = new Int32Array(reference.length).fill(-1);
  let [i, j] = [rows - 1, columns - 1];
  while (i > 0 || j > 0) {
    const here = distances[i * columns + j]!;
    const differs = i > 0 && j > 0 && hypothesis[i - 1] !== reference[j - 1] ? 1 : 0;
    if (i > 0 && j > 0 && distances[(i - 1) * columns + j - 1]! + differs === here) {
      each[j - 1]! += differs;
      matches[--j] = --i;
    } else if (i > 0 && distances[(i - 1) * columns + j]! + 1 === here) {
      i--;
      if (each.length > 0) each[Math.min(j, each.length - 1)]! += 1;
    } else each[--j]! += 1;
  }
  return { errors: distances.at(-1)!, each, matches };
}

/**
 * Character error rate of an IPA transcript against the IPA that was to be said, over their segments; not clipped, so
 * that it exceeds 1 where more was said than was to be. Counts of several utterances add up to the cumulative rate.
 */
export function cer(hypothesis: string, reference: string): ErrorCount {
  const expected = segmentsOf(reference);
  return countOf(align(segmentsOf(hypothesis), expected).errors, expected.length);
}

const countOf = (errors: number, length: number): ErrorCount => ({
  errors,
  length,
  rate: length === 0 ? Number.NaN : errors / length,
});

/** The errors of a transcript, segment by segment of the reference, and where in the sample each segment is, or should be. */
export function locatedErrors({ text, places }: Transcript, reference: string): { count: ErrorCount; parts: Parts } {
  const expected = segmentsOf(reference);
  const heard = segmentsOf(text);
  const { errors, each, matches } = align(heard, expected);
  const at = segmentPlaces(text, places, heard.length);
  const found = Float64Array.from(matches, (i) => (i < 0 ? Number.NaN : at[i]!));
  return { count: countOf(errors, expected.length), parts: { values: each, places: fillGaps(found) } };
}

/** Where each segment of a text was heard: the place of the first code point that makes it one. */
function segmentPlaces(text: string, places: readonly number[], segments: number): number[] {
  const at: number[] = [];
  let prefix = '';
  for (const [i, point] of [...text].entries()) {
    prefix += point;
    const known = Math.min(segments, segmentsOf(prefix).length);
    while (at.length < known) at.push(places[i]!);
  }
  return at;
}

/** Numbers in place of NaN: evenly between the known ones beside them, or 0 before and 1 after all of them. */
function fillGaps(values: Float64Array): Float64Array {
  const filled = Float64Array.from(values);
  for (let begin = 0; begin < filled.length; begin++) {
    if (!Number.isNaN(filled[begin]!)) continue;
    let end = begin;
    while (end < filled.length && Number.isNaN(filled[end]!)) end++;
    const before = begin > 0 ? filled[begin - 1]! : 0;
    const after = end < filled.length ? filled[end]! : 1;
    for (let i = begin; i < end; i++) filled[i] = before + ((after - before) * (i - begin + 1)) / (end - begin + 1);
  }
  return filled;
}
