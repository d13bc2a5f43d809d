import { loadCodec } from '@align2speak/codec';
import { ConfigError, parseConfig, randomIndex, requireSameCodes, ttsConfig } from '@align2speak/contracts';
import { BatchSampler, readManifest } from '@align2speak/data';
import { Optimizer, type Trained, Tts } from '@align2speak/native';
import {
  alignmentTargets,
  batchTensors,
  type CodedUtterance,
  disposeTensors,
  loadTts,
  type Prompt,
  Voices,
} from '@align2speak/tts';
import { writeModelFolder } from '@align2speak/weights';
import { z } from 'zod';
import { codedCorpus, requireManifests } from './coded-corpus.js';
import { arithmeticFields, loopFields, shareAt, shareFrom } from './config.js';
import type { Stage } from './loop.js';
import { type Metrics, prefixed } from './run.js';

/** Configuration of `align2speak pretrain` and `align2speak finetune`. */
export const supervisedTraining = z.strictObject({
  codec: z.string().describe('Folder of the codec.'),
  init: z.string().optional().describe('Folder of the model to start from; absent: random weights of `model`.'),
  model: ttsConfig.optional().describe('Sizes of a new model.'),
  train: z
    .array(
      z.strictObject({
        manifest: z.string(),
        repeat: z.number().positive().default(1).describe('Times that each utterance counts in an epoch.'),
      }),
    )
    .min(1),
  validation: z.array(z.string()).min(1).describe('Manifests to measure on.'),
  selectBy: z.array(z.string()).default([]).describe('Languages whose validation loss picks the best; []: all.'),
  batchFrames: z.int().min(1).default(1600).describe('Codec frames of one update, padding included.'),
  passes: z
    .int()
    .min(1)
    .default(4)
    .describe(
      'Passes that an update learns from its batch in, utterances of similar length in each; threads take whole ones.',
    ),
  contextFrames: z.int().min(1).default(20).describe('Frames of a voice prompt.'),
  historyNoise: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe('Probability that the decoder sees random codes in place of a frame: it then has to read the text.'),
  ownHistory: shareFrom.describe(
    'The decoder sees what it would have said itself in place of frames: it learns to go on after its own errors. Before it can speak, its draws are noise.',
  ),
  alignmentWeight: z.number().min(0).default(0.1).describe('Of the forward-sum loss on cross-attention; 0: none.'),
  prior: z
    .strictObject({
      scaling: z.number().positive().default(0.5),
      fullUntil: z.int().min(0).default(0).describe('Updates under the full beta-binomial prior.'),
      noneFrom: z.int().min(0).default(0).describe('Update from which there is none.'),
    })
    .prefault({}),
  validationItems: z.int().min(1).default(60).describe('Utterances of each validation manifest.'),
  ...arithmeticFields,
  ...loopFields,
});

export type SupervisedTraining = z.infer<typeof supervisedTraining>;

