import {
  CancelledError,
  CheckpointError,
  ConfigError,
  DataError,
  DeviceError,
  ShapeError,
  type TtsConfig,
} from '@align2speak/contracts';
import {
  info,
  type NamedTensors,
  Optimizer,
  setThreads,
  Tensor,
  Tts,
  type TtsBatch,
  type TtsLoss,
} from '@align2speak/native';
import { afterEach, describe, expect, it } from 'vitest';
import { batchOf, ints, tinyConfig } from './tiny-tts.js';

const config = tinyConfig();
const supervised = { kind: 'supervised', alignmentWeight: 0.1 } as const satisfies TtsLoss;

const numbersOf = async (tensor: Tensor) => [...(await tensor.toArray())];

/** Every value within `tolerance` of the expected one. */
function expectNear(values: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  expect(values.length).toBe(expected.length);
  for (let i = 0; i < values.length; i++) expect(Math.abs(values[i]! - expected[i]!)).toBeLessThanOrEqual(tolerance);
}
const floats = (...values: number[]) => Tensor.from(Float32Array.from(values), [values.length]);

async function arraysOf(tensors: NamedTensors): Promise<Record<string, unknown>> {
  const entries = Object.entries(tensors).map(async ([name, tensor]) => [name, await tensor.toArray()] as const);
  return Object.fromEntries(await Promise.all(entries));
}

/** Prompts of a batch. */
function promptsOf({ text, textLengths, contextCodes, contextLengths }: TtsBatch) {
  return { text, textLengths, contextCodes, contextLengths };
}

