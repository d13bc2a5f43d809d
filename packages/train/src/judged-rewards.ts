import { ConfigError, DataError } from '@align2speak/contracts';
import { readManifest } from '@align2speak/data';
import {
  cerReward,
  type Judge,
  loadReward,
  measurePace,
  openJudge,
  type Parts,
  paceReward,
  qualityReward,
  type Reference,
  type Reward,
  type Scores,
  scoreAll,
  ssimReward,
} from '@align2speak/rewards';
import { type AdvantageInput, type Advantages, type Credit, composeAdvantages, piecewiseLinear } from '@align2speak/rl';
import { z } from 'zod';
import type { Metrics } from './run.js';

/** One reward of a GRPO or DPO run; GRPO's have a credit too. */
export const rewardSetting = z.strictObject({
  use: z
    .string()
    .describe(
      'cer, ssim or quality with a judge; pace with recordings; or the file of a reward of your own (.js, .mjs).',
    ),
  judge: z.string().optional().describe('ONNX file of the judge.'),
  recordings: z.string().optional().describe('Manifest whose speaking rate pace holds samples to.'),
  name: z.string().optional().describe('In logs; default what it uses.'),
  weight: z.number().min(0).default(0).describe('0: watched, never rewarded.'),
  worst: z.number().optional().describe('Value that earns 0; default the worse end of its range.'),
  best: z.number().optional().describe('Value that earns 1; default the better end of its range.'),
});

/** `credit`: of the weight, what goes to the frames that earned it; default 0. */
export type RewardSetting = z.infer<typeof rewardSetting> & { credit?: number };

/** Raw values of each reward, by name; NaN: it failed on that sample. */
type Values = Readonly<Record<string, Float64Array>>;

