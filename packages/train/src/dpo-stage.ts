import { loadCodec } from '@align2speak/codec';
import {
  type Codes,
  DataError,
  randomIndex,
  randomOrder,
  requireSameCodes,
  unstackCodes,
} from '@align2speak/contracts';
import { type Codec, Optimizer, ops, type Sampling, Tensor, type Tts, type TtsBatch } from '@align2speak/native';
import { type Candidate, type PreferencePairs, preferencePairs } from '@align2speak/rl';
import { batchTensors, disposeTensors, loadTts } from '@align2speak/tts';
import { writeModelFolder } from '@align2speak/weights';
import { z } from 'zod';
import { arithmeticFields, loopFields } from './config.js';
import { JudgedRewards, rewardSetting } from './judged-rewards.js';
import { Phases, type Stage } from './loop.js';
import { Progress } from './progress.js';
import { PromptPool } from './prompt-pool.js';
import { type RolloutPrompt, rollOut } from './rollouts.js';
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

/** What a rollout drew, its ending frame included. */
interface Drawn {
  codes: Codes;
  end: Int32Array;
}

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
  // The same pairs on resume: they follow from the configuration and the initial weights, which the model still has here.
  const { pairs, counts } = await judges.closeOnFailure(makePairs({ model, codec, judges, config }, pool));
  return {
    name: 'dpo',
    model,
    optimizer,
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
      const rolled = await rollOut(
        { model, codec },
        prompts,
        { seed: 0, sampling: samplingOf(config), maxFrames: config.maxFrames },
        new Phases(),
      );
      const { values } = await judges.score(
        rolled.wavs,
        prompts.map(({ reference }) => reference),
      );
      disposeTensors(rolled.batch, rolled);
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

interface Maker {
  model: Tts;
  codec: Codec;
  judges: JudgedRewards;
  config: DpoTraining;
}

const samplingOf = ({ temperature, minFrames }: DpoTraining): Sampling => ({ temperature, minFrames });

/** Prompts that are rolled out and judged together. */
const promptsAtOnce = 4;

async function makePairs(
  { model, codec, judges, config }: Maker,
  pool: PromptPool,
): Promise<{ pairs: Pair[]; counts: Record<string, number> }> {
  const { groupSize, seed } = config;
  const groups: { prompt: RolloutPrompt; candidates: Candidate[]; drawn: Drawn[] }[] = [];
  const progress = new Progress('pairs', config.pairPrompts);
  for (let begin = 0; begin < config.pairPrompts; begin += promptsAtOnce) {
    const count = Math.min(promptsAtOnce, config.pairPrompts - begin);
    const prompts = await Promise.all(Array.from({ length: count }, (_, i) => pool.prompt(seed, 5, begin + i)));
    const settings = {
      group: groupSize,
      seed: randomIndex(2 ** 48, seed, 6, begin),
      sampling: samplingOf(config),
      maxFrames: config.maxFrames,
    };
    const rolled = await rollOut({ model, codec }, prompts, settings, new Phases());
    const references = prompts.flatMap(({ reference }) => new Array(groupSize).fill(reference));
    const { values } = await judges.score(rolled.wavs, references);
    const { codes, endTokens } = rolled.batch;
    const ends = (await endTokens!.toArray()) as Int32Array;
    const codebooks = codes.shape[1]!;
    const drawn = unstackCodes((await codes.toArray()) as Int32Array, codes.shape, rolled.frames).map((each, i) => ({
      codes: each,
      end: ends.slice(i * codebooks, (i + 1) * codebooks),
    }));
    disposeTensors(rolled.batch, rolled);
    prompts.forEach((prompt, p) => {
      const own = drawn.slice(p * groupSize, (p + 1) * groupSize);
      const candidates = own.map((_, g) => {
        const i = p * groupSize + g;
        const cut = rolled.truncated[i] === 1;
        return {
          // A sample that was cut off has no end to learn: it cannot be part of a pair.
          cer: cut ? Number.NaN : values.cer![i]!,
          ssim: values.ssim![i]!,
          durationSec: rolled.wavs[i]!.length / codec.config.sampleRate,
        };
      });
      groups.push({ prompt, candidates, drawn: own });
    });
    progress.show(begin + count);
  }
  progress.end();
  const found = preferencePairs(
    groups.map(({ candidates }) => candidates),
    config,
  );
  const pairs = found.pairs.map(({ group, chosen, rejected, chosenReward, rejectedReward }) => {
    const { prompt, drawn } = groups[group]!;
    const gap = chosenReward - rejectedReward;
    return { prompt, chosen: drawn[chosen]!, rejected: drawn[rejected]!, rewardGap: gap, reference: [0, 0] } as Pair;
  });
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
async function pairBatch(pairs: readonly Pair[]): Promise<TtsBatch> {
  const drawn = pairs.flatMap(({ chosen, rejected }) => [chosen, rejected]);
  const batch = await batchTensors(
    pairs.map(({ prompt }) => prompt),
    drawn.map(({ codes }) => codes),
  );
  const ends = Int32Array.from(drawn.flatMap(({ end }) => [...end]));
  return { ...batch, endTokens: await Tensor.from(ends, [drawn.length, ends.length / drawn.length]) };
}

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
