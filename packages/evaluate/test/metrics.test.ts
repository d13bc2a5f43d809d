import { ConfigError, DataError, randomAt, randomIndex } from '@align2speak/contracts';
import { comparePaired, type ItemScore, summarise } from '@align2speak/evaluate';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const nan = Number.NaN;

function item(prompt: string, seed: number, more: Partial<ItemScore> = {}): ItemScore {
  return { lang: 'pt', voice: 'v1', prompt, seed, cerErrors: 1, cerLength: 10, frames: 20, truncated: false, ...more };
}

/** Texts of 5 to 20 segments, some hard and most easy, each spoken by every seed; the expected CER is 1/6. */
function simulated(key: number, numPrompts = 40, numSeeds = 3): ItemScore[] {
  return Array.from({ length: numPrompts }, (_, p) => {
    const difficulty = randomAt(key, p, 0) ** 2 / 2;
    const cerLength = 5 + randomIndex(16, key, p, 1);
    return Array.from({ length: numSeeds }, (_, seed) => {
      const cerErrors = Array.from({ length: cerLength }, (_, i) => randomAt(key, p, 2 + seed, i)).filter(
        (draw) => draw < difficulty,
      ).length;
      return item(`text ${p}`, seed, { cerErrors, cerLength });
    });
  }).flat();
}

describe('summarise', () => {
  const items = [
    item('a', 0, { cerErrors: 1, ssim: 0.5, heldOutErrors: 2, referenceFrames: 10 }),
    item('a', 1, { cerErrors: 30, ssim: nan, heldOutErrors: nan, truncated: true, frames: 90, referenceFrames: 10 }),
    item('b', 0, { cerErrors: 0, cerLength: 30, ssim: 0.7, heldOutErrors: 6, frames: 33, referenceFrames: 30 }),
    item('b', 1, { cerErrors: nan, ssim: 0.9, heldOutErrors: 0 }),
  ];

  it('takes each measure over the items that have it, and counts those whose judge failed', () => {
    const summary = summarise(items);
    expect(summary).toMatchObject({ items: 4, prompts: 2, seeds: 2 });
    expect(summary.cer.mean).toBeCloseTo((0.1 + 3 + 0) / 3, 12);
    expect(summary.cerCumulative.mean).toBeCloseTo(31 / 50, 12);
    expect(summary.cerTrimmed!.mean).toBeCloseTo(0.05, 12);
    expect(summary.cerHeldOut!.mean).toBeCloseTo((0.2 + 0.2 + 0) / 3, 12);
    expect(summary.cerHeldOutCumulative!.mean).toBeCloseTo(8 / 50, 12);
    expect(summary.ssim!.mean).toBeCloseTo(0.7, 12);
    expect(summary.runawayRate.mean).toBe(0.25);
    expect(summary.lengthRatio!.mean).toBeCloseTo(53 / 40, 12);
    expect(summary.quality).toBeUndefined();
    expect(summary.ssimHeldOut).toBeUndefined();
    expect(summary.failures).toEqual({ cer: 1, cerHeldOut: 1, ssim: 1, ssimHeldOut: 0, quality: 0 });
  });

  it('gives the same bits for the same items in any order, and others for another seed', () => {
    const given = simulated(1);
    const summary = summarise(given, { resamples: 200 });
    fc.assert(
      fc.property(fc.shuffledSubarray(given, { minLength: given.length }), (shuffled) => {
        expect(summarise(shuffled, { resamples: 200 })).toEqual(summary);
      }),
      { numRuns: 10 },
    );
    expect(summarise(given, { resamples: 200, seed: 1 }).cer.low).not.toBe(summary.cer.low);
  });

  it('has intervals that hold the truth in about 95 of 100 experiments', () => {
    const hits = { cer: 0, cerCumulative: 0 };
    const experiments = 200;
    for (let key = 0; key < experiments; key++) {
      const summary = summarise(simulated(key), { resamples: 500 });
      for (const name of ['cer', 'cerCumulative'] as const)
        if (summary[name].low <= 1 / 6 && summary[name].high >= 1 / 6) hits[name]++;
    }
    for (const count of Object.values(hits)) {
      expect(count / experiments).toBeGreaterThan(0.9);
      expect(count / experiments).toBeLessThan(0.99);
    }
  });

  it('has intervals that more seeds of the same texts hardly narrow', () => {
    const width = (numSeeds: number) => {
      // Without luck of the sampler, a text is as hard at every seed.
      const same = simulated(7, 40, 1).flatMap((one) =>
        Array.from({ length: numSeeds }, (_, seed) => ({ ...one, seed })),
      );
      const { low, high } = summarise(same).cer;
      return high - low;
    };
    expect(width(10)).toBeCloseTo(width(1), 12);
  });

  it('takes equal text names of two languages for two texts', () => {
    const both = [item('a', 0), item('a', 0, { lang: 'pl', cerErrors: 3 })];
    expect(summarise(both)).toMatchObject({ prompts: 2, cer: { low: 0.1, high: 0.3 } });
  });

  it.each([
    ['an item that is there twice', [item('a', 0), item('a', 0), item('b', 0)], /there once, got it twice/],
    ['an empty reference', [item('a', 0, { cerLength: 0 }), item('b', 0)], /cerLength: expected a reference/],
    ['one text alone', [item('a', 0), item('a', 1)], /prompts: expected at least 2, got 1/],
    ['no items', [], /got none among 0 items/],
    [
      'a recogniser that always failed',
      [item('a', 0, { cerErrors: nan }), item('b', 0, { cerErrors: nan })],
      /got none/,
    ],
  ])('refuses %s', (_, given, message) => {
    expect(() => summarise(given)).toThrow(DataError);
    expect(() => summarise(given)).toThrow(message);
  });

  it('refuses too few resamples', () => {
    expect(() => summarise(items, { resamples: 20 })).toThrow(ConfigError);
  });
});

