import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { rms } from '@align2speak/audio';
import { wavTensors } from '@align2speak/codec';
import { judgeConfig, parseConfig, randomAt, randomIndex } from '@align2speak/contracts';
import { Judge, type JudgeBatch, Optimizer, Tensor } from '@align2speak/native';
import { judgeToOnnx, segmentsOf } from '@align2speak/rewards';
import { disposeTensors } from '@align2speak/tts';
import { writeModelFolder } from '@align2speak/weights';
import { z } from 'zod';
import { type Band, equalise, faster } from './augmentation.js';
import { loopFields } from './config.js';
import { type JudgeSpeech, loadJudgeSpeech } from './judge-speech.js';
import { judgeErrors } from './judge-validation.js';
import type { Stage } from './loop.js';
import { prefixed } from './run.js';

/** Configuration of `align2speak judge train`. */
export const judgeTraining = z
  .strictObject({
    kind: z
      .enum(['recogniser', 'speaker', 'quality'])
      .describe('Hears IPA, tells voices apart, or estimates how damaged speech is.'),
    codec: z.string().describe('Folder of the codec whose sound the judge must know.'),
    train: z.array(z.string()).min(1).describe('Manifests to learn from.'),
    validation: z.array(z.string()).min(1).describe('Manifests to measure on.'),
    model: z
      .record(z.string(), z.unknown())
      .default({})
      .describe('Sizes, as of judgeConfig; the head follows from kind.'),
    embedding: z.int().min(2).default(64).describe('Width of a speaker embedding.'),
    items: z.int().min(1).default(32).describe('Utterances of one update.'),
    resynthesised: z.number().min(0).max(1).default(0.7).describe('Share that is heard through the codec.'),
    noisy: z.number().min(0).max(1).default(0.3).describe('Share with white noise at 10 to 40 dB.'),
    speeds: z
      .tuple([z.number().min(0.5).max(2), z.number().min(0.5).max(2)])
      .refine(([least, greatest]) => least <= greatest, { params: { expected: 'the lower bound first' } })
      .default([1, 1])
      .describe(
        'Played faster by a factor from here to there: pitches and vocal tracts beyond those recorded. Not for speaker nets.',
      ),
    equaliserDb: z
      .number()
      .min(0)
      .max(20)
      .default(0)
      .describe('Each of three random bands is louder or softer by up to so much.'),
    cropSec: z.number().positive().optional().describe('Longest stretch of an utterance that is heard; absent: all.'),
    ...loopFields,
  })
  .superRefine(({ kind, speeds }, { addIssue }) => {
    const [least, greatest] = speeds;
    if (kind !== 'speaker' || (least === 1 && greatest === 1)) return;
    const expected = "[1, 1] for a speaker net, as a faster voice would bear another's label";
    addIssue({ code: 'custom', path: ['speeds'], input: speeds, params: { expected } });
  });

export type JudgeTraining = z.infer<typeof judgeTraining>;

/** Trains a judge on recordings and on the same speech through the codec; saves it as ONNX too. */
export async function judgeStage(config: JudgeTraining): Promise<Stage> {
  const damage = config.kind === 'quality';
  const load = (manifests: string[], seed: number) => loadJudgeSpeech(manifests, config.codec, { damage, seed });
  const train = await load(config.train, config.seed);
  const validation = await load(config.validation, 0);
  const labels = labelsOf(config, train);
  const model = await Judge.create(parseConfig(judgeConfig, { ...config.model, head: labels.head }, 'model'), {
    seed: config.seed,
  });
  const { sampleRate } = model.config;
  const { beta1, beta2, weightDecay } = config;
  const optimizer = Optimizer.create(model, { beta1, beta2, weightDecay });
  return {
    name: config.kind,
    model,
    optimizer,
    async step(step, phases) {
      const batch = await phases.time('data', () => batchAt(config, train, { labels, step, sampleRate }));
      const { loss } = await phases.time('train', () =>
        model.lossBackward(batch, { noise: { seed: config.seed, step } }),
      );
      disposeTensors(batch);
      return { metrics: { loss } };
    },
    async validate() {
      const errors = await judgeErrors(config.kind, model, { speech: validation, symbols: labels.symbols });
      return { score: errors.score!, metrics: prefixed('validation', errors) };
    },
    state: () => null,
    restore: () => {},
    async save(folder) {
      const tensors = await model.state();
      await writeModelFolder(folder, tensors, {
        kind: 'judge',
        config: model.config,
        card: { symbols: labels.symbols },
      });
      const weights: Record<string, { shape: readonly number[]; data: Float32Array }> = {};
      for (const [name, tensor] of Object.entries(tensors))
        weights[name] = { shape: tensor.shape, data: (await tensor.toArray()) as Float32Array };
      const errors = await judgeErrors(config.kind, model, { speech: validation, symbols: labels.symbols });
      const symbols = config.kind === 'recogniser' ? labels.symbols : undefined;
      const info = {
        name: `${config.kind} of seed ${config.seed}`,
        symbols,
        measured: errors,
        storage: 'f16' as const,
      };
      await writeFile(join(folder, 'judge.onnx'), judgeToOnnx(model.config, weights, info));
    },
  };
}

