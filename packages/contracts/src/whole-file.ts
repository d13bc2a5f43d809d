import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Align2SpeakError, DataError, type ErrorParts } from './errors.js';

/** What a file that cannot be written is refused with. */
type Refusal = new (parts: ErrorParts) => Align2SpeakError;

/** Most bytes that one system call writes: some systems stop at 2 GiB. */
const maxWriteBytes = 2 ** 30;

/**
 * Writes a file that is either whole or not there: to a temporary name, flushed, then renamed.
 *
 * @param content text, or bytes, or bytes in several parts
 * @throws DataError, or what `Refused` is, where the file cannot be written.
 */
export async function writeWhole(
  path: string,
  content: string | Uint8Array | readonly Uint8Array[],
  Refused: Refusal = DataError,
): Promise<void> {
  const parts = typeof content === 'string' ? [new TextEncoder().encode(content)] : [content].flat();
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const handle = await open(temporary, 'wx');
    try {
      for (const part of parts) await writeAll(handle, part);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    await syncFolder(dirname(path));
  } catch (cause) {
    await discard(temporary);
    throw refusal(path, cause, Refused);
  }
}

/**
 * Writes a folder that is whole or not there; an older one of that name goes away only once the new one is complete.
 *
 * @param fill writes the files into the folder that it is given
 * @throws DataError, or what `Refused` is, where the disk refuses, and whatever `fill` throws.
 */
export async function writeFolder(
  folder: string,
  fill: (temporary: string) => Promise<void>,
  Refused: Refusal = DataError,
): Promise<void> {
  const temporary = join(dirname(folder), `.${basename(folder)}.${randomBytes(6).toString('hex')}.tmp`);
  const old = `${temporary}.old`;
  try {
    await mkdir(temporary, { recursive: true });
    await fill(temporary);
    await rename(folder, old).catch((error) => {
      if (error.code !== 'ENOENT') throw error;
    });
    await rename(temporary, folder);
    await syncFolder(dirname(folder));
    await rm(old, { recursive: true, force: true });
  } catch (cause) {
    await discard(temporary);
    throw refusal(folder, cause, Refused);
  }
}

/** Removes what was begun; why it was given up matters more than whether that works. */
const discard = (path: string) => rm(path, { recursive: true, force: true }).catch(() => {});

/** What the file system refused, as one of our own errors; others stay what they are. */
function refusal(path: string, cause: unknown, Refused: Refusal): unknown {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  if (cause instanceof Align2SpeakError || code === undefined) return cause;
  const hint = code === 'ENOSPC' ? 'the disk is full' : undefined;
  return new Refused({ where: path, what: 'file', expected: 'to be written', got: code, hint, cause });
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, Math.min(bytes.length - done, maxWriteBytes))).bytesWritten;
  }
}

/** Makes a rename durable: the folder's own entry must reach the disk too. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
