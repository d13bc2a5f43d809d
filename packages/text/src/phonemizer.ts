import { DataError } from '@align2speak/contracts';
import { Espeak } from './espeak.js';
import { cleanIpa, splitAtPauses } from './ipa.js';
import { languageOf } from './languages.js';
import { normaliseText } from './normalise.js';

/** Pronunciations that override espeak-ng: by language code, then by word in lower case. */
export type Lexicon = Record<string, Record<string, string>>;

/** Text to IPA. Holds one espeak-ng process; call {@link Phonemizer.close} at the end. */
export class Phonemizer {
  readonly #espeak = new Espeak();
  readonly #lexicon: Lexicon;

  constructor(lexicon: Lexicon = {}) {
    this.#lexicon = lexicon;
  }

  /**
   * IPA of a text: NFC, words separated by a space, primary stress marked by ˈ, and a pause written as one of `, . ! ?`.
   *
   * @param text any spelling; normalised first
   * @param lang language code, see `languageCodes`
   * @throws ConfigError for an unknown language
   * @throws DataError when nothing in the text can be pronounced
   * @throws DeviceError when espeak-ng is not installed
   */
  async phonemize(text: string, lang: string): Promise<string> {
    const { voice } = languageOf(lang);
    const words = this.#lexicon[lang] ?? {};
    const clauses = splitAtPauses(normaliseText(text));
    const parts = await Promise.all(
      clauses.map(async ({ clause, mark }) => `${await this.#pronounce(clause, voice, words)}${mark}`),
    );
    const ipa = parts.filter((part) => /\p{L}/u.test(part)).join(' ');
    if (ipa !== '') return ipa;
    throw new DataError({
      where: 'text',
      what: `'${text.slice(0, 60)}'`,
      expected: `something to pronounce in '${lang}'`,
      got: 'no phonemes',
    });
  }

  close(): void {
    this.#espeak.close();
  }

  /** Runs of words without an entry go to espeak-ng together, because words in context sound otherwise than alone. */
  async #pronounce(clause: string, voice: string, words: Record<string, string>): Promise<string> {
    const runs: { text: string; ipa?: string }[] = [];
    for (const word of clause.split(' ')) {
      const ipa = words[word.toLowerCase().replace(/^[^\p{L}\p{N}]+|[^\p{L}\p{N}\p{M}]+$/gu, '')];
      const last = runs[runs.length - 1];
      if (ipa !== undefined) runs.push({ text: word, ipa: ipa.normalize('NFC') });
      else if (last && last.ipa === undefined) last.text += ` ${word}`;
      else runs.push({ text: word });
    }
    const spoken = await Promise.all(runs.map(async ({ text, ipa }) => ipa ?? this.#ask(text, voice)));
    return spoken.filter((part) => part !== '').join(' ');
  }

  async #ask(text: string, voice: string): Promise<string> {
    const { clauses, error } = await this.#espeak.request({ voice, text });
    if (error) throw new DataError({ where: 'espeak', what: voice, expected: 'phonemes', got: error });
    return cleanIpa(clauses.join(' '));
  }
}
