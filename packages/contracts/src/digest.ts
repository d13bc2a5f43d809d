import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** SHA-256, in hex, of the bytes of files of any size, one after another. @throws what the file system throws. */
export async function digestOf(paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256');
  for (const path of paths) for await (const bytes of createReadStream(path)) hash.update(bytes);
  return hash.digest('hex');
}
