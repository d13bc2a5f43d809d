import { resample, trimSilence } from '@align2speak/audio';
import { DataError, DeviceError } from '@align2speak/contracts';
import { type Espeak, languageOf } from '@align2speak/text';
import type { SyntheticVoice } from './voices.js';

/** Hz, of every file of a synthetic corpus. */
export const sampleRate = 22050;
/** Samples of a codec frame; utterances are whole numbers of frames. */
export const frameSamples = 1024;
const peak = 0.7;

/** What is to be spoken, by whom and how fast. */
export interface SpeechRequest {
  text: string;
  lang: string;
  voice: SyntheticVoice;
  /** Words a minute, by espeak-ng's count. */
  rate: number;
}

/**
 * Speech of a synthetic voice, `[S]` at 22 050 Hz: silence trimmed, peak 0.7, zero-padded to whole frames.
 *
 * A vocal tract shorter by a factor is speech played faster by it; the rate is lowered as much, so that tempo stays.
 *
 * @throws DataError where espeak-ng says nothing; DeviceError where it cannot run.
 */
export async function speak(espeak: Espeak, { text, lang, voice, rate }: SpeechRequest): Promise<Float32Array> {
  const answer = await espeak.request({
    voice: `${languageOf(lang).voice}+${voice.variant}`,
    definition: voice.definition,
    text,
    speak: true,
    rate: Math.round(rate / voice.scale),
    pitch: voice.pitch,
  });
  if (answer.error !== undefined || answer.pcm === undefined)
    throw new DataError({ where: 'espeak', what: voice.variant, expected: 'speech', got: answer.error ?? 'none' });
  if (answer.sampleRate !== sampleRate)
    throw new DeviceError({
      where: 'espeak',
      what: 'sample rate',
      expected: String(sampleRate),
      got: String(answer.sampleRate),
    });
  const bytes = Buffer.from(answer.pcm, 'base64');
  const spoken = Float32Array.from({ length: bytes.length >> 1 }, (_, i) => bytes.readInt16LE(2 * i) / 32768);
  const samples = await resample(spoken, Math.round(100 * voice.scale), 100);
  const loudest = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0);
  if (loudest === 0) throw new DataError({ where: 'espeak', what: `'${text}'`, expected: 'speech', got: 'silence' });
  const trimmed = trimSilence(samples.map((sample) => (sample * peak) / loudest));
  const padded = new Float32Array(Math.ceil(trimmed.length / frameSamples) * frameSamples);
  padded.set(trimmed);
  return padded;
}
