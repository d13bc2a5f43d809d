import { ConfigError, DataError } from '@align2speak/contracts';

/** Three values of a score that fix its reward: `worst` gives 0, `mean` (the base model's average) 0.5, `best` 1. */
export interface Anchors {
  readonly worst: number;
  readonly mean: number;
  readonly best: number;
}

/** `piecewiseLinear` refuses anchors by this; call it once where anchors are born, to fail before any work is done. */
function checkAnchors({ worst, mean, best }: Anchors): void {
  const rises = worst < mean && mean < best;
  const falls = worst > mean && mean > best;
  if (Number.isFinite(worst) && Number.isFinite(best) && (rises || falls)) return;
  throw new ConfigError({
    where: 'anchors',
    what: 'worst, mean, best',
    expected: 'finite numbers that rise or fall strictly',
    got: `${worst}, ${mean}, ${best}`,
    hint: 'measure the anchors on the base model, on samples that differ in this score',
  });
}

/**
 * The reward in [0, 1] of a score: straight lines through (worst, 0), (mean, 0.5) and (best, 1), flat beyond them.
 *
 * Serves scores of either direction: where `worst` > `best`, lower scores earn more. NaN, a failed score, stays NaN.
 * @throws ConfigError where the anchors are not finite, or neither rise nor fall strictly.
 * @see Align2Speak, arXiv 2509.21718, figure 2
 */
export function piecewiseLinear(value: number, anchors: Anchors): number {
  checkAnchors(anchors);
  const { worst, mean, best } = anchors;
  // A position is 0 at the mean and 1 at the anchor of its side, whichever way the score runs.
  const good = (value - mean) / (best - mean);
  const bad = (mean - value) / (mean - worst);
  return good >= 0 ? 0.5 + 0.5 * Math.min(good, 1) : 0.5 - 0.5 * Math.min(bad, 1);
}

/** Which way a score is better, and the anchors that are known before measuring, e.g. a CER's worst 1 and best 0. */
export interface AnchorOptions {
  readonly direction: 'higher' | 'lower';
  readonly worst?: number;
  readonly best?: number;
}

/**
 * Anchors measured from the base model's scores: their mean, and the extremes seen where none is given.
 *
 * Scores beyond a given anchor count as that anchor; failed scores (NaN, infinite) are left out.
 * @throws DataError without a finite score; ConfigError where the anchors that result do not rise or fall strictly.
 */
export function measureAnchors(values: ArrayLike<number>, options: AnchorOptions): Anchors {
  const finite = Array.from(values).filter(Number.isFinite);
  if (finite.length === 0) {
    throw new DataError({
      where: 'measureAnchors',
      what: 'values',
      expected: 'a finite score',
      got: `none among ${values.length}`,
    });
  }
  const sign = options.direction === 'higher' ? 1 : -1;
  const signed = finite.map((value) => sign * value);
  const worst = options.worst ?? sign * signed.reduce((a, b) => Math.min(a, b));
  const best = options.best ?? sign * signed.reduce((a, b) => Math.max(a, b));
  if (!(sign * worst < sign * best)) {
    throw new ConfigError({
      where: 'measureAnchors',
      what: 'worst and best',
      expected: `anchors for a score where ${options.direction} is better`,
      got: `${worst} and ${best}`,
    });
  }
  const [low, high] = worst < best ? [worst, best] : [best, worst];
  const sum = finite.reduce((total, value) => total + Math.min(Math.max(value, low), high), 0);
  const anchors = { worst, mean: sum / finite.length, best };
  checkAnchors(anchors);
  return anchors;
}
