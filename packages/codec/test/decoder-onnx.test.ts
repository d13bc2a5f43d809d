import { decodeCodes, decoderToOnnx } from '@align2speak/codec';
import { type CodecConfig, codecConfig, parseConfig, randomIndex } from '@align2speak/contracts';
import { Codec, Tensor } from '@align2speak/native';
import { InferenceSession, Tensor as OnnxTensor } from 'onnxruntime-node';
import { expect, it } from 'vitest';

const small = {
  encoderChannels: 4,
  ...{ downSampleRates: [2, 4, 8], upSampleRates: [8, 2, 4], decoderChannels: 32 },
};
const configs: [string, object][] = [
  ['one kernel', { ...small, groups: 2, levels: [5, 4], latent: 4, resKernels: [3], resDilations: [1, 3] }],
  ['several kernels', { ...small, groups: 3, levels: [3, 7, 2], latent: 9, resKernels: [3, 7], resDilations: [1] }],
];

async function weightsOf(codec: Codec) {
  const arrays = Object.entries(await codec.state()).map(async ([name, tensor]) => {
    return [name, { shape: tensor.shape, data: (await tensor.toArray()) as Float32Array }] as const;
  });
  return Object.fromEntries(await Promise.all(arrays));
}

const codesOf = ({ groups, levels }: CodecConfig, frames: number) => ({
  frames,
  data: Int32Array.from({ length: groups * frames }, (_, i) =>
    randomIndex(
      levels.reduce((a, b) => a * b, 1),
      frames,
      i,
    ),
  ),
});

it.each(configs)('decodes what the core decodes: %s', async (_, settings) => {
  const config = parseConfig(codecConfig, settings, 'test');
  const codec = await Codec.create(config, { seed: 7 });
  const state: Record<string, Tensor> = { ...(await codec.state()) };
  // Frequencies that are not all alike.
  for (const [name, { shape }] of Object.entries(state))
    if (name.endsWith('alpha'))
      state[name] = await Tensor.from(
        Float32Array.from({ length: shape[1]! }, (_, i) => 0.5 + 0.1 * (i % 7)),
        shape,
      );
  await codec.load(state);
  const weights = await weightsOf(codec);
  const session = await InferenceSession.create(decoderToOnnx(config, weights));
  for (const frames of [1, 13]) {
    const codes = codesOf(config, frames);
    const [want] = await decodeCodes(codec, [codes]);
    const input = new OnnxTensor('int64', BigInt64Array.from(codes.data, BigInt), [1, config.groups, frames]);
    const { wav } = await session.run({ codes: input });
    const got = wav!.data as Float32Array;
    expect(got.length).toBe(want!.length);
    const largest = Math.max(...want!.map(Math.abs));
    expect(largest).toBeGreaterThan(0.01);
    expect(Math.max(...got.map((value, i) => Math.abs(value - want![i]!))) / largest).toBeLessThan(1e-5);
  }
  await session.release();
  codec.dispose();
});

it('names a weight that is missing, and one of another shape', async () => {
  const config = parseConfig(codecConfig, configs[0]![1], 'test');
  const codec = await Codec.create(config);
  const weights = await weightsOf(codec);
  codec.dispose();
  const name = 'audio_decoder.post_conv.conv.bias';
  const { [name]: bias, ...others } = weights;
  expect(() => decoderToOnnx(config, others)).toThrow(`codec: ${name}: expected a weight of this name, got none`);
  expect(() => decoderToOnnx(config, { ...others, [name]: { ...bias!, shape: [2] } })).toThrow(
    `codec: ${name}: expected [1], got [2]`,
  );
});
