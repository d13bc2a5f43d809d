/** How one reward behaved in a step, over the samples that have it (failed ones are left out). */
export interface RewardStats {
  readonly mean: number;
  /** Mean over groups of the standard deviation (population) inside the group. */
  readonly groupStd: number;
  /** Mean over groups of the group's highest reward. */
  readonly bestOfGroup: number;
  readonly failures: number;
}

/** Summarises rewards [P*G]; a group without any counts nowhere, and without any group the numbers are NaN. */
export function rewardStats(rewards: Float64Array, groupSize: number): RewardStats {
  const stds: number[] = [];
  const bests: number[] = [];
  const all = rewards.filter(Number.isFinite);
  for (let begin = 0; begin < rewards.length; begin += groupSize) {
    const group = rewards.subarray(begin, begin + groupSize).filter(Number.isFinite);
    if (group.length === 0) continue;
    const mean = meanOf(group);
    stds.push(Math.sqrt(meanOf(group.map((value) => (value - mean) ** 2))));
    bests.push(Math.max(...group));
  }
  return {
    mean: meanOf(all),
    groupStd: meanOf(stds),
    bestOfGroup: meanOf(bests),
    failures: rewards.length - all.length,
  };
}

function meanOf(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total / values.length;
}
