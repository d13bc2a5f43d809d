import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { DataError } from '@align2speak/contracts';
import { Tensor } from '@align2speak/native';
import { readModelFolder, writeModelFolder } from '@align2speak/weights';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { inFolder } from './folder.js';

const folder = inFolder();
const schema = z.strictObject({ size: z.int() });
const card = { kind: 'toy', config: { size: 3 }, card: { command: 'make toy' } };
const values = Float32Array.of(0.1, -2.5, 65519, 1e-8, 3, 1 / 3);
const toy = async () => ({
  w: await Tensor.from(values, [2, 3]),
  ids: await Tensor.from(Int32Array.of(1, -7), [2]),
});

describe('model folders', () => {
  it('give configuration, card and tensors back, in F32 to the bit', async () => {
    const path = folder.path('f32');
    await writeModelFolder(path, await toy(), card);
    const found = await readModelFolder(path, 'toy', schema);
    expect(found.config).toEqual({ size: 3 });
    expect(found.card).toEqual({ command: 'make toy' });
    expect(found.tensors.w!.shape).toEqual([2, 3]);
    expect(await found.tensors.w!.toArray()).toEqual(values);
    expect(await found.tensors.ids!.toArray()).toEqual(Int32Array.of(1, -7));
  });

  it('round to 11 bits in F16; what was rounded once stays as it is', async () => {
    await writeModelFolder(folder.path('f16'), await toy(), { ...card, storage: 'F16' });
    const { tensors } = await readModelFolder(folder.path('f16'), 'toy', schema);
    const once = (await tensors.w!.toArray()) as Float32Array;
    once.forEach((value, i) => {
      expect(Math.abs(value - values[i]!)).toBeLessThanOrEqual(Math.max(2 ** -25, Math.abs(values[i]!) * 2 ** -11));
    });
    expect(once[0]).not.toBe(values[0]);
    await writeModelFolder(folder.path('again'), tensors, { ...card, storage: 'F16' });
    const { tensors: twice } = await readModelFolder(folder.path('again'), 'toy', schema);
    expect(await twice.w!.toArray()).toEqual(once);
    const [a, b] = ['f16', 'again'].map((name) => readFileSync(folder.path(`${name}/weights.safetensors`)));
    expect(a).toEqual(b);
  });

  it.each([
    ['NaN', Number.NaN, 'F32', 'w: element 1: expected a weight that F32 can hold, got NaN'],
    ['a weight beyond F16', -65520, 'F16', 'w: element 1: expected a weight that F16 can hold, got -65520'],
  ] as const)('refuse %s and stay as they were', async (_, bad, storage, message) => {
    const path = folder.path(`kept ${storage}`);
    await writeModelFolder(path, await toy(), card);
    const before = readFileSync(`${path}/weights.safetensors`);
    const broken = { w: await Tensor.from(Float32Array.of(0, bad), [2]) };
    const written = writeModelFolder(path, broken, { ...card, storage });
    await expect(written).rejects.toThrow(
      new DataError({ where: 'w', what: 'element 1', expected: `a weight that ${storage} can hold`, got: String(bad) }),
    );
    await expect(written).rejects.toThrow(message);
    expect(readFileSync(`${path}/weights.safetensors`)).toEqual(before);
    expect(readdirSync(folder.root()).filter((name) => name.includes('.tmp'))).toEqual([]);
  });

  it.each([
    ['no folder', undefined, /none\/model\.json: file: expected a model, got ENOENT\nhint: /],
    ['text', 'hello', /model\.json: file: expected JSON/],
    ['null', 'null', /model\.json: kind: expected toy, got undefined/],
    ['another kind', '{"kind":"tts","config":{}}', /model\.json: kind: expected toy, got tts/],
  ])('refuse %s', async (name, text, message) => {
    const path = folder.path(text === undefined ? 'none' : name);
    if (text !== undefined) {
      mkdirSync(path);
      writeFileSync(`${path}/model.json`, text);
    }
    await expect(readModelFolder(path, 'toy', schema)).rejects.toThrow(message);
  });

  it('name the field of a configuration that cannot be', async () => {
    await writeModelFolder(folder.path('odd'), await toy(), { ...card, config: { size: 'large' } });
    await expect(readModelFolder(folder.path('odd'), 'toy', schema)).rejects.toThrow(
      /odd\/model\.json: size: expected a number, got "large"|odd\/model\.json: size: expected an integer, got "large"/,
    );
  });
});
