import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CheckpointError } from '@align2speak/contracts';
import { type Dtype, openSafetensors, type TensorToWrite, writeSafetensors } from '@align2speak/weights';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inFolder } from './folder.js';

const folder = inFolder();
const widths: Record<Dtype, number> = {
  F64: 8,
  F32: 4,
  F16: 2,
  BF16: 2,
  I64: 8,
  I32: 4,
  I16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
};

/** Opens a file and reads every tensor of it. */
async function readAll(path: string) {
  const file = await openSafetensors(path);
  try {
    const tensors = new Map<string, { dtype: Dtype; shape: readonly number[]; bytes: Uint8Array }>();
    for (const [name, { dtype, shape }] of file.tensors) {
      tensors.set(name, { dtype, shape, bytes: await file.bytes(name) });
    }
    return { tensors, metadata: file.metadata };
  } finally {
    await file.close();
  }
}

/** A file of the given header text and data. */
function fileOf(header: string | Uint8Array, dataSize: number, headerSize?: number): Uint8Array {
  const text = Buffer.from(header);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(headerSize ?? text.length));
  return Buffer.concat([prefix, text, Buffer.alloc(dataSize)]);
}

describe('openSafetensors', () => {
  it("reads what the format's own library wrote", async () => {
    const file = await openSafetensors(fileURLToPath(new URL('golden/reference.safetensors', import.meta.url)));
    expect(new Map(file.metadata)).toEqual(
      new Map([
        ['format', 'pt'],
        ['note', 'ü'],
      ]),
    );
    expect([...(await file.float64('f64'))]).toEqual([1, 1e300, -0.1, 2 ** -1074]);
    expect([...(await file.float32('f32'))]).toEqual([3.4028234663852886e38, -1.5, 1.401298464324817e-45]);
    const special = [0, -0, 1, -2.5, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    expect([...(await file.float32('f16'))]).toEqual([...special, 2 ** -24, 65_504]);
    expect([...(await file.float32('bf16'))]).toEqual([...special, 3.3895313892515355e38, 9.183549615799121e-41]);
    expect([...new BigInt64Array((await file.bytes('i64')).buffer)]).toEqual([2n ** 31n, -(2n ** 53n)]);
    expect([...(await file.int32('i32'))]).toEqual([-(2 ** 31), 2 ** 31 - 1]);
    expect([...(await file.int32('i16'))]).toEqual([-(2 ** 15), 2 ** 15 - 1]);
    expect([...(await file.int32('i8'))]).toEqual([-128, 127]);
    expect([...(await file.int32('u8'))]).toEqual([0, 255]);
    expect([...(await file.int32('bool'))]).toEqual([1, 0, 1]);
    expect(file.tensors.get('scalar')?.shape).toEqual([]);
    expect(file.tensors.get('empty')?.shape).toEqual([2, 0, 3]);
    expect([...(await file.float32('empty'))]).toEqual([]);
    expect([...(await file.float32('näme/"quoted"'))]).toEqual([1]);
    expect(file.tensors.size).toBe(13);
    await file.close();
  });

  const f32 = (begin: number, end: number, more = '') =>
    `{"dtype":"F32","shape":[2],"data_offsets":[${begin},${end}]${more}}`;
  it.each([
    [
      'an overlap',
      fileOf(`{"a":${f32(0, 8)},"b":${f32(4, 12)}}`, 12),
      'b: data_offsets: expected a begin of 8, where the tensor before it ends, got 4',
    ],
    [
      'a hole',
      fileOf(`{"a":${f32(0, 8)},"b":${f32(12, 20)}}`, 20),
      'b: data_offsets: expected a begin of 8, where the tensor before it ends, got 12',
    ],
    [
      'a hole at the start',
      fileOf(`{"a":${f32(4, 12)}}`, 12),
      'a: data_offsets: expected a begin of 0, where the tensor before it ends, got 4',
    ],
    ['a tensor beyond the end', fileOf(`{"a":${f32(0, 8)}}`, 7), 'file: expected 8 bytes of tensor data, got 7'],
    ['bytes after the last tensor', fileOf(`{"a":${f32(0, 8)}}`, 9), 'file: expected 8 bytes of tensor data, got 9'],
    [
      'offsets that disagree with the shape',
      fileOf(`{"a":${f32(0, 4)}}`, 4),
      'a: data_offsets: expected 8 bytes for F32 [2], got 4',
    ],
    [
      'a shape whose size overflows',
      fileOf('{"a":{"dtype":"U8","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,0]}}', 0),
      'a: data_offsets: expected 7.922816251426434e+28 bytes for U8 [4294967296,4294967296,4294967296], got 0',
    ],
    [
      'a fractional size',
      fileOf('{"a":{"dtype":"U8","shape":[0.5],"data_offsets":[0,0]}}', 0),
      'a: shape: expected a list of sizes, got [0.5]',
    ],
    [
      'a negative size',
      fileOf('{"a":{"dtype":"U8","shape":[-1,-1],"data_offsets":[0,1]}}', 1),
      'a: shape: expected a list of sizes, got [-1,-1]',
    ],
    [
      'a size as text',
      fileOf('{"a":{"dtype":"U8","shape":["1"],"data_offsets":[0,1]}}', 1),
      'a: shape: expected a list of sizes, got ["1"]',
    ],
    [
      'one offset',
      fileOf('{"a":{"dtype":"U8","shape":[],"data_offsets":[1]}}', 1),
      'a: data_offsets: expected two byte offsets, got [1]',
    ],
    [
      'an unknown type',
      fileOf('{"a":{"dtype":"toString","shape":[],"data_offsets":[0,1]}}', 1),
      'a: dtype: expected one of F64 F32 F16 BF16 I64 I32 I16 I8 U8 BOOL, got toString',
    ],
    [
      'an unknown field',
      fileOf(`{"a":${f32(0, 8, ',"offset":0')}}`, 8),
      'a: expected dtype, shape and data_offsets alone, got offset',
    ],
    [
      'a name used twice',
      fileOf(`{"a":${f32(0, 8)},"\\u0061" : ${f32(8, 16)}}`, 16),
      'a: expected one entry of this name, got two',
    ],
    [
      'a field given twice',
      fileOf('{"a":{"dtype":"U8","dtype":"I8","shape":[],"data_offsets":[0,1]}}', 1),
      'dtype: expected one entry of this name, got two',
    ],
    ['an entry that is no object', fileOf('{"a":[1]}', 0), 'a: expected an object, got [1]'],
    ['a header that is no object', fileOf('[]', 0), 'header: expected an object, got []'],
    ['a header that is null', fileOf('null', 0), 'header: expected an object, got null'],
    [
      'metadata that is no text',
      fileOf('{"__metadata__":{"step":3}}', 0),
      '__metadata__.step: expected a string, got 3',
    ],
    [
      'a header that is not UTF-8',
      fileOf(Uint8Array.of(0x7b, 0xff, 0x7d), 0),
      /header: expected JSON in UTF-8, got .+/,
    ],
    ['a header that is not JSON', fileOf('{"a":}', 0), /header: expected JSON in UTF-8, got .+/],
    ['a header larger than the file', fileOf('{}', 0, 3), 'header size: expected at most 2 bytes, got 3 bytes'],
    [
      'a header larger than any',
      fileOf('{}', 0, 2 ** 60),
      'header size: expected at most 2 bytes, got 1152921504606847000 bytes',
    ],
    ['a file without a header', new Uint8Array(7), 'header size: expected 8 bytes, got the end of the file after 7'],
    ['an empty file', new Uint8Array(0), 'header size: expected 8 bytes, got the end of the file after 0'],
  ])('refuses %s', async (_, bytes, message) => {
    const path = folder.path('bad.safetensors');
    writeFileSync(path, bytes);
    const error: Error = await readAll(path).then(
      () => expect.fail('was read'),
      (error) => error,
    );
    expect(error).toBeInstanceOf(CheckpointError);
    if (typeof message === 'string') expect(error.message).toBe(`${path}: ${message}`);
    else expect(error.message).toMatch(message);
  });

  it('refuses what is missing, a folder, and a tensor that is not there', async () => {
    const missing = folder.path('missing');
    await expect(openSafetensors(missing)).rejects.toThrow(
      `${missing}: file: expected one that can be read, got ENOENT`,
    );
    await expect(openSafetensors(folder.root())).rejects.toThrow('file: expected a regular file, got something else');
    const path = folder.path('empty.safetensors');
    await writeSafetensors(path, []);
    const file = await openSafetensors(path);
    await expect(file.float32('w')).rejects.toThrow(`${path}: w: expected a tensor of this name, got none`);
    await file.close();
  });

  it('names the tensor when the file shrinks after it was opened', async () => {
    const path = folder.path('shrinks.safetensors');
    await writeSafetensors(path, [{ name: 'w', dtype: 'F32', shape: [4], data: new Float32Array(4) }]);
    const file = await openSafetensors(path);
    truncateSync(path, readFileSync(path).length - 4);
    await expect(file.float32('w')).rejects.toThrow(`${path}: w: expected 16 bytes, got the end of the file after 12`);
    await file.close();
  });

  it('turns any corruption into a CheckpointError naming the file, or reads tensors as large as the table says', async () => {
    const path = folder.path('fuzz.safetensors');
    const tensors: TensorToWrite[] = [
      { name: 'w', dtype: 'F32', shape: [2, 3], data: new Float32Array(6) },
      { name: 'ids', dtype: 'I64', shape: [2], data: new BigInt64Array(2) },
      { name: 'on', dtype: 'BOOL', shape: [], data: new Uint8Array(1) },
    ];
    await writeSafetensors(path, tensors, { format: 'pt' });
    const sound = readFileSync(path);
    const at = fc.nat(sound.length - 1);
    const alphabet = fc.constantFrom(...Buffer.from('{}[]",:0123456789eE.-\\uF64I32'), 0, 0x7f, 0x80, 0xff);
    const patch = fc.record({ at, remove: fc.nat(4), insert: fc.array(alphabet, { maxLength: 4 }) });
    const outcomes = { read: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(patch, { minLength: 1, maxLength: 3 }), fc.option(at), async (patches, cut) => {
        let bytes = [...sound];
        for (const { at, remove, insert } of patches) bytes.splice(at, remove, ...insert);
        if (cut !== null) bytes = bytes.slice(0, cut);
        writeFileSync(path, Uint8Array.from(bytes));
        try {
          const { tensors } = await readAll(path);
          for (const { dtype, shape, bytes } of tensors.values()) {
            expect(bytes.length).toBe(shape.reduce((a, b) => a * b, widths[dtype]));
          }
          outcomes.read++;
        } catch (error) {
          expect(error).toBeInstanceOf(CheckpointError);
          expect((error as Error).message.startsWith(`${path}: `)).toBe(true);
          outcomes.refused++;
        }
      }),
      { numRuns: 3000 },
    );
    expect(outcomes.read).toBeGreaterThan(0);
    expect(outcomes.refused).toBeGreaterThan(0);
  });
});

