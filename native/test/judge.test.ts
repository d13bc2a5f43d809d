import { ConfigError, DataError, type JudgeConfig, judgeConfig, parseConfig, ShapeError } from '@align2speak/contracts';
import { Judge, type JudgeBatch, Optimizer, Tensor } from '@align2speak/native';
import { describe, expect, it } from 'vitest';
import { ints } from './tiny-tts.js';

const small = { sampleRate: 8000, nFft: 256, hopLength: 64, nMels: 20, channels: 24, kernel: 3, dilations: [1, 2] };
const heads = {
  ctc: { kind: 'ctc', labels: 6 },
  speaker: { kind: 'speaker', dim: 8, speakers: 4 },
  quality: { kind: 'quality' },
} as const;
type Kind = keyof typeof heads;
const configOf = (kind: Kind): JudgeConfig => parseConfig(judgeConfig, { ...small, head: heads[kind] }, 'test');

const [B, S] = [4, 4000];
const lengths = [4000, 3100, 3555, 2017];
/** Tones of 6 pitches, 500 samples each, in an order of each item's own; 9 where an item has no samples. */
const waves = lengths.map((n, b) =>
  Float64Array.from({ length: S }, (_, s) => {
    const pitch = 200 * (1 + ((b * 5 + Math.floor(s / 500) * (b + 1)) % 6));
    return s < n ? 0.4 * Math.sin((2 * Math.PI * pitch * s) / 8000) : 9;
  }),
);

async function batchOf(kind: Kind, dtype: 'f32' | 'f64' = 'f32'): Promise<JudgeBatch> {
  const array = dtype === 'f32' ? Float32Array : Float64Array;
  const speech = {
    wav: await Tensor.from(array.from(waves.flatMap((wave) => [...wave])), [B, S]),
    samples: await ints(lengths, [B]),
  };
  const truth = {
    ctc: async () => ({
      targets: await ints([1, 2, 2, 5, 3, 4, 1, 0, 5, 0, 0, 0, 2, 1, 2, 0], [B, 4]),
      targetLengths: await ints([4, 3, 1, 3], [B]),
    }),
    speaker: async () => ({ labels: await ints([0, 1, 2, 3], [B]) }),
    quality: async () => ({ quality: await Tensor.from(array.of(0.1, 0.9, 0.4, 0.6), [B]) }),
  };
  return { ...speech, ...(await truth[kind]()) };
}

/** The tensor that a judge of any kind answers with. */
async function answerOf(judge: Judge, { wav, samples }: JudgeBatch): Promise<Tensor> {
  const answer = await judge.forward({ wav, samples });
  return 'logits' in answer ? answer.logits : 'embedding' in answer ? answer.embedding : answer.quality;
}

const kinds = Object.keys(heads) as Kind[];

