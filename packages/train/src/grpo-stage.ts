import { hopLengthOf, loadCodec } from '@align2speak/codec';
import { ConfigError, randomAt, randomIndex, requireSameCodes } from '@align2speak/contracts';
import { type Codec, Optimizer, type Sampling, Tensor, type Tts, type TtsBatch } from '@align2speak/native';
import { type Reference, type Scores, segmentsOf } from '@align2speak/rewards';
import { type AdvantageStats, type Advantages, type AlarmMetrics, type AlarmState, Alarms } from '@align2speak/rl';
import { disposeTensors, loadTts } from '@align2speak/tts';
import { writeModelFolder } from '@align2speak/weights';
import { z } from 'zod';
import { arithmeticFields, loopFields } from './config.js';
import { JudgedRewards, rewardSetting } from './judged-rewards.js';
import { Phases, type Stage } from './loop.js';
import { PromptPool } from './prompt-pool.js';
import {
  drawnBatch,
  frameRows,
  largestGap,
  lossMask,
  type Rollout,
  type RolloutPrompt,
  type Rollouts,
  rollOut,
} from './rollouts.js';
import { type Metrics, prefixed } from './run.js';

const creditedSetting = rewardSetting.extend({
  credit: z
    .number()
    .min(0)
    .max(1)
    .default(0)
    .describe('Of the weight: what goes to the frames that earned it, where the reward knows them (cer does).'),
});

/** Configuration of `align2speak grpo`. */
export const grpoTraining = z.strictObject({
  init: z.string().describe('Folder of the model to align.'),
  codec: z.string().describe('Folder of the codec.'),
  texts: z.array(z.string()).min(1).describe('Files of texts to speak, JSON lines of text, ipa and lang; no audio.'),
  voices: z.array(z.string()).min(1).describe('Manifests of speech in any language, for voice prompts.'),
  validation: z.array(z.string()).min(1).describe('Manifests whose texts and voices measure progress.'),
  rewards: z.array(creditedSetting).min(1).describe('Judges; one of weight 0 is only watched.'),
  prompts: z.int().min(1).default(12).describe('P, prompts of one update.'),
  groupSize: z.int().min(2).default(12).describe('G, rollouts of a prompt.'),
  promptsPerChunk: z.int().min(1).default(4).describe('Prompts rolled out at once; the others are judged meanwhile.'),
  samplesPerPass: z
    .int()
    .min(1)
    .default(12)
    .describe('Rollouts learnt from at once, in whole groups; fewer need less memory.'),
  contextFrames: z.int().min(1).default(20).describe('Frames of a voice prompt.'),
  maxFrames: z.int().min(8).default(90).describe('A rollout without an end by then is cut off.'),
  minFrames: z.int().min(0).default(4).describe('No end is drawn before.'),
  temperature: z.number().positive().default(0.7),
  topK: z.int().min(0).default(0),
  topP: z.number().positive().max(1).default(1),
  guidance: z
    .strictObject({
      share: z.number().min(0).max(1).default(0).describe('Of updates whose rollouts are guided.'),
      scale: z.number().min(1).default(2),
    })
    .prefault({}),
  combine: z.enum(['standardise-each', 'sum-then-centre']).default('standardise-each'),
  reach: z
    .strictObject({
      before: z.int().min(0).max(1000).default(3),
      after: z.int().min(0).max(1000).default(2),
    })
    .prefault({})
    .describe("Frames around a sound that answer for it, where a reward's credit goes to frames."),
  stdFloor: z.number().positive().optional().describe('Least deviation that rewards are divided by.'),
  onFailure: z.enum(['mask', 'group-minimum']).default('mask'),
  onLengthFailure: z.enum(['mask', 'group-minimum']).default('group-minimum'),
  bestCer: z.number().min(0).default(1).describe('A group is skipped when none of it has a lower CER.'),
  worstCer: z.number().min(0).default(1).describe('A group is skipped when one of it has a higher CER.'),
  algorithm: z.enum(['grpo', 'dr_grpo']).default('grpo'),
  iterations: z.int().min(1).max(64).default(1).describe('Times that the same rollouts move the weights.'),
  clip: z
    .strictObject({
      low: z.number().min(0).lt(1).default(0.2).describe('A token that became less likely by more stops counting.'),
      high: z.number().min(0).default(0.28).describe('One that became more likely by more.'),
    })
    .prefault({})
    .describe('From the second iteration on; relative to the probability when it was drawn; 0: never.'),
  entropyWeight: z.number().min(0).default(0),
  reference: z
    .strictObject({
      weight: z.number().min(0).default(0).describe('Of the KL divergence from the initial model; 0: none.'),
      guidance: z.number().min(1).default(1).describe('Its guidance: above 1 it also teaches what guidance knows.'),
    })
    .prefault({}),
  validationItems: z.int().min(1).default(48),
  ...arithmeticFields,
  ...loopFields,
});