/** Trains the text-to-codes model on paired speech: pretraining, and fine-tuning with `init`. */
export async function supervisedStage(name: string, config: SupervisedTraining): Promise<Stage> {
  const manifests = config.train.map(({ manifest }) => manifest);
  await requireManifests(manifests, config.validation);
  await requireLanguages(config);
  const model = await startingModel(config);
  const codec = await loadCodec(config.codec);
  requireSameCodes(model.config, codec.config, config.init ?? 'model');
  codec.dispose();
  const { beta1, beta2, weightDecay } = config;
  const optimizer = Optimizer.create(model, { beta1, beta2, weightDecay });
  const parts = await loadEach(manifests, config.codec);
  const corpus = parts.flat();
  const validation = (await loadEach(config.validation, config.codec)).map((part) =>
    part.slice(0, config.validationItems),
  );
  const voices = new Voices(corpus, config.contextFrames);
  const sampler = new BatchSampler(
    corpus.map(({ codes }) => codes.frames),
    {
      batchFrames: config.batchFrames,
      seed: config.seed,
      weights: parts.flatMap((part, i) => part.map(() => config.train[i]!.repeat)),
    },
  );
  const promptOf = (from: Voices, items: readonly CodedUtterance[], i: number, ...key: number[]): Prompt => ({
    tokens: items[i]!.tokens,
    voice: from.crop(from.other(i, ...key, i), ...key, i, 1),
  });
  return {
    name,
    model,
    optimizer,
    async step(step, phases) {
      const indices = [...sampler.next()];
      // The end is a target too.
      const targetsOf = (own: readonly number[]) => own.reduce((sum, i) => sum + corpus[i]!.codes.frames + 1, 0);
      const passOf = async (own: readonly number[], p: number) => {
        const prompts = own.map((i) => promptOf(voices, corpus, i, config.seed, step));
        const codes = own.map((i) => corpus[i]!.codes);
        const weight = targetsOf(own) / targetsOf(indices);
        // A mean over samples, where the cross-entropy is one over frames.
        const alignmentWeight = (config.alignmentWeight * own.length) / indices.length / weight;
        const loss = {
          kind: 'supervised' as const,
          weight,
          ...(alignmentWeight > 0 && { alignmentWeight, ...(await alignmentTargets(prompts)) }),
          ...priorAt(config, step),
          noise: {
            seed: randomIndex(2 ** 48, config.seed, p),
            step,
            history: config.historyNoise,
            ownHistory: shareAt(config.ownHistory, step),
          },
        };
        return { batch: await batchTensors(prompts, codes), loss };
      };
      const passes = await phases.time('data', () =>
        Promise.all(cutToPasses(indices, (i) => corpus[i]!.codes.frames, config.passes).map(passOf)),
      );
      const results = await phases.time('train', () => model.lossBackwardEach(passes));
      for (const [p, { batch, loss }] of passes.entries()) disposeTensors(batch, loss, results[p]!);
      return {
        metrics: meanOf(
          results,
          passes.map(({ loss }) => loss.weight),
        ),
      };
    },
    async validate() {
      return validationLoss(model, validation, config);
    },
    state: () => sampler.state(),
    restore: (state) => sampler.restore(state as ReturnType<BatchSampler['state']>),
    save: async (folder) =>
      writeModelFolder(folder, await model.state(), { kind: 'tts', config: model.config, storage: 'F32' }),
  };
}

/** An update's utterances in passes of as many each; the longest first, as no thread should begin them when others have nothing left. */
function cutToPasses(
  indices: readonly number[],
  framesOf: (index: number) => number,
  most: number,
): readonly number[][] {
  const sorted = indices.toSorted((a, b) => framesOf(b) - framesOf(a));
  const count = Math.min(most, sorted.length);
  const begin = (p: number) => Math.floor((p * sorted.length) / count);
  return Array.from({ length: count }, (_, p) => sorted.slice(begin(p), begin(p + 1)));
}

/** The loss of an update, and the mean of what its passes measured. */
function meanOf(results: readonly Trained[], shares: readonly number[]): Metrics {
  const mean = (of: (result: Trained) => number | undefined) => {
    const known = [...results.keys()].filter((p) => of(results[p]!) !== undefined);
    const whole = known.reduce((sum, p) => sum + shares[p]!, 0);
    return known.reduce((sum, p) => sum + shares[p]! * of(results[p]!)!, 0) / whole;
  };
  const names = new Set(results.flatMap(({ stats }) => Object.keys(stats)));
  const stats = Object.fromEntries([...names].map((name) => [name, mean((result) => result.stats[name])]));
  return { loss: mean(({ loss }) => loss), ...prefixed('train', stats) };
}

/** @throws ConfigError where the best model is to be selected by a language that no validation manifest has. */
async function requireLanguages({ selectBy, validation }: SupervisedTraining): Promise<void> {
  const utterances = (await Promise.all(validation.map((path) => readManifest(path)))).flat();
  const languages = new Set(utterances.map(({ lang }) => lang));
  const missing = selectBy.find((lang) => !languages.has(lang));
  if (missing === undefined) return;
  const expected = `languages of the validation manifests (${[...languages].join(', ')})`;
  throw new ConfigError({ where: 'configuration', what: 'selectBy', expected, got: missing });
}

