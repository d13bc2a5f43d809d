import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { readWav } from '@align2speak/audio';
import { decodeCodes, hopLengthOf, loadCodec } from '@align2speak/codec';
import { type Codes, randomAt, randomIndex, writeWhole } from '@align2speak/contracts';
import type { Utterance } from '@align2speak/data';
import { type Codec, ops, Tensor } from '@align2speak/native';
import { codedKey } from '@align2speak/tts';
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

/** Utterances that are decoded together. */
const chunk = 128;

/** Loads recordings and their passes through the codec. `damage`: also decodes a damaged copy of each. */
export async function loadJudgeSpeech(
  manifests: readonly string[],
  codecFolder: string,
  { damage, seed }: { damage: boolean; seed: number },
): Promise<JudgeSpeech[]> {
  const codec = await loadCodec(codecFolder);
  const size = codec.config.levels.reduce((a, b) => a * b, 1);
  const speech: JudgeSpeech[] = [];
  try {
    for (const manifest of manifests) {
      const coded = await codedCorpus(manifest, codecFolder);
      const decode = (codes: Codes[]) => decodeAll(codec, codes, `decode ${manifest}`);
      const utterances = coded.map(({ utterance }) => utterance);
      const cache = join(
        dirname(manifest),
        '.codes',
        `${basename(manifest)}.${await codedKey(manifest, utterances, codecFolder)}.wav`,
      );
      const resynthesised = await cached(
        cache,
        coded.map(({ codes }) => codes.frames * hopLengthOf(codec)),
        () => decode(coded.map(({ codes }) => codes)),
      );
      const broken = damage ? await decode(coded.map(({ codes }, i) => damagedCodes(codes, size, [seed, i]))) : [];
      for (const [i, { utterance }] of coded.entries()) {
        const resynthesis = resynthesised[i]!;
        const { samples: recording } = await readWav(utterance.audioPath);
        const wav = broken[i];
        const damaged = wav && { wav, quality: await closeness(wav, resynthesis, codec.config.sampleRate) };
        speech.push({ utterance, recording, resynthesis, ...(damaged && { damaged }) });
      }
    }
  } finally {
    codec.dispose();
  }
  return speech;
}

async function decodeAll(codec: Codec, codes: readonly Codes[], name: string): Promise<Float32Array[]> {
  const progress = new Progress(name, codes.length);
  const wavs: Float32Array[] = [];
  for (let begin = 0; begin < codes.length; begin += chunk) {
    wavs.push(...(await decodeCodes(codec, codes.slice(begin, begin + chunk))));
    progress.show(wavs.length);
  }
  progress.end();
  return wavs;
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
