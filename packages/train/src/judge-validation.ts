import { wavTensors } from '@align2speak/codec';
import { equalErrorRate } from '@align2speak/evaluate';
import type { Judge } from '@align2speak/native';
import { cer, greedyTranscript } from '@align2speak/rewards';
import { disposeTensors } from '@align2speak/tts';
import type { JudgeSpeech } from './judge-speech.js';

interface ValidationSet {
  speech: readonly JudgeSpeech[];
  symbols: readonly string[];
}

/** How wrong a judge is, on recordings and through the codec; `score` is the figure to select by. */
export async function judgeErrors(
  kind: 'recogniser' | 'speaker' | 'quality',
  model: Judge,
  { speech, symbols }: ValidationSet,
): Promise<Record<string, number>> {
  if (kind === 'quality') return qualityErrors(model, speech);
  const result: Record<string, number> = {};
  for (const source of ['recording', 'resynthesis'] as const) {
    const wavs = speech.map((item) => item[source]);
    Object.assign(
      result,
      kind === 'speaker'
        ? { [`${source}/eer`]: await speakerErrors(model, wavs, speech) }
        : await transcriptionErrors(model, wavs, { speech, symbols, source }),
    );
  }
  return { ...result, score: result[kind === 'speaker' ? 'resynthesis/eer' : 'resynthesis/cer']! };
}

const chunk = 16;

/** Calls `use` with the arrays of the model's outputs for each chunk of items. */
async function eachChunk(
  model: Judge,
  wavs: readonly Float32Array[],
  use: (outputs: Record<string, { data: ArrayLike<number>; shape: readonly number[] }>, begin: number) => void,
): Promise<void> {
  for (let begin = 0; begin < wavs.length; begin += chunk) {
    const batch = await wavTensors(wavs.slice(begin, begin + chunk));
    const outputs = await model.forward(batch);
    const arrays: Record<string, { data: ArrayLike<number>; shape: readonly number[] }> = {};
    for (const [name, tensor] of Object.entries(outputs))
      arrays[name] = { data: await tensor.toArray(), shape: tensor.shape };
    use(arrays, begin);
    disposeTensors(batch, outputs);
  }
}

async function transcriptionErrors(
  model: Judge,
  wavs: readonly Float32Array[],
  { speech, symbols, source }: ValidationSet & { source: string },
): Promise<Record<string, number>> {
  const counts = new Map<string, { errors: number; length: number }>();
  await eachChunk(model, wavs, ({ logits, frames }, begin) => {
    const [items, steps, labels] = logits!.shape as [number, number, number];
    for (let b = 0; b < items; b++) {
      const { ipa, lang } = speech[begin + b]!.utterance;
      const rows = (logits!.data as Float32Array).subarray(b * steps * labels, (b + 1) * steps * labels);
      const { errors, length } = cer(greedyTranscript(rows, frames!.data[b]!, symbols).text, ipa);
      for (const key of ['all', lang]) {
        const count = counts.get(key) ?? { errors: 0, length: 0 };
        count.errors += errors;
        count.length += length;
        counts.set(key, count);
      }
    }
  });
  return Object.fromEntries(
    [...counts].map(([key, { errors, length }]) => [
      key === 'all' ? `${source}/cer` : `${source}/cer/${key}`,
      errors / length,
    ]),
  );
}

async function speakerErrors(model: Judge, wavs: readonly Float32Array[], speech: readonly JudgeSpeech[]) {
  const embeddings: Float32Array[] = [];
  await eachChunk(model, wavs, ({ embedding }) => {
    const [items, dim] = embedding!.shape as [number, number];
    for (let b = 0; b < items; b++) embeddings.push((embedding!.data as Float32Array).slice(b * dim, (b + 1) * dim));
  });
  const scores: number[] = [];
  const same: number[] = [];
  for (let i = 0; i < embeddings.length; i++)
    for (let j = 0; j < i; j++) {
      scores.push(embeddings[i]!.reduce((sum, value, d) => sum + value * embeddings[j]![d]!, 0));
      same.push(speech[i]!.utterance.speaker === speech[j]!.utterance.speaker ? 1 : 0);
    }
  return equalErrorRate(scores, same);
}

/** Mean absolute error and correlation on damaged speech; the score is one less the correlation. */
async function qualityErrors(model: Judge, speech: readonly JudgeSpeech[]): Promise<Record<string, number>> {
  const predicted: number[] = [];
  await eachChunk(
    model,
    speech.map(({ damaged }) => damaged!.wav),
    ({ quality }) => predicted.push(...Array.from(quality!.data)),
  );
  const target = speech.map(({ damaged }) => damaged!.quality);
  const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const [mp, mt] = [mean(predicted), mean(target)];
  const covariance = mean(predicted.map((p, i) => (p - mp) * (target[i]! - mt)));
  const deviation = (values: number[], m: number) => Math.sqrt(mean(values.map((v) => (v - m) ** 2)));
  const correlation = covariance / (deviation(predicted, mp) * deviation(target, mt));
  const error = mean(predicted.map((p, i) => Math.abs(p - target[i]!)));
  return { correlation, meanAbsoluteError: error, score: 1 - correlation };
}
