import { readWav } from '@align2speak/audio';
import { decodeCodes, loadCodec } from '@align2speak/codec';
import { type Codes, randomAt, randomIndex } from '@align2speak/contracts';
import type { Utterance } from '@align2speak/data';
import { ops, Tensor } from '@align2speak/native';
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

/** Loads recordings and passes them through the codec. `damage`: also decodes a damaged copy of each. */
export async function loadJudgeSpeech(
  manifests: readonly string[],
  codecFolder: string,
  { damage, seed }: { damage: boolean; seed: number },
): Promise<JudgeSpeech[]> {
  const coded = [];
  for (const manifest of manifests) coded.push(...(await codedCorpus(manifest, codecFolder)));
  const codec = await loadCodec(codecFolder);
  const progress = new Progress('decode for judges', coded.length);
  const speech: JudgeSpeech[] = [];
  try {
    for (let begin = 0; begin < coded.length; begin += chunk) {
      const part = coded.slice(begin, begin + chunk);
      const resynthesised = await decodeCodes(
        codec,
        part.map(({ codes }) => codes),
      );
      const size = codec.config.levels.reduce((a, b) => a * b, 1);
      const damaged = damage
        ? await decodeCodes(
            codec,
            part.map(({ codes }, i) => damagedCodes(codes, size, [seed, begin + i])),
          )
        : [];
      for (const [i, { utterance }] of part.entries()) {
        const resynthesis = resynthesised[i]!;
        const recording = (await readWav(utterance.audioPath)).samples;
        speech.push({
          utterance,
          recording,
          resynthesis,
          ...(damage && {
            damaged: { wav: damaged[i]!, quality: await closeness(damaged[i]!, resynthesis, codec.config.sampleRate) },
          }),
        });
      }
      progress.show(speech.length);
    }
  } finally {
    progress.end();
    codec.dispose();
  }
  return speech;
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
