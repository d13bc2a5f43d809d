import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CheckpointError } from '@align2speak/contracts';
import { openNemo, openSafetensors, openTorch, type WeightsFile } from '@align2speak/weights';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { inFolder } from './folder.js';

const folder = inFolder();
const golden = (name: string) => fileURLToPath(new URL(`golden/${name}`, import.meta.url));

async function readAll(file: WeightsFile): Promise<Map<string, Uint8Array>> {
  const tensors = new Map<string, Uint8Array>();
  try {
    for (const name of file.tensors.keys()) tensors.set(name, await file.bytes(name));
  } finally {
    await file.close();
  }
  return tensors;
}

describe('openTorch', () => {
  it('reads every storage type as safetensors does', async () => {
    const torch = await openTorch(golden('reference.ckpt'));
    const safe = await openSafetensors(golden('reference.safetensors'));
    for (const [name, info] of safe.tensors) {
      expect([name, torch.tensors.get(name)]).toEqual([name, { dtype: info.dtype, shape: info.shape }]);
      expect([name, await torch.bytes(name)]).toEqual([name, await safe.bytes(name)]);
    }
    expect(torch.tensors.size).toBe(safe.tensors.size + 7);
    await torch.close();
    await safe.close();
  });

  it('brings views into C order: shared, sliced, transposed, stepped and repeated', async () => {
    const file = await openTorch(golden('reference.ckpt'));
    const counting = Array.from({ length: 24 }, (_, i) => i);
    expect([...(await file.float32('tied.a'))]).toEqual(counting);
    expect([...(await file.float32('tied.b'))]).toEqual(counting);
    expect([...(await file.float32('slice'))]).toEqual(counting.slice(16));
    expect(file.tensors.get('transposed')?.shape).toEqual([4, 3, 2]);
    const transposed = [0, 1, 2, 3].flatMap((k) => [0, 1, 2].flatMap((j) => [0, 1].map((i) => 12 * i + 4 * j + k)));
    expect([...(await file.float32('transposed'))]).toEqual(transposed);
    expect([...(await file.float32('stepped'))]).toEqual([1, 3, 9, 11, 13, 15, 21, 23]);
    expect([...(await file.float32('repeated'))]).toEqual([1, 1, 1]);
    expect([...(await file.float32('parameter'))]).toEqual([1, 2]);
    await file.close();
  });
});

describe('openNemo', () => {
  it('reads the weights, the configuration and members with long names', async () => {
    const archive = await openNemo(golden('reference.nemo'));
    expect(archive.config).toBe('target: example.Model\nembedding_dim: 2\n');
    const dictionary = archive.members.find((name) => name.endsWith('.txt'))!;
    expect(dictionary).toBe(`${'0'.repeat(32)}_${'long'.repeat(30)}.txt`);
    expect(Buffer.from(await archive.readMember(dictionary)).toString()).toBe('behind a long name\n');
    const missing = archive.readMember('other.txt');
    await expect(missing).rejects.toThrow('other.txt: expected a member of this name, got none');
    expect(await readAll(archive.weights)).toEqual(await readAll(await openTorch(golden('reference.ckpt'))));
  });

  it('says how to open a compressed one', async () => {
    const path = folder.path('old.nemo');
    writeFileSync(path, Uint8Array.of(0x1f, 0x8b, 8, 0));
    await expect(openNemo(path)).rejects.toThrow(
      `${path}: file: expected an uncompressed tar, got gzip\nhint: gzip -dc ${path} > uncompressed.nemo`,
    );
  });

  /** One tar header, sound but for the fields given. */
  function tarHeader(name: string, type: string, size = 0): Buffer {
    const header = Buffer.alloc(512);
    header.write(name, 0);
    header.write(size.toString(8).padStart(11, '0'), 124);
    header.write(type, 156);
    header.fill(' ', 148, 156);
    const sum = header.reduce((a, b) => a + b);
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
    return header;
  }

  it.each([
    ['a link', tarHeader('config', '2'), 'config: expected a regular file, got type "2"'],
    ['a device', tarHeader('null', '3'), 'null: expected a regular file, got type "3"'],
    [
      'an absolute name',
      tarHeader('/etc/passwd', '0'),
      '/etc/passwd: expected a name inside the archive, got one outside',
    ],
    [
      'a name that climbs',
      tarHeader('./a/../../b', '0'),
      'a/../../b: expected a name inside the archive, got one outside',
    ],
    ['a member beyond the end', tarHeader('a', '0', 512), 'a: expected 512 bytes, got the end of the archive after 0'],
    [
      'a name used twice',
      Buffer.concat([tarHeader('a', '0'), tarHeader('./a', '0')]),
      'a: expected one member of this name, got two',
    ],
    ['a broken header', Buffer.alloc(512, 'x'), /tar header at byte 0: expected checksum \d+, got NaN/],
    [
      'an archive without a configuration',
      Buffer.alloc(1024),
      'model_config.yaml: expected a member of this name, got none',
    ],
  ])('refuses %s', async (_, bytes, message) => {
    const path = folder.path('bad.nemo');
    writeFileSync(path, bytes);
    await expect(openNemo(path)).rejects.toThrow(CheckpointError);
    await expect(openNemo(path)).rejects.toThrow(message);
  });
});

