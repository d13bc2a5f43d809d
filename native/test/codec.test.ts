import {
  CheckpointError,
  ConfigError,
  codecConfig,
  DeviceError,
  discriminatorConfig,
  parseConfig,
  ShapeError,
} from '@align2speak/contracts';
import { Codec, Discriminators, Optimizer, Tensor } from '@align2speak/native';
import { describe, expect, it } from 'vitest';
import { ints } from './tiny-tts.js';

const config = parseConfig(
  codecConfig,
  {
    sampleRate: 8000,
    encoderChannels: 2,
    decoderChannels: 16,
    downSampleRates: [2, 4],
    upSampleRates: [4, 2],
    latent: 6,
    groups: 3,
    levels: [5, 4],
  },
  'test',
);
const hop = 8;

const wave = (samples: number) => Float32Array.from({ length: samples }, (_, i) => 0.5 * Math.sin(i * i * 0.001));

describe('codec', () => {
  it('encodes and decodes ragged batches as it does each item alone', async () => {
    const codec = await Codec.create(config, { seed: 1 });
    const [S, short] = [101, 37];
    const batch = new Float32Array(2 * S).fill(9);
    batch.set(wave(S));
    batch.set(wave(short), S);
    const { codes, frames } = await codec.encode(await Tensor.from(batch, [2, S]), await ints([S, short], [2]));
    expect(codes.shape).toEqual([2, 3, Math.ceil(S / hop)]);
    expect([...(await frames.toArray())]).toEqual([13, 5]);

    const alone = await codec.encode(await Tensor.from(wave(short), [1, short]));
    const [all, single] = [await codes.toArray(), await alone.codes.toArray()];
    for (let k = 0; k < 3; k++) {
      const row = all.slice((3 + k) * 13, (4 + k) * 13);
      expect([...row]).toEqual([...single.slice(k * 5, (k + 1) * 5), ...Array(8).fill(0)]);
    }

    const wav = await codec.decode(codes, frames);
    expect(wav.shape).toEqual([2, 13 * hop]);
    const second = (await wav.toArray()).slice(13 * hop);
    expect(second.slice(0, 5 * hop)).toEqual(await (await codec.decode(alone.codes)).toArray());
    expect(second.slice(5 * hop).every((value) => value === 0)).toBe(true);
  });

  it('decodes with weights that were loaded after others were used', async () => {
    const [codec, other] = [await Codec.create(config, { seed: 2 }), await Codec.create(config, { seed: 3 })];
    const codes = await ints([0, 5, 10, 15, 3, 8], [1, 3, 2]);
    const decoded = async (model: Codec) => await (await model.decode(codes)).toArray();
    const expected = await decoded(other);
    expect(await decoded(codec)).not.toEqual(expected);
    await codec.load(await other.state());
    expect(await decoded(codec)).toEqual(expected);
  });

  it('decodes in portions what it decodes at once', async () => {
    const codec = await Codec.create(config, { seed: 2 });
    const stream = await codec.stream(2);
    const T = 11;
    const ids = Int32Array.from({ length: 2 * 3 * T }, (_, i) => (i * 7) % 20);
    const whole = await (await codec.decode(await Tensor.from(ids, [2, 3, T]))).toArray();
    const portion = (begin: number, end: number) =>
      ints(
        [0, 1, 2, 3, 4, 5].flatMap((row) => [...ids.slice(row * T + begin, row * T + end)]),
        [2, 3, end - begin],
      );
    for (const [begin, end] of [
      [0, 1],
      [1, 6],
      [6, 11],
    ] as const) {
      const wav = await (await stream.decode(await portion(begin, end))).toArray();
      const n = (end - begin) * hop;
      for (const b of [0, 1]) {
        const expected = whole.slice((b * T + begin) * hop, (b * T + end) * hop);
        for (let i = 0; i < n; i++) expect(wav[b * n + i]).toBeCloseTo(expected[i]!, 5);
      }
    }
    await stream.restart(0);
    await expect(stream.restart(2)).rejects.toThrow('codec stream: index: expected below 2, got 2');
    await expect(stream.decode(await ints([0, 0, 0], [1, 3, 1]))).rejects.toThrow(ShapeError);
    stream.dispose();
    await expect(stream.restart(0)).rejects.toThrow(DeviceError);
  });

  it('has the published state, constants included', async () => {
    const codec = await Codec.create(config, { seed: 3 });
    const state = await codec.state();
    expect(state).toHaveProperty(['audio_decoder.post_conv.conv.parametrizations.weight.original1']);
    expect([...(await state['vector_quantizer.fsqs.2.dim_base_index']!.toArray())]).toEqual([1, 5]);
    const other = await Codec.create(config, { seed: 4 });
    expect(await other.load(state)).toEqual([]);
    const codes = await ints([3, 4, 5], [1, 3, 1]);
    expect(await (await other.decode(codes)).toArray()).toEqual(await (await codec.decode(codes)).toArray());

    const wrong = { ...state, 'vector_quantizer.fsqs.0.num_levels': await ints([5, 5], [1, 2, 1]) };
    await expect(other.load(wrong)).rejects.toThrow(CheckpointError);
    await expect(other.load(wrong)).rejects.toThrow('num_levels: expected 5,4, got 5,5');
  });

  it('learns to reconstruct', async () => {
    const codec = await Codec.create(config, { seed: 5 });
    const optimizer = Optimizer.create(codec, { weightDecay: 0 });
    const batch = { wav: await Tensor.from(wave(160), [2, 80]), samples: await ints([80, 61], [2]) };
    const losses: number[] = [];
    for (let i = 0; i < 40; i++) {
      await codec.zeroGrad();
      losses.push((await codec.lossBackward(batch, { waveform: 1 })).loss);
      await optimizer.step({ lr: 3e-3, clipNorm: 1 });
    }
    expect(losses.at(-1)!).toBeLessThan(losses[0]! / 2);
    const spectral = (loss: { mel?: number; stft?: number }) =>
      codec.lossBackward(batch, loss).then((result) => result.loss);
    const [mel, stft] = [await spectral({ mel: 1 }), await spectral({ stft: 1 })];
    expect(mel * stft).toBeGreaterThan(0);
    expect(await spectral({ mel: 1, stft: 20 })).toBeCloseTo(mel + 20 * stft, 4);
    const parts = await codec.forward(batch.wav, batch.samples);
    expect(Object.fromEntries(Object.entries(parts).map(([name, { shape }]) => [name, shape]))).toEqual({
      latent: [2, 6, 10],
      codes: [2, 3, 10],
      frames: [2],
      dequantized: [2, 6, 10],
      wav: [2, 80],
    });
    await expect(codec.lossBackward(batch, {})).rejects.toThrow(ConfigError);
    await expect(codec.lossBackward(batch, { spectral: 1 } as object)).rejects.toThrow(
      'codec: loss: spectral: expected a known',
    );
  });

  it('trains under noise: the same for the same step, with the codes of a step without', async () => {
    const codec = await Codec.create(config, { seed: 6 });
    const wav = await Tensor.from(wave(160), [2, 80]);
    const train = async (noise?: { seed: number; step: number; codes: number }) => {
      await codec.zeroGrad();
      const { loss, codes } = await codec.lossBackward({ wav }, { waveform: 1, noise });
      const encoder = (await codec.gradients())['audio_encoder.pre_conv.conv.bias']!;
      return {
        loss,
        codes: await codes.toArray(),
        encoder: Math.hypot(...((await encoder.toArray()) as Float32Array)),
      };
    };
    const [plain, none] = [await train(), await train({ seed: 1, step: 0, codes: 0 })];
    expect(none).toEqual(plain);
    const [first, again, next] = [
      await train({ seed: 1, step: 2, codes: 1 }),
      await train({ seed: 1, step: 2, codes: 1 }),
      await train({ seed: 1, step: 3, codes: 1 }),
    ];
    expect(first).toEqual(again);
    expect(next.loss).not.toBe(first.loss);
    expect(first.loss).not.toBe(plain.loss);
    expect(first.codes).toEqual(plain.codes);
    expect(first.encoder).toBeGreaterThan(0);
    expect(first.encoder).not.toBe(plain.encoder);
    await expect(train({ seed: 1, step: 0, codes: 1.5 })).rejects.toThrow('codec: noise: codes: expected 0 to 1');
  });

  it('learns with a frozen encoder what its codes sound like: only the decoder has gradients, and the same ones', async () => {
    const codec = await Codec.create(config, { seed: 6 });
    const wav = await Tensor.from(wave(160), [2, 80]);
    const train = async (frozenEncoder: boolean) => {
      await codec.zeroGrad();
      const { loss, codes } = await codec.lossBackward({ wav }, { mel: 1, frozenEncoder });
      const gradients: Record<string, Float32Array> = {};
      for (const [name, tensor] of Object.entries(await codec.gradients()))
        gradients[name] = (await tensor.toArray()) as Float32Array;
      return { loss, codes: await codes.toArray(), gradients };
    };
    const [free, frozen] = [await train(false), await train(true)];
    expect([frozen.loss, frozen.codes]).toEqual([free.loss, free.codes]);
    const isEncoders = (name: string) => name.startsWith('audio_encoder');
    const moved = (gradient: Float32Array) => gradient.some((value) => value !== 0);
    expect(Object.entries(free.gradients).filter(([name, each]) => isEncoders(name) && moved(each))).not.toEqual([]);
    for (const [name, gradient] of Object.entries(free.gradients))
      expect(frozen.gradients[name]).toEqual(isEncoders(name) ? new Float32Array(gradient.length) : gradient);
  });

  it('learns against discriminators, which learn to tell its speech from recordings', async () => {
    const codec = await Codec.create(config, { seed: 5 });
    const networks = parseConfig(
      discriminatorConfig,
      { periods: [2, 3], periodChannels: [2, 3], windows: [256], bandEdges: [0, 0.5, 1], bandChannels: 2 },
      'test',
    );
    const discriminators = await Discriminators.create(networks, { seed: 3 });
    const optimizer = Optimizer.create(discriminators, { weightDecay: 0 });
    const recorded = await Tensor.from(wave(1200), [2, 600]);
    const judged = { discriminators, adversarial: 1, features: 1 };
    const { loss: before, wav: decoded } = await codec.lossBackward({ wav: recorded }, judged);
    const losses: number[] = [];
    for (let i = 0; i < 100; i++) {
      await discriminators.zeroGrad();
      losses.push((await discriminators.lossBackward({ recorded, decoded })).loss);
      await optimizer.step({ lr: 3e-3, clipNorm: 1 });
    }
    expect(losses.at(-1)!).toBeLessThan(losses[0]! / 2);
    const { loss: after } = await codec.lossBackward({ wav: recorded }, judged);
    expect(after).toBeGreaterThan(before);
    // The two terms are what the sum is made of, and the codec's own step changes nothing in the networks.
    const term = (loss: object) =>
      codec.lossBackward({ wav: recorded }, { discriminators, ...loss }).then(({ loss: value }) => value);
    expect((await term({ adversarial: 1 })) + (await term({ features: 1 }))).toBeCloseTo(after, 4);
    await discriminators.zeroGrad();
    await codec.lossBackward({ wav: recorded }, judged);
    for (const gradient of Object.values(await discriminators.gradients()))
      expect((await gradient.toArray()).every((value) => value === 0)).toBe(true);

    await expect(codec.lossBackward({ wav: recorded }, { adversarial: 1 })).rejects.toThrow('expected discriminators');
    await expect(codec.lossBackward({ wav: recorded }, { ...judged, discriminators: codec as never })).rejects.toThrow(
      'codec: discriminators: expected Discriminators',
    );
    const short = await Tensor.from(wave(1200), [1, 1200]);
    await expect(discriminators.lossBackward({ recorded, decoded: short })).rejects.toThrow(ShapeError);
    await expect(Discriminators.create({ ...networks, periods: [], bandEdges: [0] })).rejects.toThrow(
      'periods and bands: expected at least one network',
    );
    discriminators.dispose();
    await expect(discriminators.lossBackward({ recorded, decoded })).rejects.toThrow(DeviceError);
  });

  it.each([
    ['codes of another shape', [1, 2, 1], [0, 0], /codes|codebooks/],
    ['codes out of range', [1, 3, 1], [0, 0, 20], /20/],
  ])('refuses %s', async (_, shape, values, message) => {
    const codec = await Codec.create(config);
    const call = codec.decode(await ints(values, shape));
    await expect(call).rejects.toThrow(ShapeError);
    await expect(call).rejects.toThrow(message);
  });
});