describe('writeSafetensors', () => {
  const tensor = fc
    .record({
      name: fc.string({ unit: 'binary' }).filter((name) => name !== '__metadata__'),
      dtype: fc.constantFrom(...(Object.keys(widths) as Dtype[])),
      shape: fc.array(fc.nat(4), { maxLength: 3 }),
      seed: fc.nat(255),
    })
    .map(({ name, dtype, shape, seed }): TensorToWrite => {
      const size = shape.reduce((a, b) => a * b, widths[dtype]);
      return { name, dtype, shape, data: new Uint8Array(size).map((_, i) => seed + i) };
    });
  const tensors = fc.uniqueArray(tensor, { selector: ({ name }) => name, maxLength: 6 });
  const metadata = fc.dictionary(fc.string(), fc.string(), { maxKeys: 3 });

  it('is undone by openSafetensors, whatever the names, types and shapes', async () => {
    const path = folder.path('round.safetensors');
    await fc.assert(
      fc.asyncProperty(tensors, metadata, async (written, metadata) => {
        await writeSafetensors(path, written, metadata);
        const read = await readAll(path);
        expect(new Map(read.metadata)).toEqual(new Map(Object.entries(metadata)));
        const expected = written.map(({ name, dtype, shape, data }) => [name, { dtype, shape, bytes: data }] as const);
        expect(read.tensors).toEqual(new Map(expected));
      }),
    );
  });

  it('gives the same bytes in any order, each tensor aligned to its element', async () => {
    const [one, two] = [folder.path('one'), folder.path('two')];
    await fc.assert(
      fc.asyncProperty(tensors, async (written) => {
        await writeSafetensors(one, written, { b: '1', a: '2' });
        await writeSafetensors(two, [...written].reverse(), { a: '2', b: '1' });
        const bytes = readFileSync(one);
        expect(readFileSync(two).equals(bytes)).toBe(true);
        const dataStart = 8 + Number(bytes.readBigUInt64LE());
        const header = JSON.parse(bytes.subarray(8, dataStart).toString());
        for (const { name, dtype } of written) {
          expect((dataStart + header[name].data_offsets[0]) % widths[dtype]).toBe(0);
        }
      }),
    );
  });

  it('refuses data that does not fill its shape, and a name used twice', async () => {
    const path = folder.path('refused');
    const data = new Float32Array(3);
    await expect(writeSafetensors(path, [{ name: 'w', dtype: 'F32', shape: [2, 2], data }])).rejects.toMatchObject({
      name: 'ShapeError',
      message: `${path}: w: expected 16 bytes for F32 [2,2], got 12`,
    });
    const w: TensorToWrite = { name: 'w', dtype: 'F32', shape: [3], data };
    await expect(writeSafetensors(path, [w, w])).rejects.toThrow(
      'w: expected a name of its own, got one already taken',
    );
    await expect(writeSafetensors(path, [{ ...w, name: '__metadata__' }])).rejects.toThrow(CheckpointError);
    expect(readdirSync(folder.root())).not.toContain('refused');
  });

  it('leaves nothing behind where it fails', async () => {
    const path = folder.path('taken');
    mkdirSync(path);
    writeFileSync(`${path}/file`, '');
    const before = readdirSync(folder.root());
    await expect(writeSafetensors(path, [])).rejects.toThrow(`${path}: file: expected to be written, got `);
    expect(readdirSync(folder.root())).toEqual(before);
    const nowhere = folder.path('no/such/folder');
    await expect(writeSafetensors(nowhere, [])).rejects.toThrow(`${nowhere}: file: expected to be written, got ENOENT`);
  });
});