describe('a pickle', () => {
  /** The reference checkpoint with another pickle of at most the same length in place of its own. */
  function withPickle(pickle: Buffer): string {
    const bytes = readFileSync(golden('reference.ckpt'));
    const begin = bytes.indexOf(Buffer.of(0x80, 0x02));
    pickle.copy(bytes, begin);
    const path = folder.path('pickle.ckpt');
    writeFileSync(path, bytes);
    return path;
  }

  const proto = Buffer.of(0x80, 2);
  const text = (value: string) => Buffer.concat([Buffer.of(0x58, value.length, 0, 0, 0), Buffer.from(value)]);
  const global = (name: string) => Buffer.from(`c${name.replace(' ', '\n')}\n`);
  const opcodes = (...parts: (Buffer | string)[]) =>
    Buffer.concat([proto, ...parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part))]);
  const storage = (key: string, count: string, type = 'torch FloatStorage') => [
    '(',
    text('storage'),
    global(type),
    text(key),
    text('cpu'),
    count,
    'tQ',
  ];
  const tensor = (storage: (Buffer | string)[], rest: string) => [
    '}',
    text('w'),
    global('torch._utils _rebuild_tensor_v2'),
    '(',
    ...storage,
    rest,
    'tRs.',
  ];

  it.each([
    ['that calls', opcodes(global('os system'), text('true'), '\x85R.'), 'the name os.system'],
    ['that calls by another way', opcodes(text('os'), text('system'), '\x93.'), 'the name os.system'],
    [
      'that calls what is inherited',
      opcodes(global('constructor constructor'), ')R.'),
      'the name constructor.constructor',
    ],
    ['that builds objects', opcodes(')\x81.'), 'opcode 0x81 at byte 3'],
    ['with an old opcode', opcodes('I1\n.'), 'opcode 0x49 at byte 2'],
    ['that calls a class', opcodes(global('torch FloatStorage'), ')R.'), 'a call of what is no function'],
    ['that pops too much', opcodes('.'), 'an empty stack'],
    ['that pops a mark', opcodes('N(\x85.'), 'an empty stack'],
    ['that closes no mark', opcodes('t.'), 'no mark'],
    ['that recalls nothing', opcodes('h\x07.'), 'nothing remembered as 7'],
    ['of a new protocol', Buffer.from([0x80, 6]), 'a protocol after 5'],
    ['with a bad key', opcodes(...tensor(storage('../data', 'K\x01'), 'K\x00))')), 'an id of no storage'],
    ['with a negative count', opcodes(...tensor(storage('0', 'J\xff\xff\xff\xff'), 'K\x00))')), 'a size that is none'],
    [
      'with a fractional size',
      opcodes(...tensor(storage('0', 'K\x01'), 'K\x00G?\xe0\0\0\0\0\0\0\x85K\x01\x85')),
      'a size that is none',
    ],
    ['with too few strides', opcodes(...tensor(storage('0', 'K\x01'), 'K\x00K\x01\x85)')), '1 sizes with 0 strides'],
  ])('%s is refused', async (_, pickle, got) => {
    const path = withPickle(pickle);
    await expect(openTorch(path)).rejects.toMatchObject({
      name: 'CheckpointError',
      message: `${path}: data.pkl: expected named tensors alone, got ${got}\nhint: only plain state dicts are read; save others as safetensors`,
    });
  });

  // Storage 0 of the reference is that of f64: 4 elements, 32 bytes.
  it.each([
    ['that names no dictionary', opcodes('K\x01.'), 'data.pkl: expected a dictionary, got something else'],
    ['whose names are numbers', opcodes('}K\x01Ns.'), 'data.pkl: expected names that are text, got number'],
    ['whose value is no tensor', opcodes('}', text('w'), 'Ns.'), 'w: expected a tensor, got something else'],
    [
      'with a storage that is not there',
      opcodes(...tensor(storage('999', 'K\x01'), 'K\x00))')),
      'reference/data/999: expected a member of this name, got none',
    ],
    [
      'with a storage of another size',
      opcodes(...tensor(storage('0', 'K\x09'), 'K\x00))')),
      'w: expected a storage of 36 bytes, got 32',
    ],
    [
      'with a view that starts too late',
      opcodes(...tensor(storage('0', 'K\x08'), 'K\x07K\x02\x85K\x01\x85')),
      'w: expected a view within 8 elements, got 9',
    ],
    [
      'with a stride that leaves the storage',
      opcodes(...tensor(storage('0', 'K\x08'), 'K\x00K\x03\x85K\x04\x85')),
      'w: expected a view within 8 elements, got 9',
    ],
    [
      'that repeats elements without end',
      opcodes(...tensor(storage('0', 'K\x08'), 'K\x00J\xff\xff\xff\x7f\x85K\x00\x85')),
      'w: expected at most the 8 elements of its storage, got shape [2147483647]',
    ],
  ])('%s is refused', async (_, pickle, message) => {
    const path = withPickle(pickle);
    await expect(openTorch(path)).rejects.toMatchObject({ name: 'CheckpointError', message: `${path}: ${message}` });
  });
});

