import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';

/** A temporary folder for the tests of one file. */
export function inFolder() {
  let root = '';
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'weights-'));
  });
  afterAll(() => rmSync(root, { recursive: true }));
  return { path: (name: string) => join(root, name), root: () => root };
}