export type GrpoTraining = z.infer<typeof grpoTraining>;

/** Aligns a model with rewards: rollouts, judges, advantages, one policy-gradient update each step. */
export async function grpoStage(config: GrpoTraining): Promise<Stage> {
  if (config.combine !== 'standardise-each' && config.rewards.some(({ credit }) => credit > 0)) {
    const expected = 'standardise-each, as a reward credits frames';
    throw new ConfigError({ where: 'grpo', what: 'combine', expected, got: config.combine });
  }
  const [model, codec] = await Promise.all([loadTts(config.init, { bf16: config.bf16 }), loadCodec(config.codec)]);
  requireSameCodes(model.config, codec.config, config.init);
  const reference = config.reference.weight > 0 ? await loadTts(config.init, { bf16: config.bf16 }) : undefined;
  const { beta1, beta2, weightDecay } = config;
  const optimizer = Optimizer.create(model, { beta1, beta2, weightDecay });
  // Before the pool, which may have speech to encode.
  const judges = await JudgedRewards.open(config.rewards, codec.config.sampleRate);
  const pool = await judges.closeOnFailure(PromptPool.open(config));
  const trainer: Trainer = { model, codec, judges, config, ...(reference && { reference }) };
  let alarms = new Alarms();
  return {
    name: 'grpo',
    model,
    optimizer,
    async step(step, phases, logged, move) {
      const start = performance.now();
      const guided = randomAt(config.seed, step, 0) < config.guidance.share;
      const sampling = samplingOf(config, guided ? config.guidance.scale : 1);
      const prompts = await Promise.all(
        Array.from({ length: config.prompts }, (_, p) => pool.prompt(config.seed, step, 1, p)),
      );
      const seed = randomIndex(2 ** 48, config.seed, step, 2);
      const { samples, entropy, values, parts } = await rollAndJudge(trainer, prompts, { seed, sampling, phases });
      const frameCounts = Int32Array.from(samples, ({ codes }) => codes.frames);
      const found = judges.advantages(
        { values, parts },
        {
          groupSize: config.groupSize,
          frames: frameCounts,
          reach: config.reach,
          combine: config.combine,
          ...(config.stdFloor && { stdFloor: config.stdFloor }),
          onFailure: config.onFailure,
          lengthFailures: Uint8Array.from(samples, ({ truncated }) => Number(truncated)),
          onLengthFailure: config.onLengthFailure,
          ...(values.cer && { cerFilter: { cer: values.cer, best: config.bestCer, worst: config.worstCer } }),
        },
      );
      const metrics: Metrics = {
        ...stepMetrics(found.stats, samples, entropy),
        ...judges.metrics(values),
        guided: guided ? 1 : 0,
      };
      const frames = frameCounts.reduce((a, b) => a + b, 0);
      const audioSec = (frames * hopLengthOf(codec)) / codec.config.sampleRate;
      const segments = prompts.reduce((sum, { reference }) => sum + segmentsOf(reference.ipa).length, 0);
      metrics['samples/segmentsPerSec'] = (config.groupSize * segments) / audioSec;
      const skip = !found.valid.includes(1);
      const learnt = await phases.time('update', () =>
        learn(trainer, prompts, samples, found, { sampling, skip, move }),
      );
      for (const alarm of alarms.observe(step, watched(metrics))) {
        metrics[`alarm/${alarm.rule}`] = 1;
        console.error(`\nalarm at update ${step + 1}: ${alarm.rule}: ${alarm.message}`);
      }
      if (logged && !skip) Object.assign(metrics, await gradientShares(model));
      metrics.xRealTime = (1000 * audioSec) / (performance.now() - start);
      return { metrics: { ...metrics, ...learnt }, skip };
    },
    async validate() {
      const prompts = await pool.validation(config.validationItems);
      const sampling = samplingOf(config, 1);
      const { values } = await rollAndJudge(trainer, prompts, { seed: 0, sampling, group: 1 });
      return { score: judges.selectionScore(values), metrics: prefixed('validation', judges.metrics(values)) };
    },
    state: () => ({ alarms: alarms.state(), means: judges.state() }),
    restore(state) {
      const saved = state as { alarms: AlarmState; means: Record<string, number> };
      alarms = new Alarms({}, saved.alarms);
      judges.restore(saved.means);
    },
    save: async (folder) => writeModelFolder(folder, await model.state(), { kind: 'tts', config: model.config }),
    async close() {
      await judges.close();
      codec.dispose();
      reference?.dispose();
    },
  };
}

