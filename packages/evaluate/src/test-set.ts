import { readWav } from '@align2speak/audio';
import { type Codes, DataError, sliceCodes } from '@align2speak/contracts';
import { type CodedUtterance, loadCoded, type Prompt } from '@align2speak/tts';

/** A text that a model is to say in a voice, with what it is compared to. */
export interface TestPrompt extends Prompt {
  /** Name of the text. */
  name: string;
  lang: string;
  ipa: string;
  text: string;
  speaker: string;
  /** Key and recording of the voice prompt. */
  voiceKey: string;
  voiceWav: Float32Array;
  /** The same text as its speaker recorded it. */
  recording: { wav: Float32Array; codes: Codes };
}

export interface TestSetSettings {
  /** Manifest of the texts, with recordings. */
  manifest: string;
  /** Manifests in which voice prompts are looked for: other speech of the same speakers, best in another language. */
  voices: readonly string[];
  codec: string;
  contextFrames: number;
  /** Texts, evenly chosen; default all. */
  most?: number | undefined;
}

/**
 * Every text of a manifest, in the voice of its own speaker.
 *
 * A voice prompt is the first `contextFrames` frames of another utterance of the speaker; which one depends on nothing but the
 * manifests, so that all models are tested on the same prompts.
 * @throws DataError where a speaker has no other utterance among the voices.
 */
export async function loadTestSet(settings: TestSetSettings): Promise<TestPrompt[]> {
  const texts = await loadCoded(settings.manifest, settings.codec);
  const voices = new Map<string, CodedUtterance[]>();
  for (const manifest of settings.voices) {
    for (const item of await loadCoded(manifest, settings.codec)) {
      const list = voices.get(item.utterance.speaker);
      if (list) list.push(item);
      else voices.set(item.utterance.speaker, [item]);
    }
  }
  const count = Math.min(settings.most ?? texts.length, texts.length);
  const prompts: TestPrompt[] = [];
  for (let i = 0; i < count; i++) {
    const place = Math.floor((i * texts.length) / count);
    const { utterance, tokens, codes } = texts[place]!;
    const others = voices.get(utterance.speaker)?.filter((other) => other.utterance.audioPath !== utterance.audioPath);
    if (!others?.length) {
      const expected = `another utterance of speaker ${utterance.speaker} in ${settings.voices.join(', ')}`;
      throw new DataError({ where: settings.manifest, what: utterance.audioPath, expected, got: 'none' });
    }
    const voice = others[place % others.length]!;
    prompts.push({
      name: utterance.audioPath,
      lang: utterance.lang,
      ipa: utterance.ipa,
      text: utterance.text,
      speaker: utterance.speaker,
      tokens,
      voice: sliceCodes(voice.codes, 0, Math.min(voice.codes.frames, settings.contextFrames)),
      voiceKey: voice.utterance.audioPath,
      voiceWav: (await readWav(voice.utterance.audioPath)).samples,
      recording: { wav: (await readWav(utterance.audioPath)).samples, codes },
    });
  }
  return prompts;
}
