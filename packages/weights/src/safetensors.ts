import type { FileHandle } from 'node:fs/promises';
import { CheckpointError, ShapeError, writeWhole } from '@align2speak/contracts';
import { type Dtype, dtypeBytes } from './dtypes.js';
import { parseHeader } from './safetensors-header.js';
import { openForReading, readRange, WeightsFile } from './weights-file.js';

/** The format's own limit on a header, and ours on what is read before anything is known to be sound. */
const maxHeaderBytes = 100_000_000;

/**
 * Opens a safetensors file. Its header is checked whole; tensors are read when asked for.
 *
 * @throws CheckpointError where the file cannot be read, or its header is not exactly what the format allows.
 * @see https://github.com/huggingface/safetensors#format
 */
export async function openSafetensors(path: string): Promise<WeightsFile> {
  const { handle, size } = await openForReading(path);
  try {
    const headerSize = await readHeaderSize(handle, path, size);
    const dataStart = 8 + headerSize;
    const text = await readRange(handle, { path, what: 'header', begin: 8, end: dataStart });
    const { tensors, metadata } = parseHeader(path, text, size - dataStart);
    const fetch = (name: string) => {
      const { begin, end } = tensors.get(name)!;
      return readRange(handle, { path, what: name, begin: dataStart + begin, end: dataStart + end });
    };
    return new WeightsFile(handle, fetch, { path, tensors, metadata });
  } catch (error) {
    await handle.close();
    throw error;
  }
}

async function readHeaderSize(handle: FileHandle, path: string, size: number): Promise<number> {
  const prefix = await readRange(handle, { path, what: 'header size', begin: 0, end: 8 });
  const headerSize = Number(new DataView(prefix.buffer).getBigUint64(0, true));
  const most = Math.min(maxHeaderBytes, size - 8);
  if (headerSize > most) {
    const got = `${headerSize} bytes`;
    throw new CheckpointError({ where: path, what: 'header size', expected: `at most ${most} bytes`, got });
  }
  return headerSize;
}

/** A tensor to write: its elements in C order, as the bytes of any typed array of the right total size. */
export interface TensorToWrite {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly data: ArrayBufferView;
}

/**
 * Writes a safetensors file that is either whole or not there: to a temporary name, flushed, then renamed.
 *
 * The same tensors give the same bytes in whatever order they come. Each tensor starts at a multiple of its element size.
 * @throws ShapeError where data and shape disagree; CheckpointError on a name used twice or where writing fails.
 */
export async function writeSafetensors(
  path: string,
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>> = {},
): Promise<void> {
  const ordered = [...tensors].sort(widestFirst);
  const header = headerOf(path, ordered, metadata);
  const bytes = ordered.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  await writeWhole(path, [header, ...bytes], CheckpointError);
}

/** Wide elements first keeps every tensor aligned without gaps; names, in code unit order, make it one order. */
function widestFirst(a: TensorToWrite, b: TensorToWrite): number {
  return dtypeBytes[b.dtype] - dtypeBytes[a.dtype] || (a.name < b.name ? -1 : 1);
}

function headerOf(path: string, tensors: TensorToWrite[], metadata: Readonly<Record<string, string>>): Uint8Array {
  const entries = new Map<string, unknown>();
  const sorted = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  if (sorted.length > 0) entries.set('__metadata__', Object.fromEntries(sorted));
  let at = 0;
  for (const { name, dtype, shape, data } of tensors) {
    const size = shape.reduce((product, axis) => product * axis, dtypeBytes[dtype]);
    if (data.byteLength !== size) {
      const expected = `${size} bytes for ${dtype} [${shape}]`;
      throw new ShapeError({ where: path, what: name, expected, got: String(data.byteLength) });
    }
    if (entries.has(name) || name === '__metadata__') {
      throw new CheckpointError({ where: path, what: name, expected: 'a name of its own', got: 'one already taken' });
    }
    entries.set(name, { dtype, shape, data_offsets: [at, at + size] });
    at += size;
  }
  // Not Object.fromEntries: it would move names that look like numbers to the front.
  const json = `{${[...entries].map(([name, entry]) => `${JSON.stringify(name)}:${JSON.stringify(entry)}`).join()}}`;
  const text = new TextEncoder().encode(json);
  const bytes = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(bytes.length - 8), true);
  bytes.set(text, 8);
  return bytes;
}
