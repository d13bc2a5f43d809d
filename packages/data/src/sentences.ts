import type { Grammar } from './languages/grammar.js';
import type { CounterRandom } from './random.js';

/** The part of a corpus that a sentence is for; it decides the words. */
export type Split = 'train' | 'judges' | 'invented' | 'validation' | 'test';

/** Share of the training sentences that contain pseudo-words. */
const pseudoShare = 0.3;
/** Shorter words have no halves worth joining. */
const minGraphemes = 4;

interface Slot {
  seen: readonly string[];
  validation: readonly string[];
  test: readonly string[];
}

/**
 * Random sentences of a language.
 *
 * Sentences for training have only seen words and, in 30 % of them, pseudo-words (the first half of one word and the
 * second half of another), for phonemes in more contexts. Half of the sentences for judges (`judges`, and `invented`, whose
 * voices are too) have words of every list, those held out from training as well, because judges may know what models must not;
 * the other half have invented words alone, so that judges hear sounds too. In those for validation and for test at least half
 * of the words come from lists that occur in no other split.
 */
export class SentenceMaker {
  readonly #slots: ReadonlyMap<string, Slot>;
  readonly #phrases: readonly string[][];
  readonly #words: ReadonlySet<string>;
  readonly #divisible: readonly string[][];

  constructor({ words, phrases }: Grammar) {
    const slots = new Map<string, Slot>();
    for (const [name, [seen, heldOut]] of Object.entries(words)) {
      const held = heldOut.split(' ');
      const test = held.filter((_, i) => i % 3 !== 0);
      slots.set(name, { seen: seen.split(' '), validation: held.filter((_, i) => i % 3 === 0), test });
    }
    this.#slots = slots;
    this.#phrases = phrases.map((phrase) => phrase.split(' '));
    const all = [...slots.values()].flatMap(({ seen, validation, test }) => [...seen, ...validation, ...test]);
    this.#words = new Set(all.map((word) => word.toLowerCase()));
    const seen = new Set([...slots.values()].flatMap((slot) => slot.seen));
    this.#divisible = [...seen].map(graphemes).filter((parts) => parts.length >= minGraphemes);
  }

  /** One sentence, a pure function of the random numbers. */
  sentence(split: Split, random: CounterRandom): string {
    if (split === 'judges' || split === 'invented') return this.#sentenceForJudges(random);
    const phrase = random.pick(this.#phrases);
    const places = random.shuffled([...phrase.keys()].filter((i) => slotName(phrase[i]!) !== undefined));
    const held = split === 'train' ? 0 : Math.ceil(phrase.length / 2);
    // A phrase with too few slots for its share of held-out words is for training only.
    if (places.length < held) return this.sentence(split, random);
    const pseudo = split === 'train' && random.next() < pseudoShare ? 1 + random.below(2) : 0;
    const spoken = [...phrase];
    const used = new Set<string>();
    for (const [rank, place] of places.entries()) {
      const slot = this.#slots.get(slotName(phrase[place]!)!)!;
      const list = rank < held ? slot[split as 'validation' | 'test'] : slot.seen;
      let word = rank < pseudo ? this.#pseudoWord(random) : random.pick(list);
      // A word said twice is drawn again, once: short lists may have no other.
      if (used.has(word)) word = random.pick(list);
      used.add(word);
      spoken[place] = phrase[place]!.replace(/\{.*\}/u, word);
    }
    return spoken.join(' ');
  }

  #sentenceForJudges(random: CounterRandom): string {
    if (random.next() < 0.5)
      return Array.from({ length: 2 + random.below(3) }, () => this.#inventedWord(random)).join(' ');
    const filled = random.pick(this.#phrases).map((word) => {
      const name = slotName(word);
      if (name === undefined) return word;
      const { seen, validation, test } = this.#slots.get(name)!;
      return word.replace(/\{.*\}/u, random.pick([...seen, ...validation, ...test]));
    });
    return filled.join(' ');
  }

  /** Two or three pieces of words, the first from the start and the last from the end of theirs. */
  #inventedWord(random: CounterRandom): string {
    const pieces = 2 + random.below(2);
    const word = Array.from({ length: pieces }, (_, i) => {
      const source = random.pick(this.#divisible);
      const length = Math.min(source.length, 2 + random.below(2));
      const start = i === 0 ? 0 : i === pieces - 1 ? source.length - length : random.below(source.length - length + 1);
      return source.slice(start, start + length).join('');
    }).join('');
    return this.#words.has(word.toLowerCase()) ? this.#inventedWord(random) : word.toLowerCase();
  }

  #pseudoWord(random: CounterRandom): string {
    for (;;) {
      const [first, second] = [random.pick(this.#divisible), random.pick(this.#divisible)];
      const word = `${first.slice(0, Math.ceil(first.length / 2)).join('')}${second.slice(Math.ceil(second.length / 2)).join('')}`;
      if (!this.#words.has(word.toLowerCase())) return word.toLowerCase();
    }
  }
}

function slotName(word: string): string | undefined {
  return /\{(.+)\}/u.exec(word)?.[1];
}

/** Characters as a reader sees them: Hindi vowel signs stay with their consonants. */
function graphemes(word: string): string[] {
  return Array.from(new Intl.Segmenter().segment(word), ({ segment }) => segment);
}
