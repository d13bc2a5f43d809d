import { ConfigError } from '@align2speak/contracts';
import {
  cerReward,
  loadReward,
  openJudge,
  qualityReward,
  type Reference,
  type Reward,
  type Scores,
  scoreAll,
  ssimReward,
} from '@align2speak/rewards';
import {
  type AdvantageInput,
  type Advantages,
  composeAdvantages,
  measureAnchors,
  piecewiseLinear,
} from '@align2speak/rl';
import { z } from 'zod';
import type { Metrics } from './run.js';

/** One reward of a GRPO or DPO run. */
export const rewardSetting = z.strictObject({
  use: z.string().describe('cer, ssim or quality with a judge, or the file of a reward of your own (.js, .mjs).'),
  judge: z.string().optional().describe('ONNX file of the judge.'),
  name: z.string().optional().describe('In logs; default what it uses.'),
  weight: z.number().min(0).default(0).describe('0: watched, never rewarded.'),
  worst: z.number().optional().describe('Value that earns 0; default the worse end of its range.'),
  best: z.number().optional().describe('Value that earns 1; default the better end of its range.'),
});

export type RewardSetting = z.infer<typeof rewardSetting>;

/** Raw values of each reward, by name; NaN: it failed on that sample. */
type Values = Readonly<Record<string, Float64Array>>;

/** Rewards with their weights; their anchors are measured on the first batch that is scored. */
export class JudgedRewards {
  readonly #rewards: { reward: Reward; setting: RewardSetting }[];
  readonly #sampleRate: number;
  #means: Record<string, number>;

  private constructor(rewards: { reward: Reward; setting: RewardSetting }[], sampleRate: number) {
    this.#rewards = rewards;
    this.#sampleRate = sampleRate;
    this.#means = {};
  }

  /** Opens every judge. @throws ConfigError, CheckpointError or RewardError naming the setting or file at fault. */
  static async open(settings: readonly RewardSetting[], sampleRate: number): Promise<JudgedRewards> {
    const rewards: { reward: Reward; setting: RewardSetting }[] = [];
    try {
      for (const setting of settings) {
        const reward = await openReward(setting, sampleRate);
        rewards.push({ reward: setting.name ? { ...reward, name: setting.name } : reward, setting });
      }
    } catch (error) {
      for (const { reward } of rewards) await reward.close?.();
      throw error;
    }
    return new JudgedRewards(rewards, sampleRate);
  }

  /** Scores waveforms against their references. */
  score(wavs: readonly Float32Array[], references: readonly Reference[]): Promise<Scores> {
    const rewards = this.#rewards.map(({ reward }) => reward);
    return scoreAll(rewards, { wavs, sampleRate: this.#sampleRate, references });
  }

  /** Mean raw value of each reward, and how many samples it failed on. */
  metrics(values: Values): Metrics {
    const metrics: Metrics = {};
    for (const [name, scores] of Object.entries(values)) {
      const known = scores.filter((score) => !Number.isNaN(score));
      metrics[`reward/${name}`] = known.reduce((a, b) => a + b, 0) / known.length;
      metrics[`failed/${name}`] = scores.length - known.length;
    }
    return metrics;
  }

  /**
   * Advantages of P·G samples: each reward mapped to [0, 1] by its anchors (worst 0, the base model's mean 0.5, best 1), then
   * combined. The first call measures the means.
   */
  advantages(values: Values, settings: Omit<AdvantageInput, 'rewards' | 'weights'>): Advantages {
    const rewards: Record<string, Float64Array> = {};
    const weights: Record<string, number> = {};
    for (const { reward, setting } of this.#rewards) {
      const { name, direction, range } = reward;
      const [bad, good] = direction === 'higher' ? range : [range[1], range[0]];
      const [worst, best] = [setting.worst ?? bad, setting.best ?? good];
      this.#means[name] ??= meanAnchor(values[name]!, { direction, worst, best });
      const mean = this.#means[name];
      rewards[name] = values[name]!.map((value) => piecewiseLinear(value, { worst, mean, best }));
      weights[name] = setting.weight;
    }
    return composeAdvantages({ rewards, weights, ...settings });
  }

  /** Weighted mean of the rewards as given, on one scale where lower is better, to pick a best model by. */
  selectionScore(values: Values): number {
    let score = 0;
    for (const { reward, setting } of this.#rewards) {
      const known = values[reward.name]!.filter((value) => !Number.isNaN(value));
      const mean = known.reduce((a, b) => a + b, 0) / known.length;
      const width = reward.range[1] - reward.range[0];
      if (setting.weight > 0) score += (setting.weight * (reward.direction === 'lower' ? mean : -mean)) / width;
    }
    return score;
  }

  /** The measured means, for a checkpoint. */
  state(): Record<string, number> {
    return { ...this.#means };
  }

  restore(means: Record<string, number>): void {
    this.#means = { ...means };
  }

  async close(): Promise<void> {
    for (const { reward } of this.#rewards) await reward.close?.();
  }
}

/** The mean of the base model's values, kept away from the ends so that both slopes exist. */
function meanAnchor(
  values: Float64Array,
  { direction, worst, best }: { direction: 'higher' | 'lower'; worst: number; best: number },
): number {
  const { mean } = measureAnchors(values, { direction, worst, best });
  return mean;
}

async function openReward({ use, judge }: RewardSetting, sampleRate: number): Promise<Reward> {
  if (/\.m?js$/.test(use)) {
    if (judge === undefined) return loadReward(use, { sampleRate });
    throw new ConfigError({
      where: 'rewards',
      what: `judge of ${use}`,
      expected: 'none: it opens its own',
      got: judge,
    });
  }
  if (judge === undefined)
    throw new ConfigError({ where: 'rewards', what: `judge of ${use}`, expected: 'an ONNX file', got: 'nothing' });
  switch (use) {
    case 'cer':
      return cerReward(await openJudge(judge, { kind: 'recogniser' }));
    case 'ssim':
      return ssimReward(await openJudge(judge, { kind: 'speaker' }));
    case 'quality':
      return qualityReward(await openJudge(judge, { kind: 'quality' }));
    default:
      throw new ConfigError({ where: 'rewards', what: 'use', expected: 'cer, ssim, quality or a .js file', got: use });
  }
}
