import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';

const script = fileURLToPath(new URL('../scripts/boundaries.mjs', import.meta.url));
let root = '';

function put(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

function check() {
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, root], { encoding: 'utf8' });
  return { status, stdout: stdout.trim(), stderr: stderr.trim() };
}

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'boundaries-'));
  put('native/package.json', '{"name": "@align2speak/native"}');
  put(
    'packages/tts/package.json',
    '{"name": "@align2speak/tts", "dependencies": {"@align2speak/native": "*", "@align2speak/evaluate": "*"}}',
  );
});

afterEach(() => rmSync(root, { recursive: true }));

it('accepts imports of lower ranks, of declared packages, of Node and of files beside', () => {
  put(
    'packages/tts/src/a.ts',
    "import { x } from '@align2speak/native';\nimport 'node:fs';\nexport * from './b.js';\n",
  );
  expect(check()).toEqual({ status: 0, stdout: 'boundaries: 3 imports, 0 faults', stderr: '' });
});

it.each([
  [
    "import {\n  x,\n} from '@align2speak/evaluate';",
    "import '@align2speak/evaluate': expected a package of a lower rank than @align2speak/tts",
  ],
  [
    "export type { X } from 'zod/v4';",
    "import 'zod/v4': expected zod among the dependencies of packages/tts/package.json",
  ],
  [
    "const x = await import('@align2speak/text/x');",
    "import '@align2speak/text/x': expected @align2speak/text among the dependencies of packages/tts/package.json",
  ],
  ["import '../../rl/src/index.js';", "import '../../rl/src/index.js': expected a file of the same package"],
])('refuses %j', (source, fault) => {
  put('packages/tts/src/a.ts', source);
  expect(check()).toEqual({
    status: 1,
    stdout: 'boundaries: 1 imports, 1 faults',
    stderr: `packages/tts/src/a.ts: ${fault}`,
  });
});

it('refuses a package without a rank, and to have checked nothing', () => {
  put('packages/extra/package.json', '{"name": "@align2speak/extra"}');
  expect(check().stderr.split('\n')).toEqual([
    'packages/extra: @align2speak/extra: expected a rank in scripts/boundaries.mjs, got none',
    'boundaries: expected imports to check, got none',
  ]);
});
