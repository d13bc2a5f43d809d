import { ConfigError, ShapeError } from '@align2speak/contracts';
import { type AdvantageInput, composeAdvantages } from '@align2speak/rl';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const nan = Number.NaN;
const combines = ['sum-then-centre', 'standardise-each'] as const;

/** Two rewards of P groups, some samples failed, some of the wrong length. */
const inputs: fc.Arbitrary<AdvantageInput> = fc
  .record({ numGroups: fc.integer({ min: 1, max: 4 }), groupSize: fc.integer({ min: 2, max: 6 }) })
  .chain(({ numGroups, groupSize }) => {
    const length = { minLength: numGroups * groupSize, maxLength: numGroups * groupSize };
    const reward = fc
      .array(fc.oneof({ weight: 9, arbitrary: fc.integer({ min: 0, max: 100 }) }, fc.constant(nan)), length)
      .map((values) => Float64Array.from(values, (value) => value / 100));
    const policy = fc.constantFrom('mask' as const, 'group-minimum' as const);
    return fc.record({
      rewards: fc.record({ cer: reward, ssim: reward }),
      weights: fc.constantFrom({ cer: 0.7, ssim: 0.3 }, { cer: 1, ssim: 0 }),
      groupSize: fc.constant(groupSize),
      combine: fc.constantFrom(...combines),
      stdFloor: fc.constantFrom(1e-3, 0.05),
      onFailure: policy,
      onLengthFailure: policy,
      lengthFailures: fc.array(fc.constantFrom(0, 0, 0, 1), length).map((values) => Uint8Array.from(values)),
    });
  });

function close(a: ArrayLike<number>, b: ArrayLike<number>): void {
  expect(a.length).toBe(b.length);
  for (let i = 0; i < a.length; i++) expect(a[i]).toBeCloseTo(b[i]!, 9);
}

function mapRewards(input: AdvantageInput, map: (value: number, name: string, i: number) => number): AdvantageInput {
  const rewards = Object.fromEntries(
    Object.entries(input.rewards).map(([name, values]) => [name, values.map((value, i) => map(value, name, i))]),
  );
  return { ...input, rewards };
}

