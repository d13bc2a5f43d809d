import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { digestOf, writeWhole } from '@align2speak/contracts';

/**
 * What the file at `path` keeps, where it was made of sources with the bytes that they have now; else what `make` makes, which
 * is kept there.
 *
 * @param sources files that the result depends on: models, judges
 */
export async function kept<T>(path: string, sources: readonly string[], make: () => Promise<T>): Promise<T> {
  const madeOf = await digestOf(sources);
  if (existsSync(path)) {
    const found = JSON.parse(await readFile(path, 'utf8')) as { madeOf?: string; result: T };
    if (found.madeOf === madeOf) return found.result;
  }
  const result = await make();
  await writeWhole(path, `${JSON.stringify({ madeOf, result })}\n`);
  return result;
}
