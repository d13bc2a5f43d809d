import { BatchSampler, type BatchSettings, CounterRandom, mixWeights } from '@align2speak/data';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const lengths = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 200 });
const seed = fc.integer();
const settingsOf = (batch: number, frames: boolean, seed: number): BatchSettings =>
  frames ? { batchFrames: 60 + batch, seed } : { batchSize: 1 + (batch % 16), seed };
const settings = fc.tuple(fc.nat(300), fc.boolean(), seed).map((args) => settingsOf(...args));

/** The batches of the sampler's present epoch. */
function epochOf(sampler: BatchSampler): number[][] {
  const batches = [sampler.next()];
  const { epoch } = sampler.state();
  for (;;) {
    const before = sampler.state();
    const batch = sampler.next();
    if (sampler.state().epoch !== epoch) {
      sampler.restore(before);
      return batches;
    }
    batches.push(batch);
  }
}

describe('CounterRandom', () => {
  it('is uniform, and independent between keys', () => {
    const counts = new Array(10).fill(0);
    let product = 0;
    const [a, b] = [new CounterRandom(1, 'a'), new CounterRandom(1, 'b')];
    for (let i = 0; i < 100_000; i++) {
      const value = a.next();
      counts[Math.floor(10 * value)]++;
      product += (value - 0.5) * (b.next() - 0.5);
    }
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
    expect(Math.abs(product / 100_000)).toBeLessThan(0.002);
  });
  it('puts every element anywhere', () => {
    const first = new Map<number, number>();
    for (let i = 0; i < 6000; i++) {
      const [head] = new CounterRandom('s', i).shuffled([0, 1, 2, 3, 4, 5]);
      first.set(head!, (first.get(head!) ?? 0) + 1);
    }
    for (const count of first.values()) expect(Math.abs(count - 1000)).toBeLessThan(150);
  });
  it('says the same on every machine', () => {
    const random = new CounterRandom(7, 'golden');
    expect([random.next(), random.next()]).toEqual([0.12786364889252466, 0.2288324585200614]);
  });
});

describe('an epoch', () => {
  it('has every utterance once, in batches within the limits', () => {
    fc.assert(
      fc.property(lengths, settings, (lengths, settings) => {
        const sampler = new BatchSampler(lengths, settings);
        for (let epoch = 0; epoch < 2; epoch++) {
          const batches = epochOf(sampler);
          expect(batches.flat().sort((a, b) => a - b)).toEqual([...lengths.keys()]);
          for (const batch of batches) {
            const longest = Math.max(...batch.map((i) => lengths[i]!));
            if (settings.batchFrames !== undefined)
              expect(batch.length * longest).toBeLessThanOrEqual(settings.batchFrames);
            else expect(batch.length).toBeLessThanOrEqual(settings.batchSize);
          }
        }
      }),
    );
  });
  it('has every utterance as often as its weight says', () => {
    const weights = fc.array(fc.double({ min: 0, max: 6, noNaN: true }), { minLength: 1, maxLength: 50 });
    fc.assert(
      fc.property(weights, seed, (weights, seed) => {
        fc.pre(weights.reduce((sum, weight) => sum + weight, 0) >= 1);
        const sampler = new BatchSampler(
          weights.map((_, i) => 1 + i),
          { batchSize: 4, seed, weights },
        );
        const drawn = epochOf(sampler).flat();
        for (const [i, weight] of weights.entries()) {
          const times = drawn.filter((each) => each === i).length;
          expect(times).toBeGreaterThanOrEqual(Math.floor(weight));
          expect(times).toBeLessThanOrEqual(Math.ceil(weight));
        }
      }),
    );
  });
  it('differs from the next, and from that of another seed', () => {
    const lengths = Array.from({ length: 100 }, (_, i) => 1 + (i % 7));
    const sampler = new BatchSampler(lengths, { batchSize: 8, seed: 1 });
    const [first, second] = [epochOf(sampler), epochOf(sampler)];
    expect(first).not.toEqual(second);
    expect(epochOf(new BatchSampler(lengths, { batchSize: 8, seed: 2 }))).not.toEqual(first);
  });
  it('wastes little on padding, and does not begin with the shortest', () => {
    const random = new CounterRandom(3);
    const lengths = Array.from({ length: 2000 }, () => 20 + random.below(60));
    const batches = epochOf(new BatchSampler(lengths, { batchSize: 16, seed: 1 }));
    const padded = batches.reduce((sum, batch) => sum + batch.length * Math.max(...batch.map((i) => lengths[i]!)), 0);
    expect(padded / lengths.reduce((sum, length) => sum + length, 0)).toBeLessThan(1.06);
    const means = batches.map((batch) => batch.reduce((sum, i) => sum + lengths[i]!, 0) / batch.length);
    const early = means.slice(0, means.length / 2).reduce((sum, mean) => sum + mean, 0) / (means.length / 2);
    expect(Math.abs(early - 49.5)).toBeLessThan(5);
  });
});

