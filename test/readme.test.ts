import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const root = new URL('../', import.meta.url);

it('the example of README.md runs as it stands', async () => {
  const readme = await readFile(new URL('README.md', root), 'utf8');
  const blocks = [...readme.matchAll(/^```js\n(.*?)^```/gms)];
  expect(blocks).toHaveLength(1);
  await mkdir(new URL('.cache/', root), { recursive: true });
  const file = fileURLToPath(new URL(`.cache/readme-${process.pid}.mjs`, root));
  await writeFile(file, blocks[0]![1]!);
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [file]);
    expect(stdout).toContain('[ 4, 8, 20 ]');
  } finally {
    await rm(file);
  }
});
