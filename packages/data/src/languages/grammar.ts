/**
 * What a language's sentences are made of: words by slot and phrases that name slots in braces.
 *
 * Each slot has two lists, separated by spaces: words for every split, and words that training never hears.
 */
export interface Grammar {
  words: Readonly<Record<string, readonly [seen: string, heldOut: string]>>;
  /** A phrase of two to six words; literal words belong to the seen ones. */
  phrases: readonly string[];
}
