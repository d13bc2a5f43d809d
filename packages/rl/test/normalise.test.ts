import { ConfigError, DataError } from '@align2speak/contracts';
import { measureAnchors, piecewiseLinear } from '@align2speak/rl';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

describe('piecewiseLinear', () => {
  it.each([
    [0, 1],
    [0.05, 0.75],
    [0.1, 0.5],
    [0.55, 0.25],
    [1, 0],
    [-3, 1],
    [7, 0],
  ])('maps a CER of %d to %d with the anchors of the reference system', (cer, reward) => {
    expect(piecewiseLinear(cer, { worst: 1, mean: 0.1, best: 0 })).toBeCloseTo(reward, 12);
  });

  it.each([
    [0.9, 1],
    [0.75, 0.75],
    [0.6, 0.5],
    [0.3, 0.25],
    [-1, 0],
  ])('maps a similarity of %d to %d', (ssim, reward) => {
    expect(piecewiseLinear(ssim, { worst: 0, mean: 0.6, best: 0.9 })).toBeCloseTo(reward, 12);
  });

  it('leaves a failed score failed', () => {
    expect(piecewiseLinear(Number.NaN, { worst: 1, mean: 0.1, best: 0 })).toBeNaN();
  });

  it('never falls as a score gets better', () => {
    // 0 and -0 are one number: such anchors are refused, as they should be.
    const anchors = fc.uniqueArray(fc.double({ min: -10, max: 10, noNaN: true }), {
      minLength: 3,
      maxLength: 3,
      comparator: 'SameValueZero',
    });
    const value = fc.double({ min: -20, max: 20, noNaN: true });
    fc.assert(
      fc.property(anchors, value, value, (three, a, b) => {
        const [low, middle, high] = [...three].sort((x, y) => x - y) as [number, number, number];
        const rises = { worst: low, mean: middle, best: high };
        const falls = { worst: high, mean: middle, best: low };
        const [less, more] = a < b ? [a, b] : [b, a];
        expect(piecewiseLinear(less, rises)).toBeLessThanOrEqual(piecewiseLinear(more, rises));
        expect(piecewiseLinear(less, falls)).toBeGreaterThanOrEqual(piecewiseLinear(more, falls));
      }),
    );
  });

  it.each([
    [0, 0, 1],
    [0, 1, 1],
    [0, 2, 1],
    [Number.NaN, 0.5, 1],
    [0, 0.5, Number.POSITIVE_INFINITY],
  ])('refuses the anchors %d, %d, %d', (worst, mean, best) => {
    expect(() => piecewiseLinear(0.3, { worst, mean, best })).toThrow(ConfigError);
  });
});

describe('measureAnchors', () => {
  it('averages what can be averaged, clipped to the anchors that are given', () => {
    const cer = [0.1, 0.3, 2, Number.NaN, Number.POSITIVE_INFINITY];
    const anchors = measureAnchors(cer, { direction: 'lower', worst: 1, best: 0 });
    expect(anchors).toEqual({ worst: 1, mean: (0.1 + 0.3 + 1) / 3, best: 0 });
  });

  it('takes the extremes seen for anchors that are not given', () => {
    expect(measureAnchors([1, 2, 6], { direction: 'higher' })).toEqual({ worst: 1, mean: 3, best: 6 });
    expect(measureAnchors([1, 2, 6], { direction: 'lower' })).toEqual({ worst: 6, mean: 3, best: 1 });
  });

  it('refuses scores from which no anchors follow', () => {
    expect(() => measureAnchors([Number.NaN], { direction: 'higher' })).toThrow(DataError);
    expect(() => measureAnchors([0, 0], { direction: 'lower', worst: 1, best: 0 })).toThrow(ConfigError);
    expect(() => measureAnchors([1, 2], { direction: 'higher', worst: 9 })).toThrow(ConfigError);
  });
});
