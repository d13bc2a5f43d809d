import { randomBytes } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Align2SpeakError, CheckpointError } from '@align2speak/contracts';
import { maxIoBytes } from './weights-file.js';

/** Writes a text file that is whole or not there, and waits until it has reached the disk. @throws CheckpointError where it cannot. */
export async function writeFlushed(path: string, text: string): Promise<void> {
  await writeWhole(path, [new TextEncoder().encode(text)]);
}

/** Writes the parts of a file one after another; the file is whole or not there. @throws CheckpointError where it cannot. */
export async function writeWhole(path: string, parts: readonly Uint8Array[]): Promise<void> {
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
    throw refusal(path, cause);
  }
}

/**
 * Writes a folder that is whole or not there; an older one of that name goes away only once the new one is complete.
 *
 * @param fill writes the files into the folder that it is given
 * @throws CheckpointError where the disk refuses, and whatever `fill` throws.
 */
export async function writeFolder(folder: string, fill: (temporary: string) => Promise<void>): Promise<void> {
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
    throw refusal(folder, cause);
  }
}

/** Removes what was begun; why it was given up matters more than whether that works. */
const discard = (path: string) => rm(path, { recursive: true, force: true }).catch(() => {});

/** What the file system refused, as one of our own errors; others stay what they are. */
function refusal(path: string, cause: unknown): unknown {
  const code = (cause as NodeJS.ErrnoException | undefined)?.code;
  if (cause instanceof Align2SpeakError || code === undefined) return cause;
  const hint = code === 'ENOSPC' ? 'the disk is full' : undefined;
  return new CheckpointError({ where: path, what: 'file', expected: 'to be written', got: code, hint, cause });
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, Math.min(bytes.length - done, maxIoBytes))).bytesWritten;
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
