import { join } from 'node:path';
import { loadCodec } from '@align2speak/codec';
import { DataError, randomIndex, randomOrder, requireSameCodes } from '@align2speak/contracts';
import { type Codec, Optimizer, ops, type Sampling, Tensor, type Tts, type TtsBatch } from '@align2speak/native';
import { type PreferencePairs, preferencePairs } from '@align2speak/rl';
import { disposeTensors, loadTts } from '@align2speak/tts';
import { writeModelFolder } from '@align2speak/weights';
import { z } from 'zod';
import { arithmeticFields, loopFields } from './config.js';
import { type JudgedGroup, JudgedGroups } from './judged-groups.js';
import { JudgedRewards, rewardSetting } from './judged-rewards.js';
import { Interrupted, Phases, type Stage } from './loop.js';
import { Progress } from './progress.js';
import { PromptPool } from './prompt-pool.js';
import { type Drawn, drawnBatch, type RolloutPrompt, rollOut } from './rollouts.js';
import { prefixed } from './run.js';

/** Configuration of `align2speak dpo`. */
export const dpoTraining = z.strictObject({
  init: z.string().describe('Folder of the model to align; it is also the reference.'),
  codec: z.string().describe('Folder of the codec.'),
  texts: z.array(z.string()).min(1).describe('Files of texts to speak, JSON lines of text, ipa and lang; no audio.'),
  voices: z.array(z.string()).min(1).describe('Manifests of speech in any language, for voice prompts.'),
  validation: z.array(z.string()).min(1).describe('Manifests whose texts and voices measure progress.'),
  rewards: z.array(rewardSetting).min(2).describe('Judges; cer and ssim make the pairs.'),
  pairPrompts: z.int().min(1).default(240).describe('Prompts that pairs are made from, once, before the first update.'),
  groupSize: z.int().min(2).default(12).describe('G, samples of a prompt.'),
  perGroup: z.int().min(1).default(1).describe('Best and as many worst samples of a group, combined all with all.'),
  cerThreshold: z.number().positive().default(0.3).describe('A chosen sample must have a lower CER.'),
  durationRangeSec: z
    .tuple([z.number().min(0), z.number()])
    .default([0.3, 6])
    .describe('Of both samples of a pair.'),
  pairs: z.int().min(1).default(16).describe('Pairs of one update.'),
  algorithm: z.enum(['dpo', 'ipo', 'rpo', 'rpo_sq']).default('dpo'),
  beta: z.number().positive().default(0.02),
  contextFrames: z.int().min(1).default(20),
  maxFrames: z.int().min(8).default(90),
  minFrames: z.int().min(0).default(4),
  temperature: z.number().positive().default(0.7),
  validationItems: z.int().min(1).default(48),
  ...arithmeticFields,
  ...loopFields,
});

export type DpoTraining = z.infer<typeof dpoTraining>;

/** Two samples of a prompt, the better first, with what the reference model thinks of each. */
interface Pair {
  prompt: RolloutPrompt;
  chosen: Drawn;
  rejected: Drawn;
  rewardGap: number;
  /** Log-probability of each whole sample. */
  reference: [number, number];
}