describe('parameters', () => {
  it('bear the published names', async () => {
    const names = (await Tts.create(config)).parameters().map(({ name }) => name);
    expect(names).toContain('audio_embeddings.5.weight');
    expect(names).toContain('decoder.layers.1.cross_attention.kv_net.weight');
    expect(names).toContain('local_transformer_out_projections.5.bias');
    expect(new Set(names).size).toBe(names.length);
  });

  it('follow from the seed', async () => {
    const [a, b, c] = await Promise.all(
      [4, 4, 5].map(async (seed) => arraysOf(await (await Tts.create(config, { seed })).state())),
    );
    expect(b).toEqual(a);
    expect(c).not.toEqual(a);
  });

  it('are zeros without a seed, until they are loaded', async () => {
    const tts = await Tts.create(config, { seed: null });
    for (const [name, values] of Object.entries(await arraysOf(await tts.state())))
      expect(
        (values as Float32Array).every((value) => value === 0),
        name,
      ).toBe(true);
    const other = await Tts.create(config, { seed: 4 });
    await tts.load(await other.state());
    const losses = [tts, other].map(async (model) => {
      await model.zeroGrad();
      return (await model.lossBackward(await batchOf(config), supervised)).loss;
    });
    const [loss, expected] = await Promise.all(losses);
    expect(loss).toBe(expected);
  });

  it('come from another model, of another precision too', async () => {
    const single = await Tts.create(config, { seed: 1 });
    const double = await Tts.create(config, { seed: 2, dtype: 'f64' });
    await double.load(await single.state());
    const back = await Tts.create(config, { seed: 3 });
    await back.load(await double.state());
    expect(await arraysOf(await back.state())).toEqual(await arraysOf(await single.state()));
  });

  it('are loaded once each, or not at all', async () => {
    const tts = await Tts.create(config);
    const state = await tts.state();
    const other = await floats(1);
    expect(await tts.load({ ...state, 'decoder.causal_mask': other }, { skip: [/causal_mask$/] })).toEqual([
      'decoder.causal_mask',
    ]);
    const { 'final_proj.bias': bias, ...missing } = state;
    const before = await arraysOf(state);
    for (const [tensors, message] of [
      [{ ...state, extra: other }, /expected each of the model's \d+ once, got 1 unexpected \(extra\)/],
      [missing, /got 1 missing \(final_proj\.bias\)/],
      [{ ...state, 'final_proj.bias': other }, /final_proj\.bias: expected shape \[144\], got \[1\]/],
      [{ ...state, 'final_proj.bias': await ints(Array(144).fill(0), [144]) }, /expected f32 or f64, got i32/],
    ] as const) {
      const load = tts.load(tensors as NamedTensors);
      await expect(load).rejects.toThrow(CheckpointError);
      await expect(load).rejects.toThrow(message);
    }
    expect(await arraysOf(await tts.state())).toEqual(before);
    expect(bias?.shape).toEqual([144]);
  });
});

describe('a pass', () => {
  it('returns what was asked for', async () => {
    const tts = await Tts.create(config);
    const parts = await tts.forward(await batchOf(config), [
      'text',
      'context',
      'hidden',
      'logits',
      'logprobs',
      'entropy',
    ]);
    expect(Object.entries(parts).map(([name, { shape }]) => [name, shape])).toEqual([
      ['text', [2, 5, 32]],
      ['context', [2, 4, 32]],
      ['hidden', [2, 5, 32]],
      ['logits', [2, 5, 144]],
      ['logprobs', [2, 3, 10]],
      ['entropy', [2, 3, 10]],
    ]);
  });

  it('agrees with itself in f64', async () => {
    const single = await Tts.create(config, { seed: 1 });
    const double = await Tts.create(config, { dtype: 'f64' });
    await double.load(await single.state());
    const batch = await batchOf(config);
    const [a, b] = await Promise.all(
      [single, double].map(async (tts) => numbersOf((await tts.forward(batch, ['logprobs'])).logprobs)),
    );
    expectNear(a!, b!, 1e-5 * Math.max(...b!.map(Math.abs)));
  });

  it('may multiply in bf16: near f32 in likelihoods and gradients, and not the same', async () => {
    const single = await Tts.create(config, { seed: 1 });
    const half = await Tts.create(config, { seed: 1, bf16: true });
    const batch = await batchOf(config);
    const [exact, near] = await Promise.all(
      [single, half].map(async (tts) => {
        const { logprobs } = await tts.forward(batch, ['logprobs']);
        await tts.lossBackward(batch, supervised);
        return { logprobs: await numbersOf(logprobs), gradients: await arraysOf(await tts.gradients()) };
      }),
    );
    expect(near!.logprobs).not.toEqual(exact!.logprobs);
    expectNear(near!.logprobs, exact!.logprobs, 0.05);
    const norm = (values: Float32Array) => Math.hypot(...values);
    for (const [name, values] of Object.entries(exact!.gradients) as [string, Float32Array][]) {
      const other = near!.gradients[name] as Float32Array;
      // Where a gradient is all but zero, only rounding is left of it.
      expect(norm(values.map((value, i) => value - other[i]!)), name).toBeLessThanOrEqual(0.03 * norm(values) + 1e-6);
    }
    await expect(Tts.create(config, { dtype: 'f64', bf16: true })).rejects.toThrow(
      /^tts: bf16: expected parameters of f32, got f64$/,
    );
  });

  it('adds weighted gradients', async () => {
    const tts = await Tts.create(config);
    const batch = await batchOf(config);
    await tts.lossBackward(batch, supervised);
    const whole = await arraysOf(await tts.gradients());
    expect(await arraysOf(await tts.gradients(['final_proj.weight']))).toEqual({
      'final_proj.weight': whole['final_proj.weight'],
    });
    await expect(tts.gradients(['final_proj'])).rejects.toThrow(
      /^parameters: names: expected a parameter of the model, got "final_proj"$/,
    );
    await tts.zeroGrad();
    await tts.lossBackward(batch, { ...supervised, weight: 0.5 });
    await tts.lossBackward(batch, { ...supervised, weight: 0.5 });
    for (const [name, halves] of Object.entries(await arraysOf(await tts.gradients()))) {
      expectNear(halves as Float32Array, whole[name] as Float32Array, 1e-5);
    }
  });

  it('adds the gradients of passes side by side, the same bits for any number of threads', async () => {
    const tts = await Tts.create(tinyConfig({ dropout: 0.1 }));
    const passes = await Promise.all(
      Array.from({ length: 5 }, async (_, i) => ({
        batch: await batchOf(tts.config),
        loss: { ...supervised, weight: 0.1 * (i + 1), noise: { seed: i, step: 1 } } as const,
      })),
    );
    const losses: number[] = [];
    for (const { batch, loss } of passes) losses.push((await tts.lossBackward(batch, loss)).loss);
    const one = await arraysOf(await tts.gradients());
    const largest = Math.max(...Object.values(one).flatMap((values) => [...(values as Float32Array)].map(Math.abs)));
    let first: Record<string, unknown> | undefined;
    // With 12 threads all of them work on each pass.
    for (const threads of [1, 2, 3, 8, 12]) {
      await setThreads(threads);
      await tts.zeroGrad();
      const trained = await tts.lossBackwardEach(passes);
      expect(trained.map(({ loss }) => loss)).toEqual(losses);
      const gradients = await arraysOf(await tts.gradients());
      first ??= gradients;
      expect(gradients).toEqual(first);
    }
    await setThreads(0);
    for (const [name, values] of Object.entries(first!))
      expectNear(values as Float32Array, one[name] as Float32Array, 1e-6 * largest);
  });

  it('ends passes side by side with the failure of one of them, and works afterwards', async () => {
    const tts = await Tts.create(config);
    const pass = { batch: await batchOf(config), loss: supervised };
    const broken = { ...pass, loss: { ...supervised, alignmentWeight: -1 } };
    await expect(tts.lossBackwardEach([pass, broken, pass, pass])).rejects.toThrow(
      /alignment_weight: expected at least 0/,
    );
    await expect(tts.lossBackwardEach([])).rejects.toThrow('tts: passes: expected at least one, got none');
    const running = tts.lossBackwardEach([pass, pass, pass], { signal: AbortSignal.abort() });
    await expect(running).rejects.toThrow(CancelledError);
    expect(await tts.lossBackwardEach([pass, pass])).toHaveLength(2);
  });

  it('sees what it would have said itself in place of its history, the same for the same step', async () => {
    const tts = await Tts.create(tinyConfig({ dropout: 0 }), { seed: 2 });
    const batch = await batchOf(tts.config);
    const loss = async (step: number, ownHistory: number) => {
      await tts.zeroGrad();
      return (await tts.lossBackward(batch, { ...supervised, noise: { seed: 1, step, ownHistory } })).loss;
    };
    const plain = await loss(1, 0);
    expect(await loss(1, 1)).not.toBe(plain);
    expect(await loss(1, 1)).toBe(await loss(1, 1));
    expect(await loss(2, 1)).not.toBe(await loss(1, 1));
    expect(await loss(1, 0)).toBe(plain);
    await expect(loss(1, -0.5)).rejects.toThrow('ownHistory: expected 0 to 1, got -0.5');
  });

  it("sees the local transformer's draws there, in a model that has one: heads that can only say one code, either kind, leave one past", async () => {
    const parallel = tinyConfig({ localTransformer: null });
    const trunk = await (await Tts.create(parallel, { seed: 2 })).state();
    const hiddenOf = async (config: TtsConfig, sure: RegExp) => {
      const tts = await Tts.create(config, { seed: 3 });
      const state = { ...(await tts.state()), ...trunk };
      for (const [name, bias] of Object.entries(state))
        if (sure.test(name)) {
          const values = (await bias.toArray()).map((_, i) => (i % config.vocab === 5 ? 100 : 0));
          state[name] = await Tensor.from(values as Float32Array, bias.shape);
        }
      await tts.load(state);
      const past = { seed: 1, step: 1, ownHistory: 1 };
      const { hidden } = await tts.forward(await batchOf(config), ['hidden'], { past });
      return (await hidden.toArray()) as Float32Array;
    };
    const want = await hiddenOf(parallel, /^final_proj\.bias$/);
    expect(await hiddenOf(config, /^local_transformer_out_projections\..*bias$/)).toEqual(want);
    expect(await hiddenOf(config, /^final_proj\.bias$/)).not.toEqual(want);
  });

  it('sees random codes in place of its history, as often as noise.history says', async () => {
    const tts = await Tts.create(config);
    const batch = await batchOf(config);
    const loss = async (history: number) =>
      (await tts.lossBackward(batch, { ...supervised, noise: { seed: 1, step: 1, history } })).loss;
    const [none, some, again, all] = [await loss(0), await loss(0.5), await loss(0.5), await loss(1)];
    expect(some).toBe(again);
    expect(new Set([none, some, all]).size).toBe(3);
    await expect(loss(1.5)).rejects.toThrow('noise: history: expected 0 to 1, got 1.5');
  });

  it('draws its noise from seed and step', async () => {
    const tts = await Tts.create(config);
    const batch = await batchOf(config);
    const lossAt = async (seed: number, step: number) =>
      (await tts.lossBackward(batch, { ...supervised, noise: { seed, step } })).loss;
    const first = await lossAt(1, 1);
    expect(await lossAt(1, 1)).toBe(first);
    expect(await lossAt(1, 2)).not.toBe(first);
    expect(await lossAt(2, 1)).not.toBe(first);
  });
});

describe('training', () => {
  afterEach(() => setThreads(0));

  async function trainer(changes: { seed?: number } = {}) {
    const tts = await Tts.create(config, changes);
    return { tts, optimizer: Optimizer.create(tts, { weightDecay: 0 }), batch: await batchOf(config) };
  }

  async function steps({ tts, optimizer, batch }: Awaited<ReturnType<typeof trainer>>, from: number, to: number) {
    const losses: number[] = [];
    for (let step = from; step < to; step++) {
      await tts.zeroGrad();
      losses.push((await tts.lossBackward(batch, { ...supervised, noise: { seed: 1, step } })).loss);
      await optimizer.step({ lr: 3e-3, clipNorm: 1 });
    }
    return losses;
  }

  it('learns a batch by heart', async () => {
    const losses = await steps(await trainer(), 0, 80);
    expect(losses.at(-1)!).toBeLessThan(losses[0]! / 3);
  });

  it('continues from a checkpoint to the same bits, with any number of threads', async () => {
    const run = await trainer();
    await steps(run, 0, 3);
    const [weights, state] = await Promise.all([run.tts.state(), run.optimizer.state()]);
    const losses = await steps(run, 3, 6);
    await setThreads(1);
    const resumed = await trainer({ seed: 9 });
    await resumed.tts.load(weights);
    await resumed.optimizer.load(state);
    expect(await steps(resumed, 3, 6)).toEqual(losses);
    expect(await arraysOf(await resumed.tts.state())).toEqual(await arraysOf(await run.tts.state()));
  });

  it('leaves everything as it is when gradients are not finite', async () => {
    const { tts, optimizer, batch } = await trainer();
    const before = await arraysOf(await tts.state());
    await tts.lossBackward(batch, { ...supervised, weight: Number.POSITIVE_INFINITY });
    const report = await optimizer.step({ lr: 1e-3 });
    expect(report.nonFinite).toBeGreaterThan(0);
    expect(await arraysOf(await tts.state())).toEqual(before);
    expect((await optimizer.state()).steps).toBe(0);
  });

  it('prefers what has the greater advantage', async () => {
    const { tts, optimizer } = await trainer();
    const batch = await batchOf(config, { prompts: 1, group: 2 });
    const likelihood = async () => {
      const { logprobs } = await tts.forward(batch, ['logprobs'], { heads: 'parallel' });
      const values = await numbersOf(logprobs);
      const halves = [values.slice(0, values.length / 2), values.slice(values.length / 2)];
      return halves.map((half) => half.reduce((x, y) => x + y));
    };
    const before = await likelihood();
    const reference = await Tts.create(config);
    for (let i = 0; i < 5; i++) {
      await tts.zeroGrad();
      const { stats } = await tts.lossBackward(batch, {
        kind: 'policy',
        advantages: await floats(1, -1),
        heads: 'parallel',
        kl: 'exact',
        klWeight: 0.01,
        reference,
      });
      expect(stats.meanRatio).toBe(1);
      await optimizer.step({ lr: 1e-2 });
    }
    const after = await likelihood();
    expect(after[0]! - after[1]!).toBeGreaterThan(before[0]! - before[1]!);

    const preference = await tts.lossBackward(batch, {
      kind: 'preference',
      reference: await floats(...before),
      heads: 'parallel',
      beta: 0.1,
    });
    expect(preference.stats.accuracy).toBe(1);
    expect(preference.margins?.shape).toEqual([1]);
  });
});

describe('generation', () => {
  const sampling = { temperature: 0.7, topK: 12 };

  async function model(
    changes: object = {},
    { bf16 = false } = {},
  ): Promise<{ tts: Tts; batch: TtsBatch; config: TtsConfig }> {
    const settings = tinyConfig(changes);
    return { tts: await Tts.create(settings, { seed: 5, bf16 }), batch: await batchOf(settings), config: settings };
  }

  it('depends on prompts, settings and sample ids alone', async () => {
    const { tts, batch } = await model();
    const generate = async (group: number, ids: number[]) => {
      const sampleIds = await ints(ids, [ids.length]);
      const { codes, lengths } = await tts.generate(promptsOf(batch), {
        group,
        sampleIds,
        maxFrames: 20,
        sampling,
        seed: 3,
      });
      const [values, counts] = [await codes.toArray(), await lengths.toArray()];
      const [, K, T] = codes.shape as [number, number, number];
      return ids.map((_, b) =>
        Array.from({ length: K }, (_, k) => [...values.slice((b * K + k) * T, (b * K + k) * T + counts[b]!)]),
      );
    };
    const four = await generate(2, [0, 1, 2, 3]);
    const two = await generate(1, [1, 3]);
    expect(two).toEqual([four[1], four[3]]);
    expect(four[0]).not.toEqual(four[1]);
  });

  it.each([
    ['parallel', 'f32', 4],
    ['local', 'f32', 4],
    // Sums of another order may round an operand to the other side (decision 13): not so where bf16 is widened, by what was seen.
    ['local', 'bf16', ['baseline', 'avx2'].includes(info().isa) ? 4 : 1],
  ] as const)('samples what scoring scores: %s heads, %s products, to %i digits', async (heads, products, digits) => {
    const { tts, batch } = await model({}, { bf16: products === 'bf16' });
    const settings = { ...sampling, guidance: 1.5 };
    const rolled = await tts.generate(promptsOf(batch), {
      maxFrames: 20,
      heads,
      sampling: { ...settings, minFrames: 4 },
    });
    const scored = await tts.forward(
      { ...promptsOf(batch), codes: rolled.codes, codeLengths: rolled.lengths },
      ['logprobs'],
      { heads, sampling: { ...settings, minFrames: 4 } },
    );
    const [drawn, again, lengths] = await Promise.all(
      [rolled.logprobs, scored.logprobs, rolled.lengths].map((t) => t.toArray()),
    );
    const [B, K, T] = rolled.codes.shape as [number, number, number];
    const stride = scored.logprobs.shape[2]!;
    for (let row = 0; row < B * K; row++) {
      for (let t = 0; t < lengths![Math.floor(row / K)]!; t++)
        expect(drawn![row * T + t]).toBeCloseTo(again![row * stride + t]!, digits);
    }
  });

  it('reports each step, and ends when that fails', async () => {
    const { tts, batch } = await model();
    const seen: number[] = [];
    const { times } = await tts.generate(
      promptsOf(batch),
      { maxFrames: 12 },
      { onProgress: (step) => seen.push(step) },
    );
    expect(seen).toEqual(Array.from({ length: times.steps }, (_, i) => i));
    const failing = () => {
      throw new RangeError('listener');
    };
    await expect(tts.generate(promptsOf(batch), { maxFrames: 12 }, { onProgress: failing })).rejects.toThrow(
      RangeError,
    );
  });

  it('stops at its signal', async () => {
    const { tts, batch } = await model({ maxPositions: 4096 });
    const controller = new AbortController();
    const call = tts.generate(
      promptsOf(batch),
      { maxFrames: 8000, sampling: { minFrames: 8000 }, prior: {} },
      { signal: controller.signal, onProgress: () => controller.abort() },
    );
    await expect(call).rejects.toThrow(CancelledError);
  });
});

describe('a call that cannot be', () => {
  type Make = (tts: Tts, batch: TtsBatch) => Promise<unknown>;
  const anything = (value: unknown) => value as never;
  it.each<[string, Make, new (...args: never[]) => Error, RegExp]>([
    [
      'an unknown field',
      (_t, _b) => Tts.create(anything({ ...config, width: 3 })),
      ConfigError,
      /tts: config: width: expected a known field/,
    ],
    [
      'a field of another type',
      () => Tts.create(anything({ ...config, heads: '2' })),
      TypeError,
      /tts: config: heads: expected a number, got "2"/,
    ],
    [
      'dimensions that do not fit',
      () => Tts.create(anything({ ...config, heads: 3 })),
      ConfigError,
      /heads: expected a divisor of d_model/,
    ],
    [
      'a NaN dimension',
      () => Tts.create(anything({ ...config, dModel: Number.NaN })),
      ConfigError,
      /dModel: expected an integer/,
    ],
    [
      'a dtype',
      () => Tts.create(config, anything({ dtype: 'f16' })),
      ConfigError,
      /dtype: expected f32 or f64, got "f16"/,
    ],
    [
      'a tensor of another kind',
      (t, b) => t.forward({ ...b, text: anything(t) }, ['hidden']),
      TypeError,
      /batch: text: expected a Tensor/,
    ],
    [
      'a missing tensor',
      (t, b) => t.forward({ ...b, text: anything(undefined) }, ['hidden']),
      ShapeError,
      /text: expected i32/,
    ],
    [
      'an unknown tensor',
      (t, b) => t.forward(anything({ ...b, speaker: b.text }), ['hidden']),
      ConfigError,
      /batch: speaker: /,
    ],
    [
      'an unknown part',
      (t, b) => t.forward(b, anything(['attention'])),
      ConfigError,
      /want: expected text, .*got "attention"/,
    ],
    [
      'an id out of range',
      async (t, b) => t.forward({ ...b, codes: await ints(Array(54).fill(99), [2, 3, 9]) }, ['hidden']),
      DataError,
      /codes/,
    ],
    [
      'a negative weight',
      (t, b) => t.lossBackward(b, { kind: 'supervised', alignmentWeight: -1 }),
      ConfigError,
      /supervised loss: alignment_weight: expected at least 0, got -1/,
    ],
    [
      'settings of a loss that does not count',
      (t, b) => t.lossBackward(b, { kind: 'supervised', alignmentLayers: [0] }),
      ConfigError,
      /alignment_weight: expected a weight for the layers or targets given, got 0/,
    ],
    [
      'an unknown loss',
      (t, b) => t.lossBackward(b, anything({ kind: 'contrastive' })),
      ConfigError,
      /kind: expected supervised, policy or preference/,
    ],
    [
      'a setting of another loss',
      (t, b) => t.lossBackward(b, anything({ kind: 'supervised', beta: 1 })),
      ConfigError,
      /loss: beta: /,
    ],
    [
      'a policy loss without advantages',
      (t, b) => t.lossBackward(b, anything({ kind: 'policy' })),
      ShapeError,
      /advantages: expected a tensor/,
    ],
    [
      'a choice',
      (t, b) => t.generate(promptsOf(b), anything({ heads: 'both' })),
      ConfigError,
      /heads: expected one of parallel, local/,
    ],
    [
      'a misspelt setting',
      (t, b) => t.generate(promptsOf(b), { sampling: anything({ temprature: 1 }) }),
      ConfigError,
      /sampling: temprature/,
    ],
    [
      'a model as optimizer settings',
      async (t) => Optimizer.create(t, anything({ momentum: 1 })),
      ConfigError,
      /optimizer: momentum/,
    ],
    [
      'an optimizer of no model',
      async () => Optimizer.create(anything({})),
      TypeError,
      /model: expected a model, got object/,
    ],
  ])('is refused: %s', async (_, make, ErrorClass, message) => {
    const call = Tts.create(config).then(async (tts) => make(tts, await batchOf(config)));
    await expect(call).rejects.toThrow(ErrorClass);
    await expect(call).rejects.toThrow(message);
  });

  it('is refused after dispose, but the optimizer keeps what it needs', async () => {
    const tts = await Tts.create(config);
    const optimizer = Optimizer.create(tts);
    const running = tts.lossBackward(await batchOf(config), supervised);
    tts.dispose();
    tts.dispose();
    expect((await running).loss).toBeGreaterThan(0);
    await expect(tts.forward(await batchOf(config), ['hidden'])).rejects.toThrow(DeviceError);
    await expect(tts.state()).rejects.toThrow(DeviceError);
    expect((await optimizer.step({ lr: 1e-3 })).gradNorm).toBeGreaterThan(0);
  });
});