describe('resuming', () => {
  it('continues as if nothing had happened, from anywhere', () => {
    fc.assert(
      fc.property(lengths, settings, fc.nat(40), fc.nat(40), (lengths, settings, before, after) => {
        const whole = new BatchSampler(lengths, settings);
        for (let i = 0; i < before; i++) whole.next();
        const state = JSON.parse(JSON.stringify(whole.state()));
        const resumed = new BatchSampler(lengths, settings);
        resumed.restore(state);
        for (let i = 0; i < after; i++) expect(resumed.next()).toEqual(whole.next());
        expect(resumed.state()).toEqual(whole.state());
      }),
    );
  });
  it('is refused over another corpus or other settings', () => {
    const state = new BatchSampler([1, 2, 3], { batchSize: 2, seed: 1 }).state();
    expect(() => new BatchSampler([1, 2, 4], { batchSize: 2, seed: 1 }).restore(state)).toThrow(
      /sampler: state: .*hint/s,
    );
    expect(() => new BatchSampler([1, 2, 3], { batchSize: 3, seed: 1 }).restore(state)).toThrow(/sampler: state/);
  });
});

it('mixWeights gives corpora their shares of an epoch', () => {
  const weights = mixWeights([900, 100], [1, 1]);
  const sampler = new BatchSampler(new Array(1000).fill(10), { batchSize: 10, seed: 5, weights });
  const drawn = epochOf(sampler).flat();
  expect(Math.abs(drawn.length - 1000)).toBeLessThan(60);
  expect(drawn.filter((i) => i >= 900).length).toBe(500);
  expect(mixWeights([2, 3], [0, 1])).toEqual([0, 0, 5 / 3, 5 / 3, 5 / 3]);
  expect(() => mixWeights([2], [1, 1])).toThrow(/shares: expected 1/);
  expect(() => mixWeights([2, 0], [1, 1])).toThrow(/corpus 1: expected utterances/);
  expect(() => mixWeights([2, 1], [-1, 1])).toThrow(/shares: /);
});

it.each<[string, number[], object, RegExp]>([
  ['no utterances', [], { batchSize: 1, seed: 1 }, /lengths: expected at least one/],
  ['no length', [3, 0], { batchSize: 1, seed: 1 }, /lengths\[1\]: expected frames above 0, got 0/],
  ['no batch size', [3], { seed: 1 }, /one of them, got both or none/],
  ['a broken one', [3], { batchSize: 1.5, seed: 1 }, /batchSize: .*got 1.5/],
  [
    'a batch too small for its longest',
    [3, 9],
    { batchFrames: 8, seed: 1 },
    /at least the longest utterance, 9, got 8/,
  ],
  ['a broken seed', [3], { batchSize: 1, seed: 0.5 }, /seed: /],
  ['weights of others', [3], { batchSize: 1, seed: 1, weights: [1, 1] }, /weights: expected 1/],
  ['a negative weight', [3, 3], { batchSize: 1, seed: 1, weights: [2, -1] }, /weights\[1\]/],
  ['weights of nothing', [3], { batchSize: 1, seed: 1, weights: [0.1] }, /sum of at least 1, got 0.1/],
])('refuses %s', (_, lengths, settings, message) => {
  expect(() => new BatchSampler(lengths, settings as BatchSettings)).toThrow(message);
});
