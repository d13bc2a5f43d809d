import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { readWav } from '@align2speak/audio';
import { decodeCodes, encodeWavs, hopLengthOf, loadCodec } from '@align2speak/codec';
import { type Codes, randomAt, randomIndex, writeWhole } from '@align2speak/contracts';
import type { Utterance } from '@align2speak/data';
import { ops, Tensor } from '@align2speak/native';
import { codedKey } from '@align2speak/tts';
import { faster } from './augmentation.js';
import { codedCorpus } from './coded-corpus.js';
import { Progress } from './progress.js';

/** An utterance as recorded and as the codec gives it back: what judges hear in training. */
export interface JudgeSpeech {
  utterance: Utterance;
  recording: Float32Array;
  resynthesis: Float32Array;
  /** For the quality judge: decoded from damaged codes, and how close it still is to the resynthesis, 0 to 1. */
  damaged?: { wav: Float32Array; quality: number };
}

/** Utterances that pass through the codec together. */
const chunk = 128;

/**
 * Loads recordings and their passes through the codec.
 *
 * @param options.damage also decodes a damaged copy of each
 * @param options.speeds each utterance passes through the codec played faster by a factor of its own from this range, so that
 * judges hear what it makes of more voices than were recorded
 */
export async function loadJudgeSpeech(
  manifests: readonly string[],
  codecFolder: string,
  { damage, seed, speeds = [1, 1] }: { damage: boolean; seed: number; speeds?: readonly [number, number] },
): Promise<JudgeSpeech[]> {
  const codec = await loadCodec(codecFolder);
  const size = codec.config.levels.reduce((a, b) => a * b, 1);
  const [least, greatest] = speeds;
  const varied = least !== 1 || greatest !== 1;
  const speech: JudgeSpeech[] = [];
  try {
    for (const manifest of manifests) {
      const coded = await codedCorpus(manifest, codecFolder);
      const utterances = coded.map(({ utterance }) => utterance);
      const recordings: Float32Array[] = [];
      for (const { audioPath } of utterances) recordings.push((await readWav(audioPath)).samples);
      const played = varied
        ? recordings.map((wav, i) => faster(wav, least + (greatest - least) * randomAt(seed, i)))
        : recordings;
      const codes = varied
        ? await inChunks(`encode ${manifest}`, played, (wavs) => encodeWavs(codec, wavs))
        : coded.map((each) => each.codes);
      const decode = (items: readonly Codes[]) =>
        inChunks(`decode ${manifest}`, items, (some) => decodeCodes(codec, some));
      const key = await codedKey(manifest, utterances, codecFolder);
      const resynthesised = await cached(
        join(dirname(manifest), '.codes', `${basename(manifest)}.${key}${varied ? `.${speeds}.${seed}` : ''}.wav`),
        codes.map(({ frames }) => frames * hopLengthOf(codec)),
        () => decode(codes),
      );
      const broken = damage ? await decode(codes.map((each, i) => damagedCodes(each, size, [seed, i]))) : [];
      for (const [i, utterance] of utterances.entries()) {
        const resynthesis = resynthesised[i]!;
        const wav = broken[i];
        const damaged = wav && { wav, quality: await closeness(wav, resynthesis, codec.config.sampleRate) };
        speech.push({ utterance, recording: recordings[i]!, resynthesis, ...(damaged && { damaged }) });
      }
    }
  } finally {
    codec.dispose();
  }
  return speech;
}

/** What `work` makes of all items, some at once, with a line of progress. */
async function inChunks<In, Out>(
  name: string,
  items: readonly In[],
  work: (items: readonly In[]) => Promise<Out[]>,
): Promise<Out[]> {
  const progress = new Progress(name, items.length);
  const made: Out[] = [];
  for (let begin = 0; begin < items.length; begin += chunk) {
    made.push(...(await work(items.slice(begin, begin + chunk))));
    progress.show(made.length);
  }
  progress.end();
  return made;
}

/** Waveforms of these lengths from a file of 16-bit samples, which `make` fills the first time. */
async function cached(
  path: string,
  lengths: readonly number[],
  make: () => Promise<Float32Array[]>,
): Promise<Float32Array[]> {
  const total = lengths.reduce((sum, length) => sum + length, 0);
  let bytes = await readFile(path).catch(() => undefined);
  if (bytes?.length !== 2 * total) {
    const samples = new Int16Array(total);
    let at = 0;
    for (const wav of await make()) for (const sample of wav) samples[at++] = Math.round(32767 * sample);
    bytes = Buffer.from(samples.buffer);
    await writeWhole(path, bytes);
  }
  let at = 0;
  return lengths.map((length) => {
    const wav = Float32Array.from({ length }, (_, i) => bytes.readInt16LE(2 * (at + i)) / 32767);
    at += length;
    return wav;
  });
}

/** Codes of which a share is replaced by random ones: single codes, or whole frames. */
function damagedCodes({ data, frames }: Codes, codebookSize: number, key: number[]): Codes {
  const copy = data.slice();
  // Squared, so that light damage, which is what a model does, is seen most.
  const share = 0.8 * randomAt(...key, 0) ** 2;
  const wholeFrames = randomAt(...key, 1) < 0.3;
  for (let i = 0; i < copy.length; i++) {
    const hit = wholeFrames ? randomAt(...key, 2, i % frames) < share / 2 : randomAt(...key, 3, i) < share;
    if (hit) copy[i] = randomIndex(codebookSize, ...key, 4, i);
  }
  return { data: copy, frames };
}

/** exp(-d), d the mean absolute difference of two log mel spectra in nats. */
export async function closeness(a: Float32Array, b: Float32Array, sampleRate: number): Promise<number> {
  const both = new Float32Array(2 * a.length);
  both.set(a);
  both.set(b, a.length);
  const x = await Tensor.from(both, [2, a.length]);
  const { y } = await ops.logMel({ x }, { sampleRate });
  const mel = await y.toArray();
  x.dispose();
  y.dispose();
  const half = mel.length / 2;
  let sum = 0;
  for (let i = 0; i < half; i++) sum += Math.abs(mel[i]! - mel[half + i]!);
  return Math.exp(-sum / half);
}