describe('composeAdvantages', () => {
  it('centres the weighted sum', () => {
    const { advantages, valid } = composeAdvantages({
      rewards: { cer: Float64Array.of(1, 0, 0.5, 0.5), ssim: Float64Array.of(0, 1, 0.5, 0.5) },
      weights: { cer: 0.75, ssim: 0.25 },
      groupSize: 2,
      combine: 'sum-then-centre',
    });
    close(advantages, [0.25, -0.25, 0, 0]);
    expect([...valid]).toEqual([1, 0]);
  });

  it('divides the centred sum by its standard deviation, or by the floor where that is more', () => {
    const input = {
      rewards: { r: Float64Array.of(0, 1, 0.5, 0.52) },
      weights: { r: 1 },
      groupSize: 2,
      combine: 'sum-then-centre',
      stdFloor: 0.1,
    } as const;
    close(composeAdvantages(input).advantages, [-1, 1, -0.1, 0.1]);
  });

  it('gives each standardised reward its weight, however widely it varies', () => {
    const { advantages } = composeAdvantages({
      rewards: { narrow: Float64Array.of(0.5, 0.52), wide: Float64Array.of(100, -100) },
      weights: { narrow: 0.6, wide: 0.4 },
      groupSize: 2,
      combine: 'standardise-each',
    });
    close(advantages, [-0.2, 0.2]);
  });

  it('sums to zero over the kept samples of each group, and is 0 for all others', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const { advantages, kept, valid, stats } = composeAdvantages(input);
        for (const [group, isValid] of valid.entries()) {
          const at = group * input.groupSize;
          const within = advantages.subarray(at, at + input.groupSize);
          expect(within.reduce((a, b) => a + b, 0)).toBeCloseTo(0, 9);
          expect(within.some((value) => value !== 0)).toBe(isValid === 1);
        }
        for (const [i, keep] of kept.entries()) if (!keep) expect(advantages[i]).toBe(0);
        expect(advantages.every(Number.isFinite)).toBe(true);
        expect(stats.validShare + stats.zeroVarianceShare + stats.filteredShare).toBeCloseTo(1, 12);
      }),
    );
  });

  it('does not see a constant added to a reward', () => {
    fc.assert(
      fc.property(inputs, fc.integer({ min: -5, max: 5 }), (input, shift) => {
        const shifted = mapRewards(input, (value, name) => (name === 'cer' ? value + shift : value));
        close(composeAdvantages(shifted).advantages, composeAdvantages(input).advantages);
      }),
    );
  });

  it('does not depend on the order of a group', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const mirror = (i: number) => i - (i % input.groupSize) + (input.groupSize - 1 - (i % input.groupSize));
        const mirrored = mapRewards(input, (_, name, i) => input.rewards[name]![mirror(i)]!);
        const lengthFailures = input.lengthFailures!.map((_, i) => input.lengthFailures![mirror(i)]!);
        const straight = composeAdvantages(input);
        const turned = composeAdvantages({ ...mirrored, lengthFailures });
        close(
          turned.advantages,
          straight.advantages.map((_, i) => straight.advantages[mirror(i)]!),
        );
        expect([...turned.valid]).toEqual([...straight.valid]);
      }),
    );
  });

  it('does not let one group touch another', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const last = input.lengthFailures!.length - input.groupSize;
        const alone = composeAdvantages({
          ...input,
          rewards: Object.fromEntries(
            Object.entries(input.rewards).map(([name, values]) => [name, values.slice(last)]),
          ),
          lengthFailures: input.lengthFailures!.slice(last),
        });
        expect([...alone.advantages]).toEqual([...composeAdvantages(input).advantages.subarray(last)]);
      }),
    );
  });

  it('never ranks a failed sample of a group above another', () => {
    fc.assert(
      fc.property(inputs, (input) => {
        const lowered = { ...input, onFailure: 'group-minimum', onLengthFailure: 'group-minimum' } as const;
        const { advantages, stats } = composeAdvantages(lowered);
        const failed = advantages.map((_, i) =>
          Number(input.lengthFailures![i] === 1 || Number.isNaN(input.rewards.cer![i])),
        );
        for (const [i, value] of advantages.entries()) {
          const at = i - (i % input.groupSize);
          const least = Math.min(...advantages.subarray(at, at + input.groupSize));
          if (failed[i]) expect(value).toBeCloseTo(least, 9);
        }
        expect(stats.lengthFailures).toBe(input.lengthFailures!.reduce((a, b) => a + b, 0));
      }),
    );
  });

  const group = {
    rewards: { cer: Float64Array.of(0.9, 0.5, 0.4, nan), ssim: Float64Array.of(0.2, 0.4, 0.3, 0.9) },
    weights: { cer: 0.5, ssim: 0.5 },
    groupSize: 4,
    combine: 'sum-then-centre',
  } as const;

  it('masks a failed sample, or gives it the minimum of each reward', () => {
    const masked = composeAdvantages(group);
    expect([...masked.kept]).toEqual([1, 1, 1, 0]);
    close(masked.advantages, [0.1, 0, -0.1, 0]);
    expect(masked.stats).toMatchObject({ rewardFailures: 1, lengthFailures: 0, maskedShare: 0.25 });
    const lowered = composeAdvantages({ ...group, onFailure: 'group-minimum' });
    expect([...lowered.kept]).toEqual([1, 1, 1, 1]);
    const sums = [0.55, 0.45, 0.35, 0.3];
    close(
      lowered.advantages,
      sums.map((value) => value - 1.65 / 4),
    );
  });

  it('lets the length policy decide over samples that failed in both ways', () => {
    const lengthFailures = Uint8Array.of(1, 0, 0, 1);
    const { kept, advantages, stats } = composeAdvantages({ ...group, lengthFailures });
    expect([...kept]).toEqual([1, 1, 1, 1]);
    expect(advantages[0]).toBe(advantages[3]);
    expect(stats).toMatchObject({ rewardFailures: 0, lengthFailures: 2 });
    const masked = composeAdvantages({ ...group, lengthFailures, onLengthFailure: 'mask' });
    expect([...masked.kept]).toEqual([0, 1, 1, 0]);
  });

  it('takes minima from samples that are kept', () => {
    const rewards = { cer: Float64Array.of(nan, 0.5, 0.4, 0.8), ssim: Float64Array.of(0.1, 0.4, 0.3, 0.9) };
    const lengthFailures = Uint8Array.of(0, 0, 0, 1);
    const { advantages } = composeAdvantages({ ...group, rewards, lengthFailures });
    const mean = (0.45 + 0.35 + 0.35) / 3;
    close(advantages, [0, 0.45 - mean, 0.35 - mean, 0.35 - mean]);
  });

  it('masks a group in which a reward failed throughout, whatever the policy', () => {
    const rewards = { cer: Float64Array.of(nan, nan, 0, 1), ssim: Float64Array.of(0, 1, 0, 1) };
    const result = composeAdvantages({ ...group, groupSize: 2, rewards, onFailure: 'group-minimum' });
    expect([...result.kept]).toEqual([0, 0, 1, 1]);
    expect([...result.valid]).toEqual([0, 1]);
    expect(result.stats).toMatchObject({ validShare: 0.5, zeroVarianceShare: 0.5, rewardFailures: 2 });
  });

  it.each(combines)('skips a group whose rewards differ by rounding alone: %s', (combine) => {
    const r = Float64Array.of(0.1 + 0.2, 0.3, 0.3, 0.1 + 0.2);
    const { valid, advantages } = composeAdvantages({ rewards: { r }, weights: { r: 1 }, groupSize: 4, combine });
    expect([...valid, ...advantages]).toEqual([0, 0, 0, 0, 0]);
  });

  it('skips groups without a good or with too bad a sample, as told', () => {
    const r = Float64Array.of(0, 1, 0, 1, 0, 1);
    const cer = Float64Array.of(0.5, 0.6, 0.1, 0.9, 0.1, 0.2);
    const input = { rewards: { r }, weights: { r: 1 }, groupSize: 2, combine: 'sum-then-centre' } as const;
    expect([...composeAdvantages({ ...input, cerFilter: { cer, best: 0.4, worst: 1 } }).valid]).toEqual([0, 1, 1]);
    const { valid, stats } = composeAdvantages({ ...input, cerFilter: { cer, best: 0.4, worst: 0.8 } });
    expect([...valid]).toEqual([0, 0, 1]);
    expect(stats).toMatchObject({ filteredShare: 2 / 3, zeroVarianceShare: 0 });
  });

  it('reports each reward as the judges gave it, those of weight 0 too', () => {
    const rewards = { a: Float64Array.of(0, 1, nan, 4), watched: Float64Array.of(1, 1, 1, 3) };
    const { stats } = composeAdvantages({ ...group, rewards, weights: { a: 1, watched: 0 }, groupSize: 2 });
    expect(stats.rewards.a).toEqual({ mean: 5 / 3, groupStd: 0.25, bestOfGroup: 2.5, failures: 1 });
    expect(stats.rewards.watched).toEqual({ mean: 1.5, groupStd: 0.5, bestOfGroup: 2, failures: 0 });
    expect(stats.total).toEqual(stats.rewards.a);
  });

  it.each([
    ['a weight without a reward', { weights: { cer: 1, ssim: 1, pesq: 1 } }, ConfigError],
    ['a reward without a weight', { weights: { cer: 1 } }, ConfigError],
    ['a negative weight', { weights: { cer: 1, ssim: -1 } }, ConfigError],
    ['weights that are all 0', { weights: { cer: 0, ssim: 0 } }, ConfigError],
    ['a group of one', { groupSize: 1 }, ConfigError],
    ['groups that do not fill up', { groupSize: 3 }, ShapeError],
    ['a floor of 0', { stdFloor: 0 }, ConfigError],
    ['a policy without effect', { onLengthFailure: 'mask' }, ConfigError],
    ['too few flags', { lengthFailures: new Uint8Array(3) }, ShapeError],
  ] as const)('refuses %s', (_, change, error) => {
    expect(() => composeAdvantages({ ...group, ...change })).toThrow(error);
  });
});
