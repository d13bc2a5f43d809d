/** A range of values and the round numbers to mark in it. */
export interface Axis {
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly number[];
}

/**
 * An axis over some values that ends at round numbers.
 *
 * @param include values the axis has to reach, e.g. 0
 */
export function axisOver(
  values: readonly number[],
  { include = [], count = 4 }: { include?: number[]; count?: number } = {},
): Axis {
  const all = [...values, ...include].filter(Number.isFinite);
  let [low, high] = [Infinity, -Infinity];
  for (const value of all) [low, high] = [Math.min(low, value), Math.max(high, value)];
  if (all.length === 0) [low, high] = [0, 1];
  // What differs only by rounding is one value, with room around it.
  const size = Math.max(Math.abs(low), Math.abs(high));
  if (high - low <= 1e-9 * size || size < 1e-30) {
    const half = size < 1e-30 ? 1 : size / 2;
    [low, high] = [low - half, high + half];
  }
  const step = roundStep((high - low) / count);
  const [first, last] = [Math.floor(low / step + 1e-9), Math.ceil(high / step - 1e-9)];
  const ticks = Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
  return { low: ticks[0]!, high: ticks.at(-1)!, ticks };
}

/** The next of 1, 2, 5 times a power of ten. */
function roundStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5].find((factor) => factor * power >= least * 0.999) ?? 10);
}

/** Where a value stands on an axis, 0 at its low end and 1 at its high end. */
export function place(axis: Axis, value: number): number {
  return (value - axis.low) / (axis.high - axis.low);
}
