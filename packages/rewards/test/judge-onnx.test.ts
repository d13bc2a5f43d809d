import type { JudgeConfig } from '@align2speak/contracts';
import { Judge as NativeJudge, ops, Tensor } from '@align2speak/native';
import { judgeToOnnx } from '@align2speak/rewards';
import { OnnxGraph } from '@align2speak/weights';
import { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node';
import { describe, expect, it } from 'vitest';
import { melFrames } from '../src/mel-onnx.js';
import { ctcHead, randomWeights, signal, smallConfig, symbols } from './network.js';

const speakerHead = { kind: 'speaker', dim: 7, speakers: 5 };
const qualityHead = { kind: 'quality' };
const cardOf = (config: JudgeConfig) => ({ name: 'test', symbols: config.head.kind === 'ctc' ? symbols : undefined });

interface Padded {
  wav: Float32Array;
  samples: number[];
}

/** Waveforms side by side, with garbage in place of zeros after them: nobody may read it. */
function side(wavs: readonly Float32Array[], extra = 0): Padded {
  const size = Math.max(...wavs.map((wav) => wav.length)) + extra;
  const wav = new Float32Array(wavs.length * size).fill(Number.NaN);
  for (const [i, source] of wavs.entries()) wav.set(source, i * size);
  return { wav, samples: wavs.map((source) => source.length) };
}

async function runOnnx(model: Uint8Array, { wav, samples }: Padded) {
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1 });
  const results = await session.run({
    wav: new OnnxTensor('float32', wav, [samples.length, wav.length / samples.length]),
    samples: new OnnxTensor('int64', BigInt64Array.from(samples, BigInt)),
  });
  await session.release();
  return results;
}

/** Largest difference of the first `counts[b] * width` values of each row, relative to the largest value there. */
function difference(a: Float32Array, b: Float32Array, counts: readonly number[]): number {
  let [most, worst] = [0, 0];
  counts.forEach((count, row) => {
    for (let i = 0; i < count; i++) {
      const value = b[(row * b.length) / counts.length + i]!;
      most = Math.max(most, Math.abs(value));
      // Not Math.max, which a NaN would not pass through on its left side.
      const gap = Math.abs(a[(row * a.length) / counts.length + i]! - value);
      if (!(gap <= worst)) worst = gap;
    }
  });
  return worst / most;
}

const wavs = [signal(1, 2950), signal(2, 1234), signal(3, 100), signal(4, 2001)];

describe('melFrames', () => {
  it.each([
    { sampleRate: 22050, nFft: 1024, hopLength: 256, nMels: 80 },
    { sampleRate: 16000, nFft: 400, hopLength: 160, nMels: 23 },
    { sampleRate: 8000, nFft: 90, hopLength: 90, nMels: 5 },
  ])('is what the core computes: %o', async (settings) => {
    const { hopLength, nMels } = settings;
    const { wav, samples } = side([signal(1, 9000), signal(2, 3333), signal(3, hopLength)]);
    const graph = new OnnxGraph('mel');
    const inputs = { wav: graph.input('wav', 'f32', ['B', 'S']), samples: graph.input('samples', 'i64', ['B']) };
    const rows = Math.floor(9000 / hopLength);
    graph.node('Identity', [melFrames(graph, settings, { ...inputs, rows: graph.ints(rows), extra: 0 })], {}, 'mel');
    graph.output('mel', 'f32', ['B', 'T', nMels]);
    const ours = (await runOnnx(graph.encode({}), { wav, samples })).mel!.data as Float32Array;
    const { sampleRate, nFft } = settings;
    const settingsOfOp = { sampleRate, nFft, hop: hopLength, nMels, pad: 'zero' } as const;
    const x = await Tensor.from(wav, [3, 9000]);
    const lengths = await Tensor.from(Int32Array.from(samples), [3]);
    const { y } = await ops.logMel({ x, lengths }, settingsOfOp);
    const theirs = (await (await ops.transpose({ x: y })).y.toArray()) as Float32Array;
    const stride = nMels * y.shape[2]!;
    const aligned = Float32Array.from({ length: ours.length }, (_, i) => {
      const row = Math.floor(i / (nMels * rows));
      return theirs[row * stride + (i % (nMels * rows))]!;
    });
    const counts = samples.map((count) => Math.floor(count / hopLength) * nMels);
    expect(difference(ours, aligned, counts)).toBeLessThan(1e-5);
  });
});

