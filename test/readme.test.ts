import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const root = new URL('../', import.meta.url);

it.each([
  ['README.md', '[ 4, 8, 20 ]'],
  ['native/README.md', 'isa'],
  ['packages/codec/README.md', 'true true'],
  ['packages/text/README.md', 'waɪfˈaɪ'],
])('the example of %s runs as it stands', async (name, printed) => {
  const readme = await readFile(new URL(name, root), 'utf8');
  const blocks = [...readme.matchAll(/^```js\n(.*?)^```/gms)];
  expect(blocks).toHaveLength(1);
  await mkdir(new URL('.cache/', root), { recursive: true });
  const file = fileURLToPath(new URL(`.cache/readme-${process.pid}.mjs`, root));
  await writeFile(file, blocks[0]![1]!);
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [file], { cwd: fileURLToPath(root) });
    expect(stdout).toContain(printed);
  } finally {
    await rm(file);
  }
});
