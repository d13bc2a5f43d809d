import { hopLengthOf, loadCodec } from '@align2speak/codec';
import { ConfigError, randomAt, randomIndex, requireSameCodes } from '@align2speak/contracts';
import { type Codec, Optimizer, type Sampling, Tensor } from '@align2speak/native';
import { type Reference, type Scores, segmentsOf } from '@align2speak/rewards';
import { type AdvantageStats, type AlarmMetrics, type AlarmState, Alarms } from '@align2speak/rl';
import { loadTts } from '@align2speak/tts';
import { writeModelFolder } from '@align2speak/weights';
import type { GrpoTraining } from './grpo-config.js';
import { JudgedRewards } from './judged-rewards.js';
import { Phases, type Stage } from './loop.js';
import { gradientShares, type Learner, learn } from './policy-gradient.js';
import { PromptPool } from './prompt-pool.js';
import { type Rollout, type RolloutPrompt, type Rollouts, rollOut } from './rollouts.js';
import { type Metrics, prefixed } from './run.js';

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

interface Trainer extends Learner {
  codec: Codec;
  judges: JudgedRewards;
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
    entropy: entropies[0]!.map((_, k) => mean(entropies.map((each) => each[k]!))),
    values: joined((name) => Float64Array.from(scores.flatMap(({ values }) => [...values[name]!]))),
    parts: joined((name) => scores.flatMap(({ parts }) => parts[name]!)),
  };
}

function samplingOf({ temperature, topK, topP, minFrames }: GrpoTraining, guidance: number): Sampling {
  return { temperature, topK, topP, minFrames, guidance };
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

/** What the rollouts of an update were like. */
function stepMetrics(stats: AdvantageStats, samples: readonly Rollout[], entropy: Float64Array): Metrics {
  const metrics: Metrics = {
    reward: stats.total.mean,
    'groups/valid': stats.validShare,
    'groups/zeroVariance': stats.zeroVarianceShare,
    'groups/filtered': stats.filteredShare,
    'samples/masked': stats.maskedShare,
    'samples/truncated': mean(samples.map(({ truncated }) => Number(truncated))),
    'samples/frames': mean(samples.map(({ codes }) => codes.frames)),
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