describe('comparePaired', () => {
  it('sees no difference between a system and itself', () => {
    const given = simulated(3);
    const { difference, ratio } = comparePaired(given, given);
    expect(difference).toEqual({ mean: 0, low: 0, high: 0 });
    expect(ratio).toEqual({ mean: 1, low: 1, high: 1 });
  });

  it('sees a difference that is the same on every text, however much texts differ', () => {
    const a = simulated(3).map((one) => ({ ...one, ssim: one.cerErrors / one.cerLength }));
    const b = a.map((one) => ({ ...one, ssim: one.ssim + 0.01 }));
    const { difference, metric, prompts, unpaired } = comparePaired(a, b, { metric: 'ssim' });
    expect({ metric, prompts, unpaired }).toEqual({ metric: 'ssim', prompts: 40, unpaired: 0 });
    for (const value of Object.values(difference)) expect(value).toBeCloseTo(-0.01, 12);
  });

  it('says how many times lower the first is', () => {
    const a = [item('x', 0), item('y', 0)];
    const b = [item('x', 0, { cerErrors: 4 }), item('y', 5, { cerErrors: 4 })];
    const { ratio } = comparePaired(a, b);
    for (const value of Object.values(ratio)) expect(value).toBeCloseTo(4, 12);
  });

  it('has intervals that hold a true difference in about 95 of 100 experiments', () => {
    let hits = 0;
    const experiments = 200;
    for (let key = 0; key < experiments; key++) {
      const a = simulated(key);
      // Every second error of `a`, on average, is none of `b`.
      const b = a.map((one, i) => ({
        ...one,
        cerErrors: Array.from({ length: one.cerErrors }, (_, e) => randomAt(key, i, e, 99)).filter((x) => x < 0.5)
          .length,
      }));
      const { low, high } = comparePaired(a, b, { resamples: 500 }).difference;
      if (low <= 1 / 12 && high >= 1 / 12) hits++;
    }
    expect(hits / experiments).toBeGreaterThan(0.9);
    expect(hits / experiments).toBeLessThan(0.99);
  });

  it('leaves out, and counts, what only one of the two has', () => {
    const a = [item('x', 0), item('y', 0), item('z', 0, { cerErrors: 9 }), item('x', 0, { voice: 'v2', cerErrors: 9 })];
    const b = [item('x', 0), item('y', 0), item('w', 0)];
    expect(comparePaired(a, b)).toMatchObject({ difference: { mean: 0 }, prompts: 2, unpaired: 3 });
    expect(() => comparePaired(a.slice(2), b)).toThrow('comparePaired: a: expected cer of a text and voice that both');
    expect(() => comparePaired(a, b, { metric: 'ssim' })).toThrow(DataError);
  });
});
