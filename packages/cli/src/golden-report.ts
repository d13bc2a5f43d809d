/** One golden tensor beside ours. */
export interface Comparison {
  name: string;
  /** max |ours - golden| / max |golden|; the plain difference where the golden tensor is 0; codes: how many differ. */
  error: number;
  tolerance: number;
}

export interface GoldenReport {
  folder: string;
  comparisons: Comparison[];
  /** Tensors of the folder that nothing here computes or reads. */
  unknown: string[];
}

/** Largest difference relative to the largest golden value; infinite where the sizes differ or one side alone is not finite. */
export function relativeError(ours: ArrayLike<number>, golden: ArrayLike<number>): number {
  if (ours.length !== golden.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  let scale = 0;
  for (let i = 0; i < golden.length; i++) {
    const [a, b] = [ours[i]!, golden[i]!];
    if (Object.is(a, b)) continue;
    if (!Number.isFinite(a) || !Number.isFinite(b)) return Number.POSITIVE_INFINITY;
    difference = Math.max(difference, Math.abs(a - b));
  }
  for (let i = 0; i < golden.length; i++) scale = Math.max(scale, Math.abs(golden[i]!));
  return difference / (scale || 1);
}

/** Prints the table and the verdict. @returns whether every tensor is known and within its tolerance. */
export function printReport({ folder, comparisons, unknown }: GoldenReport): boolean {
  const failed = comparisons.filter(({ error, tolerance }) => !(error <= tolerance));
  const width = Math.max(...comparisons.map(({ name }) => name.length), 6);
  console.log(`${'tensor'.padEnd(width)}  error     tolerance`);
  for (const comparison of comparisons) {
    const { name, error, tolerance } = comparison;
    const verdict = failed.includes(comparison) ? '  FAILED' : '';
    console.log(`${name.padEnd(width)}  ${error.toExponential(1).padEnd(8)}  ${tolerance.toExponential(0)}${verdict}`);
  }
  for (const name of unknown) console.log(`${name.padEnd(width)}  unknown tensor  FAILED`);
  const passed = comparisons.length - failed.length;
  const worst = Math.max(...comparisons.map(({ error }) => error));
  console.log(
    `${folder}: ${passed} of ${comparisons.length} tensors agree, ${unknown.length} unknown; largest error ${worst.toExponential(1)}`,
  );
  return comparisons.length > 0 && failed.length === 0 && unknown.length === 0;
}