describe('any corruption', () => {
  it.each([
    ['reference.ckpt', async (path: string) => readAll(await openTorch(path))],
    ['reference.nemo', async (path: string) => readAll((await openNemo(path)).weights)],
  ] as const)('of %s is a CheckpointError naming the file, or does no harm', async (name, read) => {
    const sound = readFileSync(golden(name));
    const path = folder.path(name);
    const at = fc.oneof(fc.nat(sound.length - 1), fc.integer({ min: sound.length - 6000, max: sound.length - 1 }));
    const patch = fc.tuple(at, fc.oneof(fc.nat(255), fc.constantFrom(0, 0x7f, 0xff)));
    const outcomes = { read: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(
        fc.array(patch, { minLength: 1, maxLength: 6 }),
        fc.option(at, { freq: 8 }),
        async (patches, cut) => {
          const bytes = Buffer.from(sound);
          for (const [at, value] of patches) bytes[at] = value;
          writeFileSync(path, cut === null ? bytes : bytes.subarray(0, cut));
          try {
            await read(path);
            outcomes.read++;
          } catch (error) {
            expect(error).toBeInstanceOf(CheckpointError);
            expect((error as Error).message.startsWith(`${path}: `)).toBe(true);
            outcomes.refused++;
          }
        },
      ),
      { numRuns: 600 },
    );
    expect(outcomes.read).toBeGreaterThan(0);
    expect(outcomes.refused).toBeGreaterThan(0);
  });
});
