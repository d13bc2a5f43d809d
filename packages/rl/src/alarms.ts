import { ConfigError } from '@align2speak/contracts';

/** What an alarm is about. */
export type AlarmRule =
  | 'reward-hacking'
  | 'speech-rate'
  | 'entropy-collapse'
  | 'runaway'
  | 'reward-collapse'
  | 'forgetting';

/** What is known at a step; a rule watches what it is given and skips what is absent or NaN. */
export interface AlarmMetrics {
  /** Mean CER of the step's rollouts by the judge that is the reward, and by one that never is; on the same rollouts. */
  readonly rewardCer?: number;
  readonly heldOutCer?: number;
  /** Speed of speech in any unit that does not depend on the prompts, e.g. segments per second. */
  readonly speechRate?: number;
  /** Mean entropy of the sampler for each codebook [K], in nats. */
  readonly entropy?: ArrayLike<number>;
  /** Share of rollouts that had to be cut off. */
  readonly runawayRate?: number;
  /** Mean standard deviation inside a group, by reward. */
  readonly rewardStd?: Readonly<Record<string, number>>;
  /** CER of evaluations in the source languages, by language; the first is what later ones are held against. */
  readonly sourceCer?: Readonly<Record<string, number>>;
}

/** One event: raised once, and again only after its measure has come back under 0.8 of its limit. */
export interface Alarm {
  readonly rule: AlarmRule;
  readonly step: number;
  /** A sentence with the numbers in it. */
  readonly message: string;
  /** The averages compared, the `measure` made of them, and the `limit` that it exceeds. */
  readonly values: Readonly<Record<string, number>>;
}

/** When alarms are raised. */
export interface AlarmOptions {
  /** Steps that an average runs over; the first so many are what later ones are held against. 10 by default. */
  readonly window?: number;
  /** The least fall of the reward judge's CER that is looked into for reward hacking; 0.02 by default. */
  readonly minGain?: number;
  /** What the measure of a rule must exceed, by rule: see `defaultAlarmLimits` in this file. */
  readonly limits?: Partial<Readonly<Record<AlarmRule, number>>>;
}

/** Where a rule has no limit of its own. */
const defaultAlarmLimits: Readonly<Record<AlarmRule, number>> = {
  /** Share of the reward judge's gain that the held-out judge does not see. */
  'reward-hacking': 2 / 3,
  /** Relative change of the speech rate, up or down. */
  'speech-rate': 0.1,
  /** Share of a codebook's entropy that is lost. */
  'entropy-collapse': 0.5,
  /** Share of rollouts cut off. */
  runaway: 0.05,
  /** Share of a reward's standard deviation inside a group that is lost. */
  'reward-collapse': 0.75,
  /** Rise of a source language's CER. */
  forgetting: 0.03,
};

/** One watched quantity: its first `window` values, and the latest of those after them. */
interface Track {
  first: number[];
  latest: number[];
}

/** Averages of both judges over the same rollouts. */
interface JudgePair {
  reward: number;
  heldOut: number;
}

/** Everything that alarms remember, as plain JSON for a checkpoint. */
export interface AlarmState {
  tracks: Record<string, Track>;
  /** Of the window in which the held-out judge saw the fewest errors. */
  best: JudgePair | null;
  /** What has been raised and not yet come back. */
  raised: string[];
}

/** How a rule looks at one quantity: the measure that its limit is for, and how a message puts it. */
interface Watch {
  readonly rule: AlarmRule;
  readonly measure: (before: number, now: number) => number;
  readonly says: string;
}

const lost = (before: number, now: number) => (before > 0 ? 1 - now / before : Number.NaN);
const watches = {
  speechRate: {
    rule: 'speech-rate',
    measure: (before, now) => Math.abs(lost(before, now)),
    says: 'drifted by',
  },
  entropy: { rule: 'entropy-collapse', measure: lost, says: 'lost' },
  rewardStd: { rule: 'reward-collapse', measure: lost, says: 'lost' },
  sourceCer: { rule: 'forgetting', measure: (before, now) => now - before, says: 'rose by' },
} as const satisfies Record<string, Watch>;

/** A raised alarm is armed again where its measure falls under this share of its limit. */
const rearm = 0.8;

/**
 * Watches a run for what a rising reward hides: a judge that is fooled, speech that slows, a policy that collapses or
 * forgets.
 *
 * The same observations give the same alarms, also where a resume from `state` lies between them.
 * @see Gao et al., Scaling laws for reward model overoptimization, arXiv 2210.10760
 */
export class Alarms {
  readonly #window: number;
  readonly #minGain: number;
  readonly #limits: Readonly<Record<AlarmRule, number>>;
  readonly #tracks: Map<string, Track>;
  readonly #raised: Set<string>;
  #best: JudgePair | null;

  /** @throws ConfigError where an option is out of range. */
  constructor(options: AlarmOptions = {}, state: AlarmState = { tracks: {}, best: null, raised: [] }) {
    const { window = 10, minGain = 0.02, limits = {} } = options;
    const where = 'alarms';
    if (!Number.isInteger(window) || window < 1)
      throw new ConfigError({ where, what: 'window', expected: 'an integer of at least 1', got: String(window) });
    for (const [what, value] of Object.entries({ minGain, ...limits })) {
      if (!(value > 0)) throw new ConfigError({ where, what, expected: 'a number above 0', got: String(value) });
    }
    this.#window = window;
    this.#minGain = minGain;
    this.#limits = { ...defaultAlarmLimits, ...limits };
    const { tracks, best, raised } = structuredClone(state);
    this.#tracks = new Map(Object.entries(tracks));
    this.#raised = new Set(raised);
    this.#best = best;
  }

