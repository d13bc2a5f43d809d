import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeCodes, encodeWavs, hopLengthOf, loadCodec } from '@align2speak/codec';
import { codecConfig, parseConfig, randomAt } from '@align2speak/contracts';
import { Codec, Tensor } from '@align2speak/native';
import { writeModelFolder } from '@align2speak/weights';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const config = parseConfig(
  codecConfig,
  {
    encoderChannels: 4,
    decoderChannels: 64,
    downSampleRates: [2, 2, 4, 4, 8],
    upSampleRates: [8, 4, 4, 2, 2],
    ...{ groups: 2, levels: [5, 4], latent: 4, resKernels: [3], resDilations: [1] },
  },
  'test',
);
let folder = '';
let codec: Codec;
/** More than one native call takes, of all lengths, below a frame too. */
const wavs = Array.from({ length: 21 }, (_, b) =>
  Float32Array.from(
    { length: [6000, 100, 2048, 3001][b % 4]! + b },
    (_, i) => 0.4 * Math.sin(i / (5 + b)) + 0.2 * randomAt(b, i),
  ),
);
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'codec-'));
  codec = await Codec.create(config, { seed: 3 });
  // As it comes, a random encoder gives one code for everything.
  const gain = 'audio_encoder.post_conv.conv.parametrizations.weight.original0';
  const tensors = await codec.state();
  const louder = (await tensors[gain]!.toArray()).map((value) => 40 * value) as Float32Array;
  await codec.load({ ...tensors, [gain]: await Tensor.from(louder, tensors[gain]!.shape) });
});
afterAll(() => {
  codec.dispose();
  rmSync(folder, { recursive: true });
});

describe('a batch', () => {
  it('has the codes that each waveform has alone, of ceil(samples / hop) frames', async () => {
    const codes = await encodeWavs(codec, wavs);
    expect(hopLengthOf(codec)).toBe(512);
    expect(codes.map(({ frames }) => frames)).toEqual(wavs.map(({ length }) => Math.ceil(length / 512)));
    expect(new Set(codes[0]!.data).size).toBeGreaterThan(1);
    for (const [i, wav] of wavs.entries()) expect([i, await encodeWavs(codec, [wav])]).toEqual([i, [codes[i]]]);
  });

  it('is heard as each item alone', async () => {
    const codes = await encodeWavs(codec, wavs);
    const heard = await decodeCodes(codec, codes);
    for (const [i, wav] of heard.entries()) {
      expect(wav.length).toBe(512 * codes[i]!.frames);
      const [alone] = await decodeCodes(codec, [codes[i]!]);
      wav.forEach((sample, s) => {
        if (Math.abs(sample - alone![s]!) > 1e-6) expect.fail(`item ${i}, sample ${s}: ${sample}, alone ${alone![s]}`);
      });
    }
  });
});

it('a model folder gives the codec back', async () => {
  await writeModelFolder(join(folder, 'codec'), await codec.state(), { kind: 'codec', config });
  const loaded = await loadCodec(join(folder, 'codec'));
  expect(loaded.config).toEqual(config);
  expect(await encodeWavs(loaded, wavs)).toEqual(await encodeWavs(codec, wavs));
  loaded.dispose();
  await expect(loadCodec(join(folder, 'none'))).rejects.toThrow(
    /none\/model\.json: file: expected a model, got ENOENT/,
  );
});