/** What the head's outputs stand for. */
interface Labels {
  head: Record<string, unknown>;
  /** Recogniser: the character of label i+1. */
  symbols: string[];
  /** Speaker: its label. */
  speakers: Map<string, number>;
}

function labelsOf(config: JudgeTraining, train: readonly JudgeSpeech[]): Labels {
  const symbols = [...new Set(train.flatMap(({ utterance }) => segmentsOf(utterance.ipa)))].sort();
  const names = [...new Set(train.map(({ utterance }) => utterance.speaker))].sort();
  const speakers = new Map(names.map((name, i) => [name, i]));
  const heads = {
    recogniser: { kind: 'ctc', labels: symbols.length + 1 },
    speaker: { kind: 'speaker', dim: config.embedding, speakers: names.length },
    quality: { kind: 'quality' },
  };
  return { head: heads[config.kind], symbols: config.kind === 'recogniser' ? symbols : [], speakers };
}

async function batchAt(
  config: JudgeTraining,
  speech: readonly JudgeSpeech[],
  { labels, step, sampleRate }: { labels: Labels; step: number; sampleRate: number },
): Promise<JudgeBatch> {
  const { seed, items, kind } = config;
  const chosen = Array.from({ length: items }, (_, b) => speech[randomIndex(speech.length, seed, step, b)]!);
  const wavs = chosen.map((item, b) => heard(config, item, { sampleRate, key: [seed, step, b] }));
  const batch = await wavTensors(wavs);
  if (kind === 'quality') {
    const quality = Float32Array.from(chosen, (item, b) => (isDamaged([seed, step, b]) ? item.damaged!.quality : 1));
    return { ...batch, quality: await Tensor.from(quality, [items]) };
  }
  if (kind === 'speaker') {
    const speakers = Int32Array.from(chosen, ({ utterance }) => labels.speakers.get(utterance.speaker)!);
    return { ...batch, labels: await Tensor.from(speakers, [items]) };
  }
  const label = new Map(labels.symbols.map((symbol, i) => [symbol, i + 1]));
  const rows = chosen.map(({ utterance }) => segmentsOf(utterance.ipa).map((symbol) => label.get(symbol)!));
  const longest = Math.max(...rows.map(({ length }) => length));
  const targets = new Int32Array(items * longest);
  rows.forEach((row, b) => {
    targets.set(row, b * longest);
  });
  const lengths = Int32Array.from(rows, ({ length }) => length);
  return {
    ...batch,
    targets: await Tensor.from(targets, [items, longest]),
    targetLengths: await Tensor.from(lengths, [items]),
  };
}

/** Most quality examples are damaged; the others are worth 1. */
const isDamaged = (key: number[]) => randomAt(...key, 9) < 0.85;

/** One utterance as this update hears it: its source, stretch, speed, spectrum, loudness and noise are drawn by the key. */
function heard(
  config: JudgeTraining,
  item: JudgeSpeech,
  { sampleRate, key }: { sampleRate: number; key: number[] },
): Float32Array {
  const resynthesised = item.damaged || randomAt(...key, 1) < config.resynthesised;
  let source = resynthesised ? item.resynthesis : item.recording;
  if (item.damaged && isDamaged(key)) source = item.damaged.wav;
  const most = Math.round((config.cropSec ?? Number.POSITIVE_INFINITY) * sampleRate);
  const start = randomIndex(Math.max(1, source.length - most + 1), ...key, 2);
  const [least, greatest] = config.speeds;
  const speed = least + (greatest - least) * randomAt(...key, 7);
  const wav = faster(source.subarray(start, start + most), speed);
  if (config.equaliserDb > 0) equalise(wav, randomBands(config.equaliserDb, { sampleRate, key }), sampleRate);
  const gain = 10 ** ((randomAt(...key, 3) - 0.5) * 0.6);
  const noisy = randomAt(...key, 4) < config.noisy;
  const noise = noisy ? rms(wav) * 10 ** (-(10 + 30 * randomAt(...key, 5)) / 20) * Math.sqrt(3) : 0;
  let state = randomIndex(2 ** 31, ...key, 6) | 1;
  for (let i = 0; i < wav.length; i++) {
    // A generator of its own: one hash a sample would take longer than the update.
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    wav[i] = gain * (wav[i]! + noise * (state / 2 ** 31));
  }
  return wav;
}

/** Three bands, each up to `most` dB louder or softer; from 150 to 6000 Hz at 22 050 samples a second. */
function randomBands(most: number, { sampleRate, key }: { sampleRate: number; key: number[] }): Band[] {
  return Array.from({ length: 3 }, (_, band) => ({
    hz: (sampleRate / 147) * 40 ** randomAt(...key, 8, band),
    db: most * (2 * randomAt(...key, 10, band) - 1),
  }));
}
