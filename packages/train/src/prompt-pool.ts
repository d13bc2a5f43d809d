import { readWav } from '@align2speak/audio';
import { randomIndex } from '@align2speak/contracts';
import { readPrompts, type Prompt as Text } from '@align2speak/data';
import { encodeIpa } from '@align2speak/text';
import { type CodedUtterance, Voices } from '@align2speak/tts';
import { codedCorpus, requireManifests } from './coded-corpus.js';
import type { RolloutPrompt } from './rollouts.js';

/** Where prompts come from: texts and voices that need have nothing to do with each other. */
export interface PoolSettings {
  texts: readonly string[];
  voices: readonly string[];
  validation: readonly string[];
  codec: string;
  contextFrames: number;
}

/** Unpaired prompts: any text with any voice. */
export class PromptPool {
  readonly #texts: readonly Text[];
  readonly #speech: Speech;
  readonly #validation: Speech;

  private constructor(texts: readonly Text[], speech: Speech, validation: Speech) {
    this.#texts = texts;
    this.#speech = speech;
    this.#validation = validation;
  }

  /** @throws DataError as the manifests do. */
  static async open({ texts, voices, validation, codec, contextFrames }: PoolSettings): Promise<PromptPool> {
    const lines = (await Promise.all(texts.map((path) => readPrompts(path)))).flat();
    await requireManifests(voices, validation);
    const [speech, held] = [
      await Speech.open(voices, codec, contextFrames),
      await Speech.open(validation, codec, contextFrames),
    ];
    return new PromptPool(lines, speech, held);
  }

  /** The prompt that a key stands for. */
  async prompt(...key: number[]): Promise<RolloutPrompt> {
    const text = this.#texts[randomIndex(this.#texts.length, ...key, 0)]!;
    return this.#speech.prompt(text, randomIndex(this.#speech.size, ...key, 1), ...key, 2);
  }

  /** Texts of the validation manifests, each in the voice of its own speaker, as other speech of theirs has it. */
  async validation(most: number): Promise<RolloutPrompt[]> {
    return this.#validation.prompts(most);
  }
}

/** Coded speech whose voices can be prompts. */
export class Speech {
  readonly #utterances: readonly CodedUtterance[];
  readonly #voices: Voices;

  private constructor(utterances: readonly CodedUtterance[], contextFrames: number) {
    this.#utterances = utterances;
    this.#voices = new Voices(utterances, contextFrames);
  }

  static async open(manifests: readonly string[], codec: string, contextFrames: number): Promise<Speech> {
    const parts: CodedUtterance[][] = [];
    for (const manifest of manifests) parts.push(await codedCorpus(manifest, codec));
    return new Speech(parts.flat(), contextFrames);
  }

  get size(): number {
    return this.#utterances.length;
  }

  /** A text in the voice of utterance `index`; judges compare with the whole recording of it. */
  async prompt({ ipa, lang }: Pick<Text, 'ipa' | 'lang'>, index: number, ...key: number[]): Promise<RolloutPrompt> {
    const { audioPath } = this.#utterances[index]!.utterance;
    // Read each time: those of a whole corpus do not belong in memory.
    const { samples } = await readWav(audioPath);
    return {
      tokens: encodeIpa(ipa),
      voice: this.#voices.crop(index, ...key),
      reference: { ipa, lang, voice: audioPath, voiceWav: samples },
    };
  }

  /** Up to `most` of the utterances' own texts, evenly chosen, each prompted by other speech of its speaker. */
  async prompts(most: number): Promise<RolloutPrompt[]> {
    const count = Math.min(most, this.size);
    return Promise.all(
      Array.from({ length: count }, (_, i) => {
        const index = Math.floor((i * this.size) / count);
        return this.prompt(this.#utterances[index]!.utterance, this.#voices.other(index, 0, index), 0, index, 1);
      }),
    );
  }
}
