import { DataError, randomAt } from '@align2speak/contracts';
import { equalErrorRate, meanOverSeeds } from '@align2speak/evaluate';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

describe('equalErrorRate', () => {
  it.each([
    ['kinds that are apart', [0.9, 0.8, 0.2, 0.1], [1, 1, 0, 0], 0],
    ['kinds the wrong way round', [0.9, 0.8, 0.2, 0.1], [0, 0, 1, 1], 1],
    ['scores that say nothing', [0.5, 0.5, 0.5], [1, 0, 0], 0.5],
    ['one of four on either wrong side', [8, 7, 6, 3, 5, 2, 1, 0], [1, 1, 1, 1, 0, 0, 0, 0], 0.25],
    ['a step between two thresholds', [3, 2, 1], [1, 0, 1], 0.5],
    ['ties of both kinds', [2, 1, 1, 0], [1, 1, 0, 0], 0.25],
  ])('of %s', (_, scores, labels, rate) => {
    expect(equalErrorRate(scores, labels)).toBeCloseTo(rate, 12);
  });

  it('is near the rate that two normal distributions have', () => {
    const normal = (...key: number[]) =>
      Math.sqrt(-2 * Math.log(1 - randomAt(...key, 0))) * Math.cos(2 * Math.PI * randomAt(...key, 1));
    const labels = Array.from({ length: 20_000 }, (_, i) => i % 3 === 0);
    const scores = labels.map((match, i) => normal(5, i) + (match ? 2 : 0));
    expect(equalErrorRate(scores, labels)).toBeCloseTo(0.158655, 2); // P(Z < -1)
  });

  it('does not depend on the order, nor on a rising function of the scores', () => {
    const trials = fc.array(fc.tuple(fc.integer({ min: -5, max: 5 }), fc.boolean()), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(trials, (some) => {
        const given: [number, boolean][] = [[0, true], [1, false], ...some];
        const rate = (list: typeof given, f = (x: number) => x) =>
          equalErrorRate(
            list.map(([score]) => f(score)),
            list.map(([, match]) => match),
          );
        expect(rate(given)).toBeGreaterThanOrEqual(0);
        expect(rate(given)).toBeLessThanOrEqual(1);
        expect(rate([...given].reverse())).toBeCloseTo(rate(given), 9);
        expect(rate(given, Math.exp)).toBeCloseTo(rate(given), 9);
      }),
    );
  });

  it.each([
    ['scores without labels', [1, 2], [1]],
    ['NaN', [1, Number.NaN], [1, 0]],
    ['matches alone', [1, 2], [1, 1]],
    ['nothing', [], []],
  ])('refuses %s', (_, scores, labels) => {
    expect(() => equalErrorRate(scores, labels)).toThrow(DataError);
  });
});

describe('meanOverSeeds', () => {
  it.each([
    [2, 12.7062],
    [3, 4.30265],
    [4, 3.18245],
    [5, 2.77645],
    [10, 2.26216],
    [31, 2.04227],
    [121, 1.97993],
  ])('takes the t of %d runs from the tables: %d', (count, t) => {
    const values = Array.from({ length: count }, (_, i) => i);
    const sem = Math.sqrt((count * (count + 1)) / 12 / count);
    const { mean, low, high } = meanOverSeeds(values);
    expect(mean).toBeCloseTo((count - 1) / 2, 9);
    expect((high - mean) / sem).toBeCloseTo(t, 4);
    expect(mean - low).toBeCloseTo(high - mean, 9);
  });

  it('has no width where runs agree', () => {
    expect(meanOverSeeds([0.25, 0.25, 0.25])).toEqual({ mean: 0.25, low: 0.25, high: 0.25 });
  });

  it.each([[[]], [[1]], [[1, Number.NaN]]])('refuses %o', (values) => {
    expect(() => meanOverSeeds(values)).toThrow(DataError);
  });
});
