import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { axisOver, place } from '../src/axis.js';
import { parseMetrics, smooth, thin } from '../src/metrics.js';

const parse = (...rows: unknown[]) =>
  parseMetrics(rows.map((row) => `${JSON.stringify(row)}\n`).join(''), 'metrics.jsonl');
const curves = (...rows: unknown[]) =>
  Object.fromEntries(parse(...rows).curves.map(({ key, steps, values }) => [key, [steps, values]]));

describe('metrics.jsonl', () => {
  it('flattens objects and lists, and leaves out what is no number', () => {
    const row = { step: 3, time: 1, loss: { total: 2 }, entropy: [1, 0.5], note: 'x', bad: null };
    expect(curves(row)).toEqual({ 'loss/total': [[3], [2]], 'entropy/0': [[3], [1]], 'entropy/1': [[3], [0.5]] });
  });

  it('puts a phase before the name, unless it is train or a stage', () => {
    const rows = ['train', 'validation', 'grpo'].map((phase, step) => ({ step, phase, loss: step }));
    expect(parse(...rows).curves.map(({ key, stage }) => [key, stage])).toEqual([
      ['loss', undefined],
      ['validation/loss', undefined],
      ['loss', 'grpo'],
    ]);
  });

  it('takes the later of two lines for one step, as a resumed run leaves them', () => {
    expect(curves({ step: 1, a: 1 }, { step: 2, a: 2 }, { step: 2, a: 5 }, { step: 3, a: 6 })).toEqual({
      a: [
        [1, 2, 3],
        [1, 5, 6],
      ],
    });
  });

  it('does not read a last line cut short', () => {
    expect(parseMetrics('{"step":1,"a":1}\n{"step":2,"a', 'm').curves[0]!.steps).toEqual([1]);
  });

  it('keeps alarms', () => {
    expect(parse({ step: 4, 'alarm/runaway': 1 })).toMatchObject({
      curves: [],
      alarms: [{ rule: 'runaway', step: 4 }],
    });
  });

  it('adds up the seconds of phases', () => {
    const rows = [1, 2].map((step) => ({ step, 'seconds/update': step }));
    expect(parse(...rows).phases).toEqual({ update: 3 });
  });

  it.each([
    ['{"step":1}\n{"step"\n', 'line 2: line: expected a JSON object, got {"step"'],
    ['{"a":1}\n', 'line 1: step: expected a number, got nothing'],
    ['null\n', 'line 1: step: expected a number, got nothing'],
  ])('refuses %j', (text, message) => {
    expect(() => parseMetrics(text, 'm.jsonl')).toThrow(`m.jsonl: ${message}`);
  });
});

const values = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 500 });

describe('what a chart does with its values', () => {
  it('thinning keeps the ends, the lowest and the highest', () => {
    fc.assert(
      fc.property(values, (all) => {
        const kept = thin(all, 40).map((i) => all[i]!);
        expect(kept.length).toBeLessThanOrEqual(all.length <= 40 ? all.length : 44);
        expect([kept[0], kept.at(-1)]).toEqual([all[0], all.at(-1)]);
        expect([Math.min(...kept), Math.max(...kept)]).toEqual([Math.min(...all), Math.max(...all)]);
      }),
      { seed: 1 },
    );
  });

  it('the moving average stays between the extremes and keeps a constant', () => {
    fc.assert(
      fc.property(values, (all) => {
        const smoothed = smooth(all);
        const slack = 1e-9 * Math.max(...all.map(Math.abs));
        expect(Math.min(...smoothed)).toBeGreaterThanOrEqual(Math.min(...all) - slack);
        expect(Math.max(...smoothed)).toBeLessThanOrEqual(Math.max(...all) + slack);
      }),
      { seed: 2 },
    );
    expect(smooth(new Array(100).fill(3))).toEqual(new Array(100).fill(3));
  });

  it('an axis holds every value between its ends, at few round ticks', () => {
    fc.assert(
      fc.property(values, fc.integer({ min: 2, max: 6 }), (all, count) => {
        const axis = axisOver(all, { count });
        for (const value of all) expect(Math.abs(place(axis, value) - 0.5)).toBeLessThanOrEqual(0.5 + 1e-6);
        expect(axis.ticks.length).toBeGreaterThanOrEqual(2);
        expect(axis.ticks.length).toBeLessThanOrEqual(count + 3);
      }),
      { seed: 3 },
    );
    expect(axisOver([0.03, 0.31], { include: [0] }).ticks).toEqual([0, 0.1, 0.2, 0.3, 0.4]);
  });
});