/** Direct preference optimisation on pairs of the model's own samples, made once before the first update. */
export async function dpoStage(config: DpoTraining): Promise<Stage> {
  const [model, codec] = await Promise.all([loadTts(config.init, { bf16: config.bf16 }), loadCodec(config.codec)]);
  requireSameCodes(model.config, codec.config, config.init);
  const { beta1, beta2, weightDecay, seed } = config;
  const optimizer = Optimizer.create(model, { beta1, beta2, weightDecay });
  const judges = await JudgedRewards.open(config.rewards, codec.config.sampleRate);
  const pool = await judges.closeOnFailure(PromptPool.open(config));
  let pairs: Pair[] = [];
  let counts: Record<string, number> = {};
  return {
    name: 'dpo',
    model,
    optimizer,
    async prepare(folder, signal) {
      const judged = await JudgedGroups.open(join(folder, 'groups.jsonl'), config);
      await judgeGroups({ model, codec, judges, config, pool }, judged, signal);
      if (signal.received) throw new Interrupted(folder, 'what was judged is');
      ({ pairs, counts } = await makePairs({ model, config, pool }, judged.groups));
    },
    async step(step, phases) {
      const epoch = Math.floor((step * config.pairs) / pairs.length);
      const order = randomOrder(pairs.length, seed, 7, epoch);
      const begin = (step * config.pairs) % pairs.length;
      const chosen = Array.from({ length: config.pairs }, (_, i) => pairs[order[(begin + i) % pairs.length]!]!);
      const { loss, stats } = await phases.time('update', () => learn(model, chosen, config));
      return { metrics: { loss, 'preference/accuracy': stats.accuracy!, ...counts } };
    },
    async validate() {
      const prompts = await pool.validation(config.validationItems);
      const { samples } = await rollOut(
        { model, codec },
        prompts,
        { seed: 0, sampling: samplingOf(config), maxFrames: config.maxFrames },
        new Phases(),
      );
      const { values } = await judges.score(
        samples.map(({ wav }) => wav),
        prompts.map(({ reference }) => reference),
      );
      return { score: judges.selectionScore(values), metrics: prefixed('validation', judges.metrics(values)) };
    },
    state: () => null,
    restore: () => {},
    save: async (folder) => writeModelFolder(folder, await model.state(), { kind: 'tts', config: model.config }),
    async close() {
      await judges.close();
      codec.dispose();
    },
  };
}

const samplingOf = ({ temperature, minFrames }: DpoTraining): Sampling => ({ temperature, minFrames });

/** Prompts that are rolled out and judged together. */
const promptsAtOnce = 4;

interface Maker {
  model: Tts;
  codec: Codec;
  judges: JudgedRewards;
  config: DpoTraining;
  pool: PromptPool;
}

const promptOf = ({ config, pool }: Pick<Maker, 'config' | 'pool'>, i: number) => pool.prompt(config.seed, 5, i);

/** Rolls out and judges the prompts that are still missing, until a signal. */
async function judgeGroups(maker: Maker, judged: JudgedGroups, signal: { received: boolean }): Promise<void> {
  const { pairPrompts } = maker.config;
  const progress = new Progress('groups', pairPrompts, judged.groups.length);
  while (judged.groups.length < pairPrompts && !signal.received) {
    const begin = judged.groups.length;
    await judged.append(await judgeChunk(maker, begin, Math.min(promptsAtOnce, pairPrompts - begin)));
    progress.show(judged.groups.length);
  }
  progress.end();
}

async function judgeChunk(maker: Maker, begin: number, count: number): Promise<JudgedGroup[]> {
  const { model, codec, judges, config } = maker;
  const { groupSize, seed } = config;
  const prompts = await Promise.all(Array.from({ length: count }, (_, i) => promptOf(maker, begin + i)));
  const settings = {
    group: groupSize,
    seed: randomIndex(2 ** 48, seed, 6, begin),
    sampling: samplingOf(config),
    maxFrames: config.maxFrames,
  };
  const { samples } = await rollOut({ model, codec }, prompts, settings, new Phases());
  const references = prompts.flatMap(({ reference }) => new Array(groupSize).fill(reference));
  const { values } = await judges.score(
    samples.map(({ wav }) => wav),
    references,
  );
  return prompts.map((_, p) => {
    const first = p * groupSize;
    const own = samples.slice(first, first + groupSize);
    const candidates = own.map(({ truncated, wav }, g) => ({
      // A sample that was cut off has no end to learn: it cannot be part of a pair.
      cer: truncated ? Number.NaN : values.cer![first + g]!,
      ssim: values.ssim![first + g]!,
      durationSec: wav.length / codec.config.sampleRate,
    }));
    const paired = preferencePairs([candidates], config).pairs.flatMap(({ chosen, rejected }) => [chosen, rejected]);
    // Without the waveforms, which nobody needs any more.
    const drawn = new Map(paired.map((g) => [g, { codes: own[g]!.codes, end: own[g]!.end }]));
    return { candidates, drawn };
  });
}

