import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openSafetensors, writeSafetensors } from '@align2speak/weights';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { compareFolder } from '../src/golden.js';
import { relativeError } from '../src/golden-report.js';
import { main } from '../src/index.js';

const own = (path: string) => fileURLToPath(new URL(`../../../native/${path}`, import.meta.url));
const failures = async (folder: string) => {
  const { comparisons, unknown } = await compareFolder(folder, 'f32');
  expect(comparisons.length).toBeGreaterThan(10);
  return [...comparisons.filter(({ error, tolerance }) => !(error <= tolerance)).map(({ name }) => name), ...unknown];
};

describe('golden folders', () => {
  // The fourth, golden-prior, needs a prior in the policy loss, which only the core's own tests pass in.
  it.each(['codec/golden-small', 'tts/golden-koel', 'tts/golden-multi', 'tts/golden-stacked'])(
    '%s agrees',
    async (folder) => {
      expect(await failures(own(folder))).toEqual([]);
    },
  );

  const published =
    process.env.ALIGN2SPEAK_GOLDEN ?? fileURLToPath(new URL('../../../../shared/golden', import.meta.url));
  it.for(['magpie', 'nanocodec'])("%s, computed by NVIDIA's modules, agrees", async (name, context) => {
    const folder = join(published, name);
    if (!(await readFile(join(folder, 'README.json')).catch(() => undefined))) {
      context.skip(`no golden tensors in ${folder}; ALIGN2SPEAK_GOLDEN names their folder`);
    }
    expect(await failures(folder)).toEqual([]);
    const { comparisons } = await compareFolder(folder, 'f64');
    expect(Math.max(...comparisons.map(({ error }) => error))).toBeLessThan(1e-6);
  });
});

describe('a folder that is not right', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'golden-'));
    await cp(own('codec/golden-small'), folder, { recursive: true });
  });
  afterAll(() => rm(folder, { recursive: true }));

  const change = async (file: string, edit: (tensors: Map<string, Float64Array | Int32Array>) => void) => {
    const path = join(folder, file);
    const original = await readFile(path);
    const opened = await openSafetensors(path);
    const values = new Map<string, Float64Array | Int32Array>();
    for (const [name, { dtype }] of opened.tensors) {
      values.set(name, dtype.startsWith('I') ? await opened.int32(name) : await opened.float64(name));
    }
    const shapes = new Map([...opened.tensors].map(([name, { shape }]) => [name, shape]));
    await opened.close();
    edit(values);
    await writeSafetensors(
      path,
      [...values].map(([name, data]) => ({
        name,
        dtype: data instanceof Int32Array ? ('I32' as const) : ('F64' as const),
        shape: shapes.get(name) ?? [data.length],
        data,
      })),
    );
    return () => writeFile(path, original);
  };

  it('fails where one output is off by more than the tolerance', async () => {
    const restore = await change('io.safetensors', (tensors) => {
      const wav = tensors.get('out.wav')!;
      wav[3]! += 1e-3;
    });
    expect(await failures(folder)).toEqual(['out.wav']);
    expect(await main(['golden', folder])).toBe(1);
    await restore();
  });
  it('fails where one code differs', async () => {
    const restore = await change('io.safetensors', (tensors) => {
      const codes = tensors.get('out.codes')!;
      codes[0]! += 1;
    });
    expect(await failures(folder)).toEqual(['out.codes']);
    await restore();
  });
  it('fails where one gradient is another', async () => {
    const name = 'grad.audio_decoder.pre_conv.conv.bias';
    const restore = await change('grads.safetensors', (tensors) => {
      const bias = tensors.get(name)!;
      bias[0]! *= 1.01;
    });
    expect(await failures(folder)).toEqual([name]);
    await restore();
  });
  it('fails on tensors that nothing computes', async () => {
    const restore = await change('grads.safetensors', (tensors) => tensors.set('grad.nobody', new Float64Array(3)));
    expect(await failures(folder)).toEqual(['grad.nobody']);
    await restore();
  });
  it('is refused by name where a weight is missing', async () => {
    const restore = await change('weights.safetensors', (tensors) =>
      tensors.delete('audio_encoder.pre_conv.conv.bias'),
    );
    await expect(compareFolder(folder, 'f32')).rejects.toThrow(/audio_encoder\.pre_conv\.conv\.bias/);
    await restore();
  });
  it('passes once restored, by the command line too', async () => expect(await main(['golden', folder])).toBe(0));
});

describe('the relative error', () => {
  it('is relative to the largest golden value, and infinite for NaN and other sizes', () => {
    expect(relativeError([1, 2.5], [1, 2])).toBe(0.25);
    expect(relativeError([0.5], [0])).toBe(0.5);
    expect(relativeError([Number.NaN], [1])).toBe(Number.POSITIVE_INFINITY);
    expect(relativeError([1], [1, 2])).toBe(Number.POSITIVE_INFINITY);
  });
});

describe('the command line', () => {
  it('refuses what it does not know with exit code 2', async () => {
    expect(await main(['golden'])).toBe(2);
    expect(await main(['golden', 'x', '--dtype', 'f16'])).toBe(2);
    expect(await main(['golden', '/no/such/folder'])).toBe(1);
  });
});
