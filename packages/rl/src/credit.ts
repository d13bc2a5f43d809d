/** What a sample earned part by part; samples of one group have the same parts. */
export interface PartValues {
  /** Of each part, higher is better. */
  readonly values: Float64Array;
  /** Where each part is: 0 the sample's beginning, 1 its end. */
  readonly places: Float64Array;
}

/** A reward whose advantages go to the frames that earned them. */
export interface Credit {
  /** Of the reward's weight, in [0, 1]; the rest is earned by the whole sample. */
  readonly share: number;
  /** [P*G]; undefined where nothing is known of a sample. */
  readonly parts: readonly (PartValues | undefined)[];
}

/** Frames before and after a part's place that had a hand in it. */
export interface Reach {
  readonly before: number;
  readonly after: number;
}

/**
 * Advantages of the frames of one group's samples: each part's value, less its mean over the group, goes to the frames around
 * its place; their sum is divided by its root mean square over the group's frames.
 *
 * The text is the same for all samples of a group, so each part of it has a baseline of its own: a sample is told which
 * sounds it said better than its siblings, not only that it did better in all. What happens far from a frame is noise to it, and is left out.
 * @param frames of each sample
 * @param kept 0: the sample has no say, and gets zeros
 * @param floor least root mean square that is divided by
 */
export function creditFrames(
  parts: readonly (PartValues | undefined)[],
  { frames, kept, reach, floor }: { frames: Int32Array; kept: Uint8Array; reach: Reach; floor: number },
): Float64Array[] {
  const rows = Array.from(frames, (count) => new Float64Array(count));
  const known = parts.map((each, i) => (kept[i] ? each : undefined));
  const count = known.filter((each) => each).length;
  const length = known.find((each) => each)?.values.length ?? 0;
  for (let part = 0; part < length; part++) {
    const mean = known.reduce((sum, each) => sum + (each ? each.values[part]! : 0), 0) / count;
    for (const [i, each] of known.entries()) {
      if (!each) continue;
      const row = rows[i]!;
      const at = Math.min(row.length - 1, Math.floor(each.places[part]! * row.length));
      const last = Math.min(row.length - 1, at + reach.after);
      for (let t = Math.max(0, at - reach.before); t <= last; t++) row[t]! += each.values[part]! - mean;
    }
  }
  const counted = rows.filter((_, i) => known[i]);
  const total = counted.reduce((sum, row) => sum + row.length, 0);
  const square = counted.reduce((sum, row) => sum + row.reduce((a, value) => a + value * value, 0), 0);
  const scale = Math.max(Math.sqrt(square / Math.max(1, total)), floor);
  for (const row of rows) for (let t = 0; t < row.length; t++) row[t]! /= scale;
  return rows;
}
