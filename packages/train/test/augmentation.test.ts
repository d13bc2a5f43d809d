import { expect, test } from 'vitest';
import { equalise, faster } from '../src/augmentation.js';

const sampleRate = 22050;
const sine = (hz: number, length = 11025) =>
  Float32Array.from({ length }, (_, i) => Math.sin((2 * Math.PI * hz * i) / sampleRate));
const rms = (wav: Float32Array) => Math.sqrt(wav.reduce((sum, x) => sum + x * x, 0) / wav.length);
/** Once the filter has settled. */
const gainDb = (before: Float32Array, after: Float32Array) =>
  20 * Math.log10(rms(after.subarray(2000)) / rms(before.subarray(2000)));

test('speech played faster is shorter and higher by that factor, and the same at 1', () => {
  const wav = sine(300);
  expect(faster(wav, 1)).toEqual(wav);
  for (const speed of [0.85, 1.2, 2]) {
    const higher = faster(wav, speed);
    expect(higher.length).toBe(Math.floor(11024 / speed) + 1);
    const expected = sine(300 * speed, higher.length);
    expect(Math.max(...higher.map((x, i) => Math.abs(x - expected[i]!)))).toBeLessThan(2e-3);
  }
  expect(faster(Float32Array.of(0.5), 1.2)).toEqual(Float32Array.of(0.5));
});

test('a band is louder by its decibels at its centre, and the spectrum far from it stays', () => {
  for (const db of [-12, 6]) {
    const [centre, far] = [sine(800), sine(9000)];
    const changed = [centre, far].map((wav) => {
      const copy = wav.slice();
      equalise(copy, [{ hz: 800, db }], sampleRate);
      return copy;
    });
    expect(gainDb(centre, changed[0]!)).toBeCloseTo(db, 1);
    expect(Math.abs(gainDb(far, changed[1]!))).toBeLessThan(0.2);
  }
});

test('bands of 0 dB change nothing, and two of them add up', () => {
  const wav = sine(800);
  const flat = wav.slice();
  equalise(flat, [{ hz: 800, db: 0 }], sampleRate);
  expect(Math.max(...flat.map((x, i) => Math.abs(x - wav[i]!)))).toBeLessThan(1e-5);
  equalise(flat, Array(2).fill({ hz: 800, db: 3 }), sampleRate);
  expect(gainDb(wav, flat)).toBeCloseTo(6, 1);
});