/** Pairs of all groups, with what the model, before its first update, thinks of them. */
async function makePairs(
  maker: Pick<Maker, 'model' | 'config' | 'pool'>,
  groups: readonly JudgedGroup[],
): Promise<{ pairs: Pair[]; counts: Record<string, number> }> {
  const { model, config } = maker;
  const found = preferencePairs(
    groups.map(({ candidates }) => candidates),
    config,
  );
  const pairs = await Promise.all(
    found.pairs.map(async ({ group, chosen, rejected, chosenReward, rejectedReward }): Promise<Pair> => {
      const { drawn } = groups[group]!;
      const rewardGap = chosenReward - rejectedReward;
      const prompt = await promptOf(maker, group);
      return { prompt, chosen: drawn.get(chosen)!, rejected: drawn.get(rejected)!, rewardGap, reference: [0, 0] };
    }),
  );
  requirePairs(pairs, found);
  for (let begin = 0; begin < pairs.length; begin += config.pairs)
    await addReference(model, pairs.slice(begin, begin + config.pairs));
  const counts = {
    'pairs/kept': pairs.length,
    'pairs/dropped': found.droppedPairs,
    'pairs/skipped': found.skippedGroups,
  };
  return { pairs, counts };
}

function requirePairs(
  pairs: readonly Pair[],
  { failedCandidates, droppedPairs, skippedGroups }: PreferencePairs,
): void {
  if (pairs.length > 0) return;
  throw new DataError({
    where: 'dpo',
    what: 'pairs',
    expected: 'at least one',
    got: `none: ${droppedPairs} dropped, ${skippedGroups} groups skipped, ${failedCandidates} samples not judged`,
    hint: 'raise cerThreshold or pairPrompts, or start from a model that is sometimes right',
  });
}

/** Chosen and rejected samples side by side, as the preference loss takes them. */
const pairBatch = (pairs: readonly Pair[]): Promise<TtsBatch> =>
  drawnBatch(
    pairs.map(({ prompt }) => prompt),
    pairs.flatMap(({ chosen, rejected }) => [chosen, rejected]),
  );

/** Fills in what the model, before its first update, thinks of each sample. */
async function addReference(model: Tts, pairs: readonly Pair[]): Promise<void> {
  const batch = await pairBatch(pairs);
  const { logprobs } = await model.forward(batch, ['logprobs']);
  const lengths = await Tensor.from(
    Int32Array.from(await batch.codeLengths.toArray(), (frames) => frames + 1),
    [2 * pairs.length],
  );
  const { y } = await ops.sequenceLogprob({ logprobs, lengths });
  const totals = await y.toArray();
  pairs.forEach((pair, p) => {
    pair.reference = [totals[2 * p]!, totals[2 * p + 1]!];
  });
  disposeTensors(batch, { logprobs, lengths, y });
}

async function learn(model: Tts, pairs: readonly Pair[], { algorithm, beta }: DpoTraining) {
  const batch = await pairBatch(pairs);
  const reference = await Tensor.from(Float32Array.from(pairs.flatMap((pair) => pair.reference)), [2 * pairs.length]);
  const rewardGap = await Tensor.from(
    Float32Array.from(pairs, (pair) => pair.rewardGap),
    [pairs.length],
  );
  const needsGap = algorithm === 'rpo' || algorithm === 'rpo_sq';
  const result = await model.lossBackward(batch, {
    kind: 'preference',
    reference,
    algorithm,
    beta,
    ...(needsGap && { rewardGap }),
  });
  disposeTensors(batch, result, { reference, rewardGap });
  return result;
}
