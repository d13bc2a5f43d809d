import { ConfigError } from '@align2speak/contracts';
import { type Candidate, preferencePairs } from '@align2speak/rl';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const nan = Number.NaN;
const of = (cer: number, ssim: number, durationSec = 3): Candidate => ({ cer, ssim, durationSec });
const keepAll = { cerThreshold: 10, durationRangeSec: [0, 100] } as const;

/** Few distinct values, so that ties and equal candidates are common. */
const groups = fc.array(
  fc.array(
    fc.record({
      cer: fc.constantFrom(0, 0.1, 0.2, 0.3, nan),
      ssim: fc.constantFrom(0, 0.3, 0.6),
      durationSec: fc.constantFrom(1, 2, 3),
    }),
    { maxLength: 8 },
  ),
  { maxLength: 5 },
);

const dominates = (a: Candidate, b: Candidate) =>
  a.cer <= b.cer && a.ssim >= b.ssim && (a.cer !== b.cer || a.ssim !== b.ssim);

/** Fronts peeled one by one, as the definition says. */
function peeled(candidates: Candidate[]): number[] {
  let rest = candidates.map((_, i) => i).filter((i) => !Number.isNaN(candidates[i]!.cer));
  const order: number[] = [];
  while (rest.length > 0) {
    const front = rest.filter((i) => !rest.some((j) => dominates(candidates[j]!, candidates[i]!)));
    const sorted = front.sort(
      (a, b) => candidates[a]!.cer - candidates[b]!.cer || candidates[b]!.ssim - candidates[a]!.ssim || a - b,
    );
    order.push(...sorted);
    rest = rest.filter((i) => !front.includes(i));
  }
  return order;
}

describe('preferencePairs', () => {
  it('makes the pairs that peeling fronts one by one makes', () => {
    fc.assert(
      fc.property(groups, fc.integer({ min: 1, max: 3 }), (given, perGroup) => {
        const expected: unknown[] = [];
        for (const [group, candidates] of given.entries()) {
          const order = peeled(candidates);
          if (order.length < 2 * perGroup) continue;
          for (const chosen of order.slice(0, perGroup))
            for (const rejected of order.slice(-perGroup)) {
              const [a, b] = [candidates[chosen]!, candidates[rejected]!];
              const worse = b.cer < a.cer || b.ssim > a.ssim || b.cer - a.cer + a.ssim - b.ssim <= 0;
              if (!worse && a.cer < 0.15 && a.durationSec >= 2 && b.durationSec >= 2)
                expected.push({ group, chosen, rejected });
            }
        }
        const { pairs } = preferencePairs(given, { perGroup, cerThreshold: 0.15, durationRangeSec: [2, 9] });
        expect(pairs.map(({ group, chosen, rejected }) => ({ group, chosen, rejected }))).toEqual(expected);
        for (const { rejectedReward } of pairs) expect(Math.abs(rejectedReward)).toBeLessThanOrEqual(1);
        expect(new Set(pairs).size).toBe(pairs.length);
      }),
    );
  });

  it('ends, without a pair, where all candidates are the same', () => {
    const result = preferencePairs([[of(0, 0.5), of(0, 0.5), of(0, 0.5)]], keepAll);
    expect(result).toEqual({ pairs: [], failedCandidates: 0, skippedGroups: 0, droppedPairs: 1 });
  });

  it('keeps the gaps of each pair where a group gives several', () => {
    const group = [of(0, 0.9), of(0.01, 0.8), of(0.5, 0.3), of(0.9, 0.1)];
    const { pairs } = preferencePairs([group], { perGroup: 2 });
    expect(pairs.map(({ chosen, rejected }) => [chosen, rejected])).toEqual([
      [0, 2],
      [0, 3],
      [1, 2],
      [1, 3],
    ]);
    for (const { chosen, rejected, cerGap, ssimGap } of pairs) {
      expect(cerGap).toBe(group[rejected]!.cer - group[chosen]!.cer);
      expect(ssimGap).toBe(group[chosen]!.ssim - group[rejected]!.ssim);
    }
  });

  it('rewards the rejected less, the wider its gaps are among all', () => {
    const pair = (gap: number) => [of(0, 0.9), of(gap, 0.9 - gap)];
    const { pairs } = preferencePairs([pair(0.1), pair(0.2), pair(0.3)]);
    const phi = 0.8896643; // P(Z < sqrt(1.5)): 0.1 is sqrt(1.5) standard deviations of these gaps
    expect(pairs[0]!.rejectedReward).toBeCloseTo(1 - 2 * (1 - phi), 5);
    expect(pairs[1]!.rejectedReward).toBeCloseTo(0, 6);
    expect(pairs[2]!.rejectedReward).toBeCloseTo(1 - 2 * phi, 5);
  });

  it('gives a reward of 0 to rejected candidates whose gaps are all the same', () => {
    const group = [of(0, 0.9), of(0.3, 0.9)];
    expect(preferencePairs([group, group, group]).pairs.map(({ rejectedReward }) => rejectedReward)).toEqual([0, 0, 0]);
    expect(preferencePairs([group]).pairs).toHaveLength(1);
  });

  it('counts what it leaves out', () => {
    const result = preferencePairs(
      [
        [of(0, 0.9), of(nan, 0.1)],
        [of(0.5, 0.9), of(0.9, 0.1)],
        [of(0, 0.9), of(0.9, 0.1, 30)],
        [of(0, 0.1), of(0.4, 0.9)],
        [of(0, 0.9), of(0.4, 0.9)],
      ],
      {},
    );
    expect(result).toMatchObject({ failedCandidates: 1, skippedGroups: 1, droppedPairs: 3 });
    expect(result.pairs).toMatchObject([{ group: 4, chosen: 0, rejected: 1, ssimGap: 0, chosenReward: 1 }]);
  });

  it.each([{ perGroup: 0 }, { perGroup: 1.5 }, { cerThreshold: 0 }, { durationRangeSec: [3, 2] as const }])(
    'refuses %o',
    (options) => {
      expect(() => preferencePairs([], options)).toThrow(ConfigError);
    },
  );
});