describe('judgeToOnnx', () => {
  const published = {
    nFft: 1024,
    hopLength: 256,
    nMels: 80,
    frameStack: 2,
    channels: 32,
    kernel: 5,
    dilations: [1, 2, 4],
  };
  it.each([
    ['recogniser', smallConfig(ctcHead)],
    ['recogniser of the usual geometry', smallConfig(ctcHead, published)],
    ['recogniser without stacking', smallConfig(ctcHead, { frameStack: 1, kernel: 1 })],
    ['speaker', smallConfig(speakerHead)],
    ['quality', smallConfig(qualityHead)],
  ])('is the native network: %s', async (_, config) => {
    const judge = await NativeJudge.create(config, { seed: 1 });
    const weights = randomWeights(config, 2);
    // Beside these, a speaker judge has classes to train with.
    const state = await judge.state();
    const tensors = await Promise.all(
      Object.entries(weights).map(async ([name, { shape, data }]) => [name, await Tensor.from(data, shape)] as const),
    );
    await judge.load({ ...state, ...Object.fromEntries(tensors) });
    const wavsHere = wavs.filter((wav) => wav.length >= config.hopLength);
    const { wav, samples } = side(wavsHere);
    const theirs = await judge.forward({
      wav: await Tensor.from(wav, [samples.length, wav.length / samples.length]),
      samples: await Tensor.from(Int32Array.from(samples), [samples.length]),
    });
    const classes = { shape: [5, 7], data: new Float32Array(35) };
    const all = config.head.kind === 'speaker' ? { ...weights, 'classes.weight': classes } : weights;
    const ours = await runOnnx(judgeToOnnx(config, all, cardOf(config)), { wav, samples });
    const [name, tensor] = Object.entries(theirs as Record<string, Tensor>)[0]!;
    const expected = (await tensor.toArray()) as Float32Array;
    const found = ours[name]!.data as Float32Array;
    expect(found).toHaveLength(expected.length);
    const frames = samples.map((n) => Math.ceil(Math.floor(n / config.hopLength) / config.frameStack));
    if (config.head.kind === 'ctc') expect(Array.from(ours.frames!.data as BigInt64Array, Number)).toEqual(frames);
    const width = tensor.shape.slice(1).at(-1) ?? 1;
    const counts = frames.map((T) => (config.head.kind === 'ctc' ? T * width : width));
    const clipped = config.head.kind === 'quality' ? expected.map((q) => Math.min(1, Math.max(0, q))) : expected;
    expect(difference(found, clipped, counts)).toBeLessThan(1e-4);
  });

  it.each([ctcHead, speakerHead, qualityHead])('does not depend on padding or neighbours: %o', async (head) => {
    const config = smallConfig(head);
    const model = judgeToOnnx(config, randomWeights(config, 3), cardOf(config));
    const together = await runOnnx(model, side(wavs, 777));
    const name = Object.keys(together).find((key) => key !== 'frames')!;
    for (const [i, wav] of wavs.entries()) {
      const alone = (await runOnnx(model, side([wav])))[name]!.data as Float32Array;
      const all = together[name]!.data as Float32Array;
      const row = all.subarray((i * all.length) / wavs.length);
      expect(difference(row.slice(0, alone.length), alone, [alone.length])).toBeLessThan(1e-5);
    }
  });

  it('stores halves where asked to, the network that rounded weights make', async () => {
    const config = smallConfig(ctcHead, { channels: 48 });
    const weights = randomWeights(config, 4);
    const full = judgeToOnnx(config, weights, cardOf(config));
    const half = judgeToOnnx(config, weights, { ...cardOf(config), storage: 'f16' });
    expect(half.length).toBeLessThan(full.length * 0.65);
    const input = side([wavs[0]!]);
    const [a, b] = [(await runOnnx(full, input)).logits!, (await runOnnx(half, input)).logits!];
    const gap = difference(b.data as Float32Array, a.data as Float32Array, [a.data.length]);
    expect(gap).toBeGreaterThan(0);
    expect(gap).toBeLessThan(5e-3);
  });

  const config = smallConfig(ctcHead);
  const weights = randomWeights(config, 5);
  it.each([
    ['a missing weight', { ...weights, 'norm.weight': undefined }, {}, /judge: norm.weight: expected a weight of this/],
    ['an unknown weight', { ...weights, extra: weights['norm.weight'] }, {}, /judge: extra: .*got an unknown name/],
    [
      'another shape',
      { ...weights, 'norm.weight': weights['head.bias'] },
      {},
      /norm.weight: expected \[12\], got 6 .*\[6\]/,
    ],
    ['too few symbols', weights, { symbols: ['a'] }, /test: symbols: expected 5, a blank less than labels, got 1/],
    ['symbols that repeat', weights, { symbols: [...'abcda'] }, /symbols: expected each once, got one twice/],
  ])('refuses %s', (_, given, card, message) => {
    const make = () => judgeToOnnx(config, given as typeof weights, { ...cardOf(config), ...card });
    expect(make).toThrow(message);
  });

  it('refuses symbols for a judge without labels', () => {
    const quality = smallConfig(qualityHead);
    const make = () => judgeToOnnx(quality, randomWeights(quality, 1), { name: 'q', symbols: ['a'] });
    expect(make).toThrow(/q: symbols: expected none .*got 1/);
  });
});
