import { resample, rms, trimSilence } from '@align2speak/audio';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

const sine = (hz: number, rate: number, seconds: number) =>
  Float32Array.from({ length: Math.round(rate * seconds) }, (_, i) => Math.sin((2 * Math.PI * hz * i) / rate));

it('rms of a sine is 1/√2, of nothing 0', () => {
  expect(rms(sine(100, 8000, 1))).toBeCloseTo(Math.SQRT1_2, 4);
  expect(rms(new Float32Array(0))).toBe(0);
});

describe('trimSilence', () => {
  it('keeps every loud sample and at most the margins around', () => {
    const sizes = fc.tuple(fc.nat(2000), fc.integer({ min: 1, max: 50 }), fc.nat(2000));
    fc.assert(
      fc.property(sizes, ([before, loud, after]) => {
        const wav = new Float32Array(before + loud + after).fill(0.001).fill(0.5, before, before + loud);
        const kept = trimSilence(wav);
        expect(kept.length).toBe(Math.min(before, 400) + loud + Math.min(after, 900));
        expect(kept.filter((sample) => sample === 0.5).length).toBe(loud);
      }),
    );
  });
  it('leaves nothing of silence', () => expect(trimSilence(new Float32Array(100)).length).toBe(0));
});

describe('resample', () => {
  it('keeps a tone and its level', async () => {
    const [there, expected] = [await resample(sine(440, 22050, 0.5), 22050, 16000), sine(440, 16000, 0.5)];
    expect(there.length).toBe(8000);
    for (let i = 500; i < 7500; i++) expect(there[i]).toBeCloseTo(expected[i]!, 3);
  });
  it('copies at equal rates and refuses nothing', async () => {
    expect(await resample(Float32Array.of(1, -1), 100, 100)).toEqual(Float32Array.of(1, -1));
    await expect(resample(new Float32Array(0), 1, 2)).rejects.toThrow(/resample: samples: expected at least one/);
  });
});