/** Rewards with their weights; their anchors are measured on the first batch that is scored. */
export class JudgedRewards {
  readonly #rewards: { reward: Reward; setting: RewardSetting }[];
  readonly #sampleRate: number;
  /** Rewards of which a failure has been reported. */
  readonly #complained = new Set<string>();
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
        const opened = await openReward(setting, sampleRate);
        const reward = setting.name ? { ...opened, name: setting.name } : opened;
        rewards.push({ reward, setting });
        if (setting.credit && !reward.locates) {
          const expected = 'a reward that says where in a sample it was earned';
          throw new ConfigError({ where: 'rewards', what: `credit of ${reward.name}`, expected, got: 'none' });
        }
        if (rewards.some((other) => other.reward !== reward && other.reward.name === reward.name)) {
          const hint = 'give one of them another name';
          throw new ConfigError({
            where: 'rewards',
            what: reward.name,
            expected: 'one of this name',
            got: 'two',
            hint,
          });
        }
      }
    } catch (error) {
      for (const { reward } of rewards) await reward.close?.();
      throw error;
    }
    return new JudgedRewards(rewards, sampleRate);
  }

  /** Scores waveforms against their references; says on stderr what the first failure of each reward was. */
  async score(wavs: readonly Float32Array[], references: readonly Reference[]): Promise<Scores> {
    const rewards = this.#rewards.map(({ reward }) => reward);
    const scores = await scoreAll(rewards, { wavs, sampleRate: this.#sampleRate, references });
    for (const [name, { count, first }] of Object.entries(scores.failures)) {
      if (this.#complained.has(name)) continue;
      this.#complained.add(name);
      console.error(`\nreward ${name} failed on ${count} of ${wavs.length} samples: ${first}`);
    }
    return scores;
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
   *
   * @throws DataError where a weighted reward has no value to measure its mean from.
   */
  advantages(
    { values, parts }: Pick<Scores, 'values' | 'parts'>,
    settings: Omit<AdvantageInput, 'rewards' | 'weights' | 'credits'>,
  ): Advantages {
    const rewards: Record<string, Float64Array> = {};
    const weights: Record<string, number> = {};
    for (const { reward, setting } of this.#rewards) {
      const { name, direction, range } = reward;
      const [bad, good] = direction === 'higher' ? range : [range[1], range[0]];
      const [worst, best] = [setting.worst ?? bad, setting.best ?? good];
      weights[name] = setting.weight;
      const found = this.#means[name] ?? meanAnchor(values[name]!, worst, best);
      if (found !== undefined) this.#means[name] = found;
      else if (setting.weight > 0) {
        const got = `none among ${values[name]!.length}`;
        throw new DataError({ where: 'rewards', what: name, expected: 'a value to measure its mean from', got });
      }
      const mean = found ?? (worst + best) / 2;
      rewards[name] = values[name]!.map((value) => piecewiseLinear(value, { worst, mean, best }));
    }
    const credits = this.#credits(parts);
    return composeAdvantages({ rewards, weights, ...settings, ...(credits && { credits }) });
  }

  /** What goes to the frames that earned it. */
  #credits(parts: Scores['parts']): Record<string, Credit> | undefined {
    const credits: Record<string, Credit> = {};
    for (const { reward, setting } of this.#rewards) {
      const { credit: share = 0, weight } = setting;
      if (share === 0 || weight === 0) continue;
      const sign = reward.direction === 'higher' ? 1 : -1;
      const better = (each: Parts) => ({ values: each.values.map((value) => sign * value), places: each.places });
      credits[reward.name] = { share, parts: parts[reward.name]!.map((each) => each && better(each)) };
    }
    return Object.keys(credits).length > 0 ? credits : undefined;
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

  /** What `work` gives; where it fails, the judges are closed first. */
  async closeOnFailure<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    for (const { reward } of this.#rewards) await reward.close?.();
  }
}

/**
 * Mean of the base model's values between the anchors, a hundredth of their distance away from either, so that both slopes
 * exist; undefined without a value.
 */
function meanAnchor(values: Float64Array, worst: number, best: number): number | undefined {
  const known = values.filter(Number.isFinite);
  if (known.length === 0) return undefined;
  const [low, high] = [Math.min(worst, best), Math.max(worst, best)];
  const within = (value: number, margin: number) => Math.min(Math.max(value, low + margin), high - margin);
  const mean = known.reduce((sum, value) => sum + within(value, 0), 0) / known.length;
  return within(mean, (high - low) / 100);
}

async function openReward({ use, judge, recordings }: RewardSetting, sampleRate: number): Promise<Reward> {
  const needs = (what: string, value: string | undefined, expected: string): string => {
    if (value !== undefined) return value;
    throw new ConfigError({ where: 'rewards', what: `${what} of ${use}`, expected, got: 'nothing' });
  };
  const unused = use === 'pace' ? judge : /^(cer|ssim|quality)$/.test(use) ? recordings : (judge ?? recordings);
  if (unused !== undefined)
    throw new ConfigError({ where: 'rewards', what: use, expected: 'no such file beside it', got: unused });
  switch (use) {
    case 'cer':
      return cerReward(await openJudgeAt(needs('judge', judge, 'an ONNX file'), 'recogniser', sampleRate));
    case 'ssim':
      return ssimReward(await openJudgeAt(needs('judge', judge, 'an ONNX file'), 'speaker', sampleRate));
    case 'quality':
      return qualityReward(await openJudgeAt(needs('judge', judge, 'an ONNX file'), 'quality', sampleRate));
    case 'pace':
      return paceReward(measurePace(await readManifest(needs('recordings', recordings, 'a manifest'))));
    default:
      if (/\.m?js$/.test(use)) return loadReward(use, { sampleRate });
      throw new ConfigError({
        where: 'rewards',
        what: 'use',
        expected: 'cer, ssim, quality, pace or a .js file',
        got: use,
      });
  }
}

/** A judge of sound at this rate. @throws as openJudge; ConfigError where it hears another. */
async function openJudgeAt<Kind extends 'recogniser' | 'speaker' | 'quality'>(
  path: string,
  kind: Kind,
  sampleRate: number,
): Promise<Judge<Kind>> {
  const judge = await openJudge(path, { kind });
  if (judge.info.sampleRate === sampleRate) return judge;
  await judge.close();
  const expected = `${sampleRate} Hz, as the codec has`;
  throw new ConfigError({ where: path, what: 'sampleRate', expected, got: `${judge.info.sampleRate} Hz` });
}
