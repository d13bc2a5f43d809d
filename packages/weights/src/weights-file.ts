import { type FileHandle, open } from 'node:fs/promises';
import { CheckpointError } from '@align2speak/contracts';
import { type Dtype, type StoredTensor, toFloat32, toFloat64, toInt32 } from './dtypes.js';

/** What a weights file says of one tensor. */
export interface TensorInfo {
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

/** Fetches the bytes of one tensor, contiguous, in C order, in a buffer of their own. */
export type FetchBytes = (name: string) => Promise<Uint8Array<ArrayBuffer>>;

/** An open weights file: the table of its tensors is in memory, each tensor is read when asked for. */
export class WeightsFile {
  readonly path: string;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** Free text that the file carries beside its tensors. */
  readonly metadata: ReadonlyMap<string, string>;
  readonly #fetch: FetchBytes;
  readonly #handle: FileHandle;

  constructor(handle: FileHandle, fetch: FetchBytes, fields: Pick<WeightsFile, 'path' | 'tensors' | 'metadata'>) {
    this.#handle = handle;
    this.#fetch = fetch;
    this.path = fields.path;
    this.tensors = fields.tensors;
    this.metadata = fields.metadata;
  }

  /** The stored bytes, little-endian. @throws CheckpointError where the file has no such tensor or no longer holds it. */
  async bytes(name: string): Promise<Uint8Array<ArrayBuffer>> {
    return (await this.#stored(name)).bytes;
  }

  /** @throws CheckpointError as bytes(), and where a value does not fit; see toFloat32. */
  async float32(name: string): Promise<Float32Array<ArrayBuffer>> {
    return toFloat32(await this.#stored(name));
  }

  /** @throws CheckpointError as bytes(), and where a value does not fit; see toFloat64. */
  async float64(name: string): Promise<Float64Array<ArrayBuffer>> {
    return toFloat64(await this.#stored(name));
  }

  /** @throws CheckpointError as bytes(), and where a value is not a 32-bit integer; see toInt32. */
  async int32(name: string): Promise<Int32Array<ArrayBuffer>> {
    return toInt32(await this.#stored(name));
  }

  /** Releases the file. Tensors already read stay valid. */
  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #stored(name: string): Promise<StoredTensor> {
    const info = this.tensors.get(name);
    if (!info) {
      throw new CheckpointError({ where: this.path, what: name, expected: 'a tensor of this name', got: 'none' });
    }
    return { path: this.path, name, dtype: info.dtype, bytes: await this.#fetch(name) };
  }
}

/** Node passes the length of one read or write on as a 32-bit integer. */
export const maxIoBytes = 2 ** 30;

/** Opens a file for reading, with its size. @throws CheckpointError where it cannot be opened. */
export async function openForReading(path: string): Promise<{ handle: FileHandle; size: number }> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, 'r');
    const stat = await handle.stat();
    if (stat.isFile()) return { handle, size: stat.size };
  } catch (cause) {
    await handle?.close();
    const got = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new CheckpointError({ where: path, what: 'file', expected: 'one that can be read', got, cause });
  }
  await handle.close();
  throw new CheckpointError({ where: path, what: 'file', expected: 'a regular file', got: 'something else' });
}

/** Reads bytes [begin, end) of an open file into a buffer of their own. @throws CheckpointError where it ends early. */
export async function readRange(
  handle: FileHandle,
  { path, what, begin, end }: { path: string; what: string; begin: number; end: number },
): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(end - begin);
  for (let filled = 0; filled < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, filled, Math.min(bytes.length - filled, maxIoBytes), begin + filled);
    if (bytesRead === 0) {
      const got = `the end of the file after ${filled}`;
      throw new CheckpointError({ where: path, what, expected: `${bytes.length} bytes`, got });
    }
    filled += bytesRead;
  }
  return bytes;
}