  /** Takes in the metrics of one step and returns the alarms that it raises. */
  observe(step: number, metrics: AlarmMetrics): Alarm[] {
    const { speechRate, entropy = [], rewardStd = {}, sourceCer = {} } = metrics;
    const changes = [
      this.#watch(watches.speechRate, 'speech rate', speechRate),
      ...Array.from(entropy, (value, k) => this.#watch(watches.entropy, `entropy of codebook ${k}`, value)),
      ...Object.entries(rewardStd).map(([name, value]) =>
        this.#watch(watches.rewardStd, `spread of reward ${name} inside its groups`, value),
      ),
      ...Object.entries(sourceCer).map(([lang, value]) =>
        this.#watch(watches.sourceCer, `CER of source language ${lang}`, value),
      ),
    ];
    const found = [this.#watchJudges(metrics), this.#watchRunaways(metrics.runawayRate), ...changes];
    return found.filter((alarm) => alarm !== undefined).map((alarm) => ({ step, ...alarm }));
  }

  /** What `new Alarms(options, state)` goes on from. */
  state(): AlarmState {
    return structuredClone({
      tracks: Object.fromEntries(this.#tracks),
      best: this.#best,
      raised: [...this.#raised],
    });
  }

  #watch({ rule, measure, says }: Watch, what: string, value = Number.NaN): Finding | undefined {
    // Evaluations are rare, and already averages: each stands for itself.
    const window = rule === 'forgetting' ? 1 : this.#window;
    const { first, latest } = this.#record(what, value, window);
    if (latest.length < window) return undefined;
    const [before, now] = [average(first), average(latest)];
    const values = { before, now, measure: measure(before, now) };
    const from = `from ${before.toPrecision(3)} at the start to ${now.toPrecision(3)}`;
    return this.#raise(rule, what, { values, says: `${what} ${says} ${percent(values.measure)}, ${from}` });
  }

  #watchRunaways(rate = Number.NaN): Finding | undefined {
    const what = 'share of rollouts cut off';
    const { first, latest } = this.#record(what, rate, this.#window);
    // A share needs nothing to be held against, so that the first window counts as well.
    const recent = [...first, ...latest].slice(-this.#window);
    if (recent.length < this.#window) return undefined;
    const measure = average(recent);
    return this.#raise('runaway', what, { values: { measure }, says: `${what} is ${percent(measure)}` });
  }

  #watchJudges({ rewardCer = Number.NaN, heldOutCer = Number.NaN }: AlarmMetrics): Finding | undefined {
    // Both or neither: the two averages must be over the same rollouts, whose luck then cancels.
    if (!Number.isFinite(rewardCer) || !Number.isFinite(heldOutCer)) return undefined;
    const reward = this.#record('CER by the reward judge', rewardCer, this.#window);
    const heldOut = this.#record('CER by the held-out judge', heldOutCer, this.#window);
    if (reward.latest.length < this.#window) return undefined;
    const now = { reward: average(reward.latest), heldOut: average(heldOut.latest) };
    const start = { reward: average(reward.first), heldOut: average(heldOut.first) };
    if (this.#best === null) this.#best = start;
    if (now.heldOut < this.#best.heldOut) this.#best = now;
    // Held against the start, and against the held-out judge's best: a late divergence must not hide in an early gain.
    const measured = [start, this.#best].map((before) => ({ before, measure: this.#unshared(before, now) }));
    const { before, measure } = measured.reduce((most, one) => (one.measure > most.measure ? one : most));
    const values = {
      rewardBefore: before.reward,
      rewardNow: now.reward,
      heldOutBefore: before.heldOut,
      heldOutNow: now.heldOut,
      measure,
    };
    const gains = `fell by ${percent(before.reward - now.reward)}, by the held-out judge by ${percent(before.heldOut - now.heldOut)}`;
    return this.#raise('reward-hacking', 'judges', { values, says: `CER by the reward judge ${gains}` });
  }

  /** The share of the reward judge's gain that the held-out judge does not see; 0 where the gain is too small to say. */
  #unshared(before: JudgePair, now: JudgePair): number {
    const gain = before.reward - now.reward;
    return gain >= this.#minGain ? 1 - (before.heldOut - now.heldOut) / gain : 0;
  }

  #record(what: string, value: number, window: number): Track {
    const track = this.#tracks.get(what) ?? { first: [], latest: [] };
    if (!Number.isFinite(value)) return track;
    this.#tracks.set(what, track);
    if (track.first.length < window) track.first.push(value);
    else track.latest.push(value);
    if (track.latest.length > window) track.latest.shift();
    return track;
  }

  #raise(rule: AlarmRule, what: string, { values, says }: Measured): Finding | undefined {
    const limit = this.#limits[rule];
    const key = `${rule}: ${what}`;
    const { measure } = values;
    if (measure < rearm * limit) this.#raised.delete(key);
    if (!(measure > limit) || this.#raised.has(key)) return undefined;
    this.#raised.add(key);
    return { rule, message: `${says} (limit ${percent(limit)})`, values: { ...values, limit } };
  }
}

type Finding = Omit<Alarm, 'step'>;

/** A measure with the averages it is made of, and the message that tells of it. */
interface Measured {
  readonly values: Readonly<Record<string, number>> & { readonly measure: number };
  readonly says: string;
}

function average(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0) / values.length;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}