interface Trainer {
  model: Tts;
  codec: Codec;
  judges: JudgedRewards;
  config: GrpoTraining;
  /** The model that the KL divergence is from. */
  reference?: Tts;
}

interface RollOptions {
  seed: number;
  sampling: Sampling;
  /** Samples of each prompt; default the configured group. */
  group?: number;
  phases?: Phases;
}

/** Rollouts of all prompts, and their raw reward values. */
interface Judged extends Rollouts, Pick<Scores, 'values' | 'parts'> {}

/** Rolls out and judges; while one chunk is judged, the next is rolled out. */
async function rollAndJudge(
  { model, codec, judges, config }: Trainer,
  prompts: readonly RolloutPrompt[],
  { seed, sampling, group = config.groupSize, phases = new Phases() }: RollOptions,
): Promise<Judged> {
  const samples: Rollout[] = [];
  const entropies: Float64Array[] = [];
  const judged: Promise<Scores>[] = [];
  const perChunk = Math.max(1, Math.round((config.promptsPerChunk * config.groupSize) / group));
  for (let begin = 0; begin < prompts.length; begin += perChunk) {
    const chunk = prompts.slice(begin, begin + perChunk);
    const count = chunk.length * group;
    // Whose random numbers a sample uses must not depend on how prompts are cut into chunks.
    const ids = Int32Array.from({ length: count }, (_, i) => begin * group + i);
    const sampleIds = await Tensor.from(ids, [count]);
    const settings = { group, seed, sampleIds, sampling, maxFrames: config.maxFrames };
    const rolled = await rollOut({ model, codec }, chunk, settings, phases);
    sampleIds.dispose();
    samples.push(...rolled.samples);
    entropies.push(rolled.entropy);
    const references = chunk.flatMap(({ reference }) => new Array<Reference>(group).fill(reference));
    const scored = judges.score(
      rolled.samples.map(({ wav }) => wav),
      references,
    );
    // A failure is thrown where it is awaited, not before.
    scored.catch(() => {});
    judged.push(scored);
  }
  const scores = await phases.time('judges', () => Promise.all(judged));
  const joined = <T>(of: (name: string) => T) =>
    Object.fromEntries(Object.keys(scores[0]!.values).map((name) => [name, of(name)]));
  return {
    samples,
    entropy: entropies[0]!.map((_, k) => sum(entropies.map((each) => each[k]!)) / entropies.length),
    values: joined((name) => Float64Array.from(scores.flatMap(({ values }) => [...values[name]!]))),
    parts: joined((name) => scores.flatMap(({ parts }) => parts[name]!)),
  };
}

