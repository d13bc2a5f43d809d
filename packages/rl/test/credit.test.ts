import { ConfigError, ShapeError } from '@align2speak/contracts';
import { type AdvantageInput, composeAdvantages } from '@align2speak/rl';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

/** One group of samples that say `values[i]` of the same parts, evenly placed. */
function inputOf(values: number[][], changes: Partial<AdvantageInput> = {}, share = 1): AdvantageInput {
  const parts = values.map((own) => ({
    values: Float64Array.from(own),
    places: Float64Array.from(own, (_, j) => (j + 0.5) / own.length),
  }));
  return {
    rewards: {
      cer: Float64Array.from(values, (own) => own.reduce((a, b) => a + b, 0)),
      ssim: new Float64Array(values.length),
    },
    weights: { cer: 0.5, ssim: 0.5 },
    groupSize: values.length,
    combine: 'standardise-each',
    credits: { cer: { share, parts } },
    frames: new Int32Array(values.length).fill(values[0]!.length),
    reach: { before: 0, after: 0 },
    ...changes,
  };
}

const rms = (rows: readonly Float64Array[]) => {
  const all = rows.flatMap((row) => [...row]);
  return Math.sqrt(all.reduce((sum, value) => sum + value * value, 0) / all.length);
};

describe('credit', () => {
  it('goes to the frames of the part that differed, in the direction in which it did', () => {
    const { advantages, frameAdvantages, valid } = composeAdvantages(
      inputOf([
        [0, 0, 1],
        [0, 0, 0],
        [0, 0, 0],
        [0, 0, 1],
      ]),
    );
    expect([...advantages]).toEqual([0, 0, 0, 0]);
    expect([...valid]).toEqual([1]);
    const [first, second] = frameAdvantages!;
    expect([...first!].slice(0, 2)).toEqual([0, 0]);
    expect(first![2]).toBeGreaterThan(0);
    expect(second![2]).toBe(-first![2]!);
    expect(rms(frameAdvantages!)).toBeCloseTo(0.5, 9);
  });

  it('reaches some frames before and after', () => {
    const input = inputOf([[0, 0, 0, 0, 1, 0, 0, 0], new Array(8).fill(0)], { reach: { before: 3, after: 1 } });
    const [first] = composeAdvantages(input).frameAdvantages!;
    expect([...first!].map(Math.sign)).toEqual([0, 1, 1, 1, 1, 1, 0, 0]);
  });

  it('keeps the rest of the weight with the whole sample', () => {
    const values = [
      [0, 1],
      [0, 0],
      [1, 1],
    ];
    const all = composeAdvantages(inputOf(values, {}, 0));
    const half = composeAdvantages(inputOf(values, {}, 0.5));
    for (const [i, value] of half.advantages.entries()) expect(value).toBeCloseTo(all.advantages[i]! / 2, 9);
    expect(rms(all.frameAdvantages!)).toBe(0);
    expect(rms(half.frameAdvantages!)).toBeCloseTo(0.25, 9);
  });

  it('centres every part over the samples that are kept', () => {
    const value = fc.integer({ min: 0, max: 2 });
    const group = fc.array(fc.array(value, { minLength: 6, maxLength: 6 }), { minLength: 2, maxLength: 5 });
    fc.assert(
      fc.property(group, fc.nat({ max: 1 }), (values, masked) => {
        const input = inputOf(values);
        input.rewards.cer![0] = masked ? Number.NaN : input.rewards.cer![0]!;
        const rows = composeAdvantages(input).frameAdvantages!;
        for (let t = 0; t < 6; t++) expect(rows.reduce((sum, row) => sum + row[t]!, 0)).toBeCloseTo(0, 9);
        if (masked) expect(rows[0]!.every((each) => each === 0)).toBe(true);
      }),
    );
  });

  it('is refused where it has no meaning', () => {
    const input = inputOf([[0], [1]]);
    expect(() => composeAdvantages({ ...input, combine: 'sum-then-centre' })).toThrow(ConfigError);
    expect(() => composeAdvantages({ ...input, frames: Int32Array.of(1) })).toThrow('frames');
    const parts = [input.credits!.cer!.parts[0], { values: new Float64Array(2), places: new Float64Array(2) }];
    expect(() => composeAdvantages({ ...input, credits: { cer: { share: 1, parts } } })).toThrow(ShapeError);
    expect(() => composeAdvantages({ ...input, credits: { wer: { share: 1, parts } } })).toThrow('credits.wer');
  });
});
