import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { DataError } from '@align2speak/contracts';

/**
 * Writes a file that is either whole or not there: to a temporary name, flushed, then renamed.
 *
 * @throws DataError where the file cannot be written.
 */
export async function writeWhole(path: string, content: string | Uint8Array): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    const handle = await open(temporary, 'wx');
    try {
      await handle.writeFile(content);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (cause) {
    await rm(temporary, { force: true });
    const got = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new DataError({ where: path, what: 'file', expected: 'to be written', got, cause });
  }
}