/** Whole groups that are learnt from in one pass. */
interface LearningPass {
  samples: readonly Rollout[];
  batch: TtsBatch;
  /** Of all samples of the update. */
  share: number;
  inputs: Awaited<ReturnType<typeof lossInputs>>;
}

/** The policy gradient of all rollouts, of the last iteration, and what the passes measured. */
async function learn(
  trainer: Trainer,
  prompts: readonly RolloutPrompt[],
  samples: readonly Rollout[],
  found: Advantages,
  { sampling, skip, move }: { sampling: Sampling; skip: boolean; move: () => Promise<unknown> },
): Promise<Metrics> {
  const { model, config } = trainer;
  const passes = await passesOf(trainer, prompts, samples, found);
  /** @param drawn log-probabilities of the first iteration, which are the sampler's */
  const run = async (drawn?: readonly Tensor[]) => {
    const ran = [];
    for (const [i, { batch, inputs, share }] of passes.entries()) {
      ran.push(
        await model.lossBackward(batch, {
          kind: 'policy',
          ...inputs,
          ...(drawn && { oldLogprobs: drawn[i]!, clipLow: config.clip.low, clipHigh: config.clip.high }),
          sampling,
          algorithm: config.algorithm,
          ...(config.algorithm === 'dr_grpo' && { maxFrames: config.maxFrames }),
          ...(config.entropyWeight > 0 && { entropyWeight: config.entropyWeight }),
          ...(trainer.reference && {
            reference: trainer.reference,
            referenceGuidance: config.reference.guidance,
            kl: 'exact',
            klWeight: config.reference.weight,
          }),
          weight: share,
        }),
      );
    }
    return ran;
  };
  const first = await run();
  const mean = (of: (pass: (typeof first)[number]) => number) =>
    sum(first.map((each, i) => of(each) * passes[i]!.share));
  const metrics: Metrics = {
    'policy/loss': mean(({ loss }) => loss),
    'policy/logprobGap': Math.max(
      ...(await Promise.all(passes.map((each, i) => largestGap(each.samples, first[i]!.logprobs)))),
    ),
    'policy/outsideSupport': sum(first.map(({ stats }) => stats.outsideSupport!)),
    ...(trainer.reference && { 'policy/kl': mean(({ stats }) => stats.kl!) }),
  };
  for (let iteration = 1; iteration < config.iterations && !skip; iteration++) {
    await move();
    const later = await run(first.map(({ logprobs }) => logprobs));
    metrics['policy/moved'] = Math.max(...later.map(({ stats }) => stats.maxLogprobGap!));
    const tokens = sum(later.map(({ stats }) => stats.tokens!));
    metrics['policy/clipped'] =
      sum(later.map(({ stats }) => (stats.clippedBelow! + stats.clippedAbove!) * stats.tokens!)) / Math.max(1, tokens);
    for (const { logprobs } of later) logprobs.dispose();
  }
  for (const [i, { batch, inputs }] of passes.entries()) disposeTensors(batch, first[i]!, inputs);
  return metrics;
}

async function passesOf(
  { model, config }: Trainer,
  prompts: readonly RolloutPrompt[],
  samples: readonly Rollout[],
  found: Advantages,
): Promise<LearningPass[]> {
  const group = config.groupSize;
  const perPass = Math.max(1, Math.floor(config.samplesPerPass / group));
  const begins = Array.from({ length: Math.ceil(prompts.length / perPass) }, (_, i) => i * perPass);
  return Promise.all(
    begins.map(async (begin) => {
      const own = prompts.slice(begin, begin + perPass);
      const drawn = samples.slice(begin * group, (begin + own.length) * group);
      return {
        samples: drawn,
        batch: await drawnBatch(own, drawn),
        share: drawn.length / samples.length,
        inputs: await lossInputs(drawn, found, begin * group, model.config.frameStacking),
      };
    }),
  );
}

