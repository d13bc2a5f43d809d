import { ConfigError } from '@align2speak/contracts';
import { normalCdf } from './normal.js';

/** One rollout that may become the chosen or the rejected half of a pair. */
export interface Candidate {
  /** Error rate, lower is better; NaN = not judged, so that the candidate is left out. */
  readonly cer: number;
  /** Speaker similarity, higher is better; NaN likewise. */
  readonly ssim: number;
  readonly durationSec: number;
}

/** Which pairs are made and kept. */
export interface PairOptions {
  /** How many of the best and as many of the worst of each group are combined, all with all; 1 by default. */
  readonly perGroup?: number;
  /** A chosen candidate's CER must be below this; 0.02 by default. */
  readonly cerThreshold?: number;
  /** Both durations must lie within, in seconds; [1.5, 19] by default. */
  readonly durationRangeSec?: readonly [number, number];
}

/** A preference: candidate `chosen` of the group over candidate `rejected`. */
export interface PreferencePair {
  /** Index among the groups given. */
  readonly group: number;
  /** Indices within the group. */
  readonly chosen: number;
  readonly rejected: number;
  /** CER of the rejected less that of the chosen, >= 0. */
  readonly cerGap: number;
  /** Similarity of the chosen less that of the rejected, >= 0. */
  readonly ssimGap: number;
  readonly chosenReward: 1;
  /** In [-1, 1]: lower, the wider the gaps are among those of all pairs. */
  readonly rejectedReward: number;
}

/** Pairs, and why there are not more. */
export interface PreferencePairs {
  readonly pairs: PreferencePair[];
  /** Candidates left out for want of a CER or a similarity. */
  readonly failedCandidates: number;
  /** Groups with fewer than 2 * perGroup candidates left. */
  readonly skippedGroups: number;
  /** Pairs refused by a gap, the CER threshold or a duration. */
  readonly droppedPairs: number;
}

type Gaps = Omit<PreferencePair, 'chosenReward' | 'rejectedReward'>;

/**
 * Pairs the best rollouts of each group with the worst, for offline preference optimisation.
 *
 * A group is ordered by Pareto front on (CER down, similarity up), then CER, similarity and index. A pair is kept where
 * the rejected is better in neither and worse in one of the two. The rejected reward is 1 - (Phi(zCer) + Phi(zSsim)),
 * with z the gap standardised over all kept pairs, and 0 where all gaps are equal.
 * @throws ConfigError where an option is out of range.
 * @see Koel-TTS, arXiv 2502.05236, section 3.2
 */
export function preferencePairs(groups: readonly (readonly Candidate[])[], options: PairOptions = {}): PreferencePairs {
  const { perGroup = 1, cerThreshold = 0.02, durationRangeSec = [1.5, 19] } = options;
  const [shortest, longest] = durationRangeSec;
  checkOptions(perGroup, cerThreshold, durationRangeSec);
  const gaps: Gaps[] = [];
  let [failedCandidates, skippedGroups, droppedPairs] = [0, 0, 0];
  const lastsWell = ({ durationSec }: Candidate) => durationSec >= shortest && durationSec <= longest;
  for (const [group, candidates] of groups.entries()) {
    const order = rank(candidates);
    failedCandidates += candidates.length - order.length;
    if (order.length < 2 * perGroup) {
      skippedGroups++;
      continue;
    }
    for (const chosen of order.slice(0, perGroup)) {
      for (const rejected of order.slice(-perGroup)) {
        const [good, bad] = [candidates[chosen]!, candidates[rejected]!];
        const keeps = good.cer < cerThreshold && dominates(good, bad) && lastsWell(good) && lastsWell(bad);
        if (keeps) gaps.push({ group, chosen, rejected, cerGap: bad.cer - good.cer, ssimGap: good.ssim - bad.ssim });
        else droppedPairs++;
      }
    }
  }
  return { pairs: withRewards(gaps), failedCandidates, skippedGroups, droppedPairs };
}

/**
 * Indices of the judged candidates, best first.
 *
 * A candidate's front is the length of the longest chain of candidates that dominate one another down to it, which is
 * the number of times the non-dominated would be peeled off before it. What dominates it stands before it in order of
 * CER, then similarity, so one pass finds all fronts; equal candidates share one.
 */
function rank(candidates: readonly Candidate[]): number[] {
  const fronts = new Map<number, number>();
  const better = (a: number, b: number) =>
    candidates[a]!.cer - candidates[b]!.cer || candidates[b]!.ssim - candidates[a]!.ssim || a - b;
  const judged = [...candidates.keys()].filter((i) => [candidates[i]!.cer, candidates[i]!.ssim].every(Number.isFinite));
  judged.sort(better);
  for (const i of judged) {
    let front = 0;
    for (const [j, above] of fronts) if (dominates(candidates[j]!, candidates[i]!)) front = Math.max(front, above + 1);
    fronts.set(i, front);
  }
  return judged.sort((a, b) => fronts.get(a)! - fronts.get(b)! || better(a, b));
}

/** Whether `a` is nowhere worse than `b` and somewhere better. */
function dominates(a: Candidate, b: Candidate): boolean {
  return a.cer <= b.cer && a.ssim >= b.ssim && (a.cer < b.cer || a.ssim > b.ssim);
}

function withRewards(gaps: Gaps[]): PreferencePair[] {
  const cer = standardise(gaps.map(({ cerGap }) => cerGap));
  const ssim = standardise(gaps.map(({ ssimGap }) => ssimGap));
  return gaps.map((gap, i) => ({
    ...gap,
    chosenReward: 1,
    rejectedReward: 1 - (normalCdf(cer[i]!) + normalCdf(ssim[i]!)),
  }));
}

/** Values less their mean, over their standard deviation (population); all 0 where only rounding tells them apart. */
function standardise(values: number[]): number[] {
  const mean = values.reduce((total, value) => total + value, 0) / values.length;
  const std = Math.sqrt(values.reduce((total, value) => total + (value - mean) ** 2, 0) / values.length);
  return values.map((value) => (std > 1e-12 ? (value - mean) / std : 0));
}

function checkOptions(perGroup: number, cerThreshold: number, [shortest, longest]: readonly [number, number]): void {
  const where = 'preferencePairs';
  if (!Number.isInteger(perGroup) || perGroup < 1)
    throw new ConfigError({ where, what: 'perGroup', expected: 'an integer of at least 1', got: String(perGroup) });
  if (!(cerThreshold > 0))
    throw new ConfigError({ where, what: 'cerThreshold', expected: 'a number above 0', got: String(cerThreshold) });
  if (!(shortest >= 0 && shortest <= longest)) {
    const got = `${shortest}, ${longest}`;
    throw new ConfigError({ where, what: 'durationRangeSec', expected: '0 <= shortest <= longest', got });
  }
}
