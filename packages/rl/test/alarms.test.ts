import { ConfigError } from '@align2speak/contracts';
import { type AlarmMetrics, Alarms } from '@align2speak/rl';
import { describe, expect, it } from 'vitest';

/** Runs steps 0, 1, ... through alarms and returns `rule@step` of each. */
function raised(steps: readonly AlarmMetrics[], alarms = new Alarms({ window: 4 })): string[] {
  return steps.flatMap((metrics, step) => alarms.observe(step, metrics).map(({ rule }) => `${rule}@${step}`));
}

const series = (length: number, at: (step: number) => AlarmMetrics) => Array.from({ length }, (_, step) => at(step));
/** Rises from 0 to 1 over 20 steps after the first 4. */
const ramp = (step: number) => Math.min(Math.max((step - 3) / 20, 0), 1);
/** The same noise in every run, within [-1, 1]. */
const noise = (step: number) => Math.sin(step * 12.9898);

describe('Alarms', () => {
  it('says nothing of a run in which both judges improve', () => {
    const steps = series(40, (step) => ({
      rewardCer: 0.3 - 0.2 * ramp(step) + 0.04 * noise(step),
      heldOutCer: 0.28 - 0.15 * ramp(step) + 0.04 * noise(step),
      speechRate: 12 + 0.3 * noise(step),
      entropy: [1.7 - 0.2 * ramp(step), 1.6],
      runawayRate: 0.01,
      rewardStd: { cer: 0.1 - 0.02 * ramp(step) },
      sourceCer: { de: 0.05 + 0.01 * ramp(step) },
    }));
    expect(raised(steps)).toEqual([]);
  });

  it('notices that only the reward judge improves, once', () => {
    const steps = series(60, (step) => ({
      rewardCer: 0.3 - 0.2 * ramp(step) + 0.02 * noise(step),
      heldOutCer: 0.28 + 0.02 * noise(step),
    }));
    expect(raised(steps)).toEqual([expect.stringMatching(/^reward-hacking@[789]$/)]);
  });

  it('notices a held-out judge that follows at first and then turns', () => {
    const steps = series(60, (step) => ({
      rewardCer: 0.5 - 0.3 * ramp(step) - 0.1 * ramp(step - 25),
      heldOutCer: 0.5 - 0.3 * ramp(step) + 0.05 * ramp(step - 25),
    }));
    expect(raised(steps)).toEqual([expect.stringMatching(/^reward-hacking@3[0-9]$/)]);
  });

  it('does not take luck with prompts, which both judges share, for a gain', () => {
    const steps = series(200, (step) => ({ rewardCer: 0.3 + 0.1 * noise(step), heldOutCer: 0.28 + 0.1 * noise(step) }));
    expect(raised(steps)).toEqual([]);
  });

  it.each([
    ['speech-rate', (x: number) => ({ speechRate: 12 - 3 * x })],
    ['speech-rate', (x: number) => ({ speechRate: 12 + 3 * x })],
    ['entropy-collapse', (x: number) => ({ entropy: Float32Array.of(1.7, 1.7 - 1.5 * x) })],
    ['runaway', (x: number) => ({ runawayRate: 0.2 * x })],
    ['reward-collapse', (x: number) => ({ rewardStd: { ssim: 0.1 - 0.095 * x, cer: 0.1 } })],
    ['forgetting', (x: number) => ({ sourceCer: { de: 0.05 + 0.1 * x, fr: 0.06 } })],
  ] as const)('raises %s once, and again after it came back', (rule, metrics) => {
    const hill = (step: number) => (step < 40 ? ramp(step) : step < 80 ? ramp(78 - step) : ramp(step - 80));
    const found = raised(series(120, (step) => metrics(hill(step))));
    expect(found.map((alarm) => alarm.split('@')[0])).toEqual([rule, rule]);
    expect(Number(found[0]!.split('@')[1])).toBeLessThan(24);
  });

  it('does not flutter where a measure stays about its limit', () => {
    const steps = series(100, (step) => ({ runawayRate: 0.05 + 0.008 * noise(step) }));
    expect(raised(steps, new Alarms({ window: 1 }))).toHaveLength(1);
  });

  it('tells rule, step, numbers and limit', () => {
    const alarms = new Alarms({ window: 1, limits: { forgetting: 0.01 } });
    alarms.observe(0, { sourceCer: { de: 0.05 } });
    expect(alarms.observe(50, { sourceCer: { de: 0.075 } })).toEqual([
      {
        rule: 'forgetting',
        step: 50,
        message: 'CER of source language de rose by 2.5 %, from 0.0500 at the start to 0.0750 (limit 1.0 %)',
        values: { before: 0.05, now: 0.075, measure: expect.closeTo(0.025), limit: 0.01 },
      },
    ]);
  });

  it('skips what is absent, failed or without a start to compare with', () => {
    const steps = series(40, (step) => ({
      rewardCer: 0.3 - 0.2 * ramp(step),
      heldOutCer: Number.NaN,
      speechRate: step % 2 ? Number.NaN : 12,
      entropy: [0],
      sourceCer: { de: Number.NaN },
    }));
    expect(raised(steps)).toEqual([]);
  });

  it('goes on from its state as if it had not stopped', () => {
    const steps = series(60, (step) => ({
      rewardCer: 0.3 - 0.2 * ramp(step),
      heldOutCer: 0.28,
      runawayRate: 0.2 * ramp(step - 20),
    }));
    const whole = new Alarms({ window: 4 });
    const expected = steps.map((metrics, step) => whole.observe(step, metrics));
    expect(expected.flat()).toHaveLength(2);
    for (const stop of [2, 6, 9, 30]) {
      const first = new Alarms({ window: 4 });
      const found = steps.slice(0, stop).map((metrics, step) => first.observe(step, metrics));
      const second = new Alarms({ window: 4 }, JSON.parse(JSON.stringify(first.state())));
      found.push(...steps.slice(stop).map((metrics, i) => second.observe(stop + i, metrics)));
      expect(found).toEqual(expected);
      expect(second.state()).toEqual(whole.state());
    }
  });

  it.each([{ window: 0 }, { minGain: 0 }, { limits: { runaway: Number.NaN } }])('refuses %o', (options) => {
    expect(() => new Alarms(options)).toThrow(ConfigError);
  });
});