const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

/** What the loss needs of some samples, of which the first is number `start` of the update. */
async function lossInputs(
  samples: readonly Rollout[],
  { advantages, frameAdvantages }: Advantages,
  start: number,
  frameStacking: number,
) {
  const end = start + samples.length;
  const ofFrames = frameAdvantages && (await frameRows(samples, frameAdvantages.slice(start, end), frameStacking));
  return {
    advantages: await Tensor.from(Float32Array.from(advantages.subarray(start, end)), [samples.length]),
    ...(ofFrames && { frameAdvantages: ofFrames }),
    mask: await lossMask(samples, frameStacking),
  };
}

/** What each codebook's head has of the norm of the gradients of all heads that draw. */
async function gradientShares(model: Tts): Promise<Metrics> {
  const { codebooks, frameStacking } = model.config;
  const rows = codebooks * frameStacking;
  const names =
    model.heads === 'local'
      ? Array.from({ length: rows }, (_, row) => `local_transformer_out_projections.${row}.weight`)
      : ['final_proj.weight'];
  const grads = await model.gradients();
  const heads = await Promise.all(names.map((name) => grads[name]!.toArray()));
  disposeTensors(grads);
  const squares = new Float64Array(codebooks);
  const each = (names.length * heads[0]!.length) / rows;
  // Heads of stacked frames come frame by frame.
  for (const [n, head] of heads.entries())
    for (let i = 0; i < head.length; i++) squares[(n + Math.floor(i / each)) % codebooks]! += head[i]! ** 2;
  const total = Math.sqrt(squares.reduce((a, b) => a + b, 0));
  return Object.fromEntries(Array.from(squares, (square, k) => [`gradShare/${k}`, Math.sqrt(square) / total]));
}

function samplingOf({ temperature, topK, topP, minFrames }: GrpoTraining, guidance: number): Sampling {
  return { temperature, topK, topP, minFrames, guidance };
}

/** What the rollouts of an update were like. */
function stepMetrics(stats: AdvantageStats, samples: readonly Rollout[], entropy: Float64Array): Metrics {
  const mean = (of: (sample: Rollout) => number) => sum(samples.map(of)) / samples.length;
  const metrics: Metrics = {
    reward: stats.total.mean,
    'groups/valid': stats.validShare,
    'groups/zeroVariance': stats.zeroVarianceShare,
    'groups/filtered': stats.filteredShare,
    'samples/masked': stats.maskedShare,
    'samples/truncated': mean(({ truncated }) => Number(truncated)),
    'samples/frames': mean(({ codes }) => codes.frames),
  };
  for (const [name, { groupStd, bestOfGroup }] of Object.entries(stats.rewards)) {
    metrics[`groupStd/${name}`] = groupStd;
    metrics[`bestOfGroup/${name}`] = bestOfGroup;
  }
  entropy.forEach((nats, k) => {
    metrics[`entropy/${k}`] = nats;
  });
  return metrics;
}

/** The metrics that alarms look at. */
function watched(metrics: Metrics): AlarmMetrics {
  const group = (prefix: string) =>
    Object.entries(metrics).flatMap(([name, value]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), value] as const] : [],
    );
  const heldOut = metrics['reward/cerHeldOut'];
  return {
    ...(metrics['reward/cer'] !== undefined && { rewardCer: metrics['reward/cer'] }),
    ...(heldOut !== undefined && { heldOutCer: heldOut }),
    entropy: group('entropy/').map(([, value]) => value),
    runawayRate: metrics['samples/truncated']!,
    rewardStd: Object.fromEntries(group('groupStd/')),
    speechRate: metrics['samples/segmentsPerSec']!,
  };
}
