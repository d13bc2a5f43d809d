import { measurePace, paceReward } from '@align2speak/rewards';
import { describe, expect, it } from 'vitest';

const speech = (ipa: string, durationSec: number) => ({ ipa, durationSec });

describe('measurePace', () => {
  it('finds the line that recordings lie on; stress and spaces are no segments', () => {
    const on = (ipa: string, segments: number) => speech(ipa, 0.3 + 0.08 * segments);
    const pace = measurePace([on('ˈa', 1), on('ba na', 4), on('taˈtata', 6), on('o', 1)]);
    expect(pace.fixed).toBeCloseTo(0.3, 10);
    expect(pace.perSegment).toBeCloseTo(0.08, 10);
  });

  it('is the least squared error otherwise', () => {
    const recordings = [speech('a', 1), speech('ab', 1.5), speech('aba', 1.4), speech('abab', 2.2)];
    const error = ({ fixed, perSegment }: { fixed: number; perSegment: number }) =>
      recordings.reduce((sum, { ipa, durationSec }) => sum + (fixed + perSegment * ipa.length - durationSec) ** 2, 0);
    const pace = measurePace(recordings);
    for (const [a, b] of [
      [0.01, 0],
      [-0.01, 0],
      [0, 0.01],
      [0, -0.01],
    ] as const)
      expect(error({ fixed: pace.fixed + a, perSegment: pace.perSegment + b })).toBeGreaterThan(error(pace));
  });

  it.each([
    ['one recording', [speech('abab', 2)], 0.5],
    ['recordings of one length', [speech('abab', 2), speech('baba', 4)], 0.75],
    ['recordings that last less the longer they are', [speech('ab', 3), speech('abab', 1)], 2 / 3],
  ])('is a plain ratio for %s', (_, recordings, perSegment) => {
    expect(measurePace(recordings)).toEqual({ fixed: 0, perSegment });
  });
});

describe('paceReward', () => {
  const reward = paceReward({ fixed: 0.5, perSegment: 0.25 });
  const score = async (ipa: string, seconds: number) => {
    const wavs = [new Float32Array(seconds * 1000)];
    return ((await reward.score({ wavs, sampleRate: 1000, references: [{ ipa } as never] })) as Float64Array)[0]!;
  };

  it('counts doublings and halvings of the expected length alike, up to eight times', async () => {
    expect(await score('abab', 1.5)).toBe(0);
    expect(await score('abab', 3)).toBe(1);
    expect(await score('abab', 0.75)).toBe(1);
    expect(await score('abab', 100)).toBe(3);
    expect(await score('abab', 0)).toBe(3);
  });

  it('fails where no length can be expected', async () => {
    const plain = paceReward({ fixed: 0, perSegment: 0.25 });
    const wavs = [new Float32Array(100)];
    expect(await plain.score({ wavs, sampleRate: 1000, references: [{ ipa: ' ' } as never] })).toEqual(
      Float64Array.of(NaN),
    );
  });
});