async function startingModel({ init, model, seed, bf16 }: SupervisedTraining): Promise<Tts> {
  if ((init === undefined) === (model === undefined)) {
    const got = init === undefined ? 'neither' : 'both';
    throw new ConfigError({ where: 'configuration', what: 'init, model', expected: 'one of the two', got });
  }
  return init === undefined
    ? Tts.create(parseConfig(ttsConfig, model, 'model'), { seed, bf16 })
    : loadTts(init, { bf16 });
}

async function loadEach(manifests: readonly string[], codec: string): Promise<CodedUtterance[][]> {
  const parts: CodedUtterance[][] = [];
  for (const manifest of manifests) parts.push(await codedCorpus(manifest, codec));
  return parts;
}

function priorAt({ prior: { scaling, fullUntil, noneFrom } }: SupervisedTraining, step: number) {
  if (step >= noneFrom) return {};
  const blend = step < fullUntil ? 0 : (step - fullUntil) / (noneFrom - fullUntil);
  return { prior: { scaling, blend } };
}

/**
 * Cross-entropy in nats a token for each language, under the past that the model is trained with, the same each time: after a true past
 * it tells little of how the model speaks.
 */
export async function validationLoss(
  model: Tts,
  validation: readonly CodedUtterance[][],
  {
    contextFrames,
    selectBy,
    historyNoise,
    ownHistory,
  }: Pick<SupervisedTraining, 'contextFrames' | 'selectBy' | 'historyNoise' | 'ownHistory'>,
): Promise<{ score: number; metrics: Metrics }> {
  const sums = new Map<string, { nats: number; tokens: number }>();
  for (const part of validation) {
    const voices = new Voices(part, contextFrames);
    for (let begin = 0; begin < part.length; begin += 32) {
      const items = part.slice(begin, begin + 32);
      const prompts = items.map(({ tokens }, i) => ({
        tokens,
        voice: voices.crop(voices.other(begin + i, 0, i), 0, i, 1),
      }));
      const batch = await batchTensors(
        prompts,
        items.map(({ codes }) => codes),
      );
      const past = { seed: 0, step: begin, history: historyNoise, ownHistory: ownHistory.share };
      const { logprobs } = await model.forward(batch, ['logprobs'], { past });
      addLosses(sums, items, (await logprobs.toArray()) as Float32Array, logprobs.shape);
      disposeTensors(batch, { logprobs });
    }
  }
  const losses = Object.fromEntries([...sums].map(([lang, { nats, tokens }]) => [lang, nats / tokens]));
  const selected = selectBy.length > 0 ? selectBy : Object.keys(losses);
  const missing = selected.find((lang) => losses[lang] === undefined);
  if (missing !== undefined) {
    const expected = `languages of the validation manifests (${Object.keys(losses).join(', ')})`;
    throw new ConfigError({ where: 'configuration', what: 'selectBy', expected, got: missing });
  }
  const score = selected.reduce((sum, lang) => sum + losses[lang]!, 0) / selected.length;
  return { score, metrics: { 'validation/loss': score, ...prefixed('validation/loss', losses) } };
}

function addLosses(
  sums: Map<string, { nats: number; tokens: number }>,
  items: readonly CodedUtterance[],
  logprobs: Float32Array,
  [, codebooks, frames]: readonly number[],
): void {
  items.forEach(({ utterance, codes }, b) => {
    const sum = sums.get(utterance.lang) ?? { nats: 0, tokens: 0 };
    // The end is a target too.
    const length = codes.frames + 1;
    for (let k = 0; k < codebooks!; k++) {
      const row = (b * codebooks! + k) * frames!;
      for (let t = 0; t < length; t++) sum.nats -= logprobs[row + t]!;
    }
    sum.tokens += length * codebooks!;
    sums.set(utterance.lang, sum);
  });
}