describe('judge', () => {
  it.each(kinds)('%s: hears each item as it does alone, whatever lies beyond it', async (kind) => {
    const judge = await Judge.create(configOf(kind), { seed: 1 });
    const all = await (await answerOf(judge, await batchOf(kind))).toArray();
    for (const [b, n] of lengths.entries()) {
      const wav = await Tensor.from(Float32Array.from(waves[b]!.subarray(0, n)), [1, n]);
      const alone = await (await answerOf(judge, { wav })).toArray();
      const start = (b * all.length) / B;
      expect(all.slice(start, start + alone.length)).toEqual(alone);
    }
  });

  it('answers in the shapes of its kind', async () => {
    const answers = await Promise.all(
      kinds.map(async (kind) => {
        const { wav, samples } = await batchOf(kind);
        const judge = await Judge.create(configOf(kind));
        return Object.entries(await judge.forward({ wav, samples })).map(([name, { shape }]) => [name, [...shape]]);
      }),
    );
    expect(answers).toEqual([
      [
        ['logits', [B, 31, 6]],
        ['frames', [B]],
      ],
      [['embedding', [B, 8]]],
      [['quality', [B]]],
    ]);
    const { wav, samples } = await batchOf('ctc');
    const answer = await (await Judge.create(configOf('ctc'))).forward({ wav, samples });
    if (!('frames' in answer)) throw new Error('no frames');
    expect([...(await answer.frames.toArray())]).toEqual([31, 24, 28, 16]);
  });

  it.each(kinds)('%s: computes and differentiates in f32 what it does in f64', async (kind) => {
    const run = async (dtype: 'f32' | 'f64') => {
      const judge = await Judge.create(configOf(kind), { dtype, seed: 2 });
      const batch = await batchOf(kind, dtype);
      const { loss } = await judge.lossBackward(batch, { noise: { seed: 3, step: 4 }, weight: 0.5 });
      return { loss, answer: await (await answerOf(judge, batch)).toArray(), gradients: await judge.gradients() };
    };
    const [single, double] = [await run('f32'), await run('f64')];
    expect(single.loss).toBeCloseTo(double.loss, 4);
    const near = (a: ArrayLike<number>, b: ArrayLike<number>, tolerance: number) => {
      const top = Math.max(...Array.from(b, Math.abs));
      const gap = Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i]!)));
      expect(gap).toBeLessThan(tolerance * top);
    };
    near(single.answer, double.answer, 1e-4);
    for (const [name, gradient] of Object.entries(double.gradients))
      near(await single.gradients[name]!.toArray(), await gradient.toArray(), 1e-3);
  });

  it.each([
    ['ctc', 0.05],
    ['speaker', 0.05],
    ['quality', 1e-3],
  ] as const)('%s: learns 4 items by heart', async (kind, enough) => {
    const judge = await Judge.create(configOf(kind), { seed: 5 });
    const optimizer = Optimizer.create(judge, { weightDecay: 0 });
    const batch = await batchOf(kind);
    let loss = Number.POSITIVE_INFINITY;
    for (let step = 0; step < 200 && loss >= enough; step++) {
      await judge.zeroGrad();
      loss = (await judge.lossBackward(batch)).loss;
      await optimizer.step({ lr: 5e-3, clipNorm: 5 });
    }
    expect(loss).toBeLessThan(enough);
  });

  it('drops what seed and step say, and only when asked', async () => {
    const judge = await Judge.create(configOf('ctc'), { seed: 6 });
    const batch = await batchOf('ctc');
    const loss = async (noise?: { seed: number; step: number }) => (await judge.lossBackward(batch, { noise })).loss;
    expect(await loss()).toBe(await loss());
    expect(await loss({ seed: 1, step: 2 })).toBe(await loss({ seed: 1, step: 2 }));
    const all = [await loss(), await loss({ seed: 1, step: 2 }), await loss({ seed: 1, step: 3 })];
    expect(new Set(all).size).toBe(3);
  });

  it('has its state under published names', async () => {
    const judge = await Judge.create(configOf('speaker'), { seed: 7 });
    expect(judge.parameters().map(({ name, shape }) => `${name} ${shape}`)).toEqual([
      'frontend.weight 24,40',
      'frontend.bias 24',
      ...[0, 1].flatMap((i) => [
        `blocks.${i}.norm.weight 24`,
        `blocks.${i}.conv.weight 24,24,3`,
        `blocks.${i}.conv.bias 24`,
        `blocks.${i}.proj.weight 24,24`,
        `blocks.${i}.proj.bias 24`,
      ]),
      'norm.weight 24',
      'head.weight 8,48',
      'head.bias 8',
      'classes.weight 4,8',
    ]);
    const other = await Judge.create(configOf('speaker'), { seed: 8 });
    await other.load(await judge.state());
    const batch = await batchOf('speaker');
    expect(await (await answerOf(other, batch)).toArray()).toEqual(await (await answerOf(judge, batch)).toArray());
  });

  it('refuses what cannot be', async () => {
    const judge = await Judge.create(configOf('ctc'));
    const batch = await batchOf('ctc');
    const refusal = async (changes: object, error: new (...args: never[]) => Error, message: string) => {
      const call = judge.lossBackward({ ...batch, ...changes });
      await expect(call).rejects.toThrow(error);
      await expect(call).rejects.toThrow(message);
    };
    await refusal({ samples: await ints([4000, 63, 64, 64], [B]) }, ShapeError, 'judge: samples[1]: expected 64');
    await refusal({ targets: undefined }, ShapeError, 'judge: targets: expected i32 [B, U], got none');
    await refusal({ targets: await ints(Array(16).fill(6), [B, 4]) }, ShapeError, 'ctc_loss: targets');
    await refusal({ labels: await ints([0, 1, 2, 3], [B]) }, ConfigError, 'judge: labels: expected none');
    await refusal({ words: batch.targets }, ConfigError, 'judge: batch: words: expected a known field');
    const wav = await Tensor.from(Float32Array.of(...Array(200).fill(Number.NaN)), [1, 200]);
    await expect(judge.forward({ wav })).rejects.toThrow(DataError);
    await expect(Judge.create({ ...configOf('ctc'), kernel: 4 })).rejects.toThrow('judge config: kernel');
    const mixed = { ...configOf('ctc'), head: { kind: 'quality', labels: 3 } } as unknown as JudgeConfig;
    await expect(Judge.create(mixed)).rejects.toThrow('judge: config: head: labels: expected a known field');
  });
});
