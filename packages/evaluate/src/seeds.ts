import { DataError } from '@align2speak/contracts';
import type { Interval } from './bootstrap.js';

/**
 * The mean of one measure over independent runs, e.g. training seeds, with the 95 % interval of Student's t.
 *
 * @throws DataError with fewer than two runs, or a value that is not finite.
 */
export function meanOverSeeds(values: readonly number[]): Interval {
  const [where, what] = ['meanOverSeeds', 'values'];
  const wrong = values.find((value) => !Number.isFinite(value));
  if (wrong !== undefined) throw new DataError({ where, what, expected: 'finite numbers', got: String(wrong) });
  const count = values.length;
  if (count < 2) throw new DataError({ where, what, expected: 'at least 2 runs', got: String(count) });
  const mean = values.reduce((total, value) => total + value, 0) / count;
  const variance = values.reduce((total, value) => total + (value - mean) ** 2, 0) / (count - 1);
  const half = studentQuantile(count - 1) * Math.sqrt(variance / count);
  return { mean, low: mean - half, high: mean + half };
}

/** The t that 95 % of Student's distribution lies within, for a whole number of degrees of freedom; by bisection. */
function studentQuantile(freedom: number): number {
  let [low, high] = [0, Math.PI / 2];
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (studentShare(middle, freedom) < 0.95) low = middle;
    else high = middle;
  }
  return Math.tan(low) * Math.sqrt(freedom);
}

/**
 * The share of Student's distribution within -t … t, where t = tan(angle) * sqrt(freedom).
 *
 * @see Abramowitz and Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4
 */
function studentShare(angle: number, freedom: number): number {
  const cos2 = Math.cos(angle) ** 2;
  const odd = freedom % 2 === 1;
  let term = odd ? Math.cos(angle) : 1;
  let series = freedom === 1 ? 0 : term;
  for (let power = odd ? 3 : 2; power <= freedom - 2; power += 2) {
    term *= (cos2 * (power - 1)) / power;
    series += term;
  }
  return odd ? ((angle + Math.sin(angle) * series) * 2) / Math.PI : Math.sin(angle) * series;
}
