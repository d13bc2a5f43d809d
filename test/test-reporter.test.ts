// The line that closes `npm test`: its totals, and what it makes of skips and of runs in which nothing was tested.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
let folder = '';

/** Runs vitest over one test file of this text; returns the exit code and what our reporter printed. */
function runTests(text: string, ...options: string[]) {
  writeFileSync(join(folder, 'a.test.ts'), `import { it } from 'vitest';\n${text}`);
  const vitest = join(root, 'node_modules/vitest/vitest.mjs');
  const { status, stdout } = spawnSync(process.execPath, [vitest, 'run', '--root', folder, ...options], {
    encoding: 'utf8',
  });
  return { status, lines: stdout.split('\n').filter(Boolean) };
}

beforeEach(() => {
  // Inside the repository, so that the tests in it find vitest.
  mkdirSync(join(root, '.cache'), { recursive: true });
  folder = mkdtempSync(join(root, '.cache', 'reporter-'));
  const reporters = [join(root, 'scripts/test-reporter.mjs')];
  writeFileSync(join(folder, 'vitest.config.mjs'), `export default ${JSON.stringify({ test: { reporters } })};`);
});

afterEach(() => rmSync(folder, { recursive: true }));

it.each([
  ['all pass', "it('a', () => {}); it('b', () => {});", 0, ['2 passed, 0 failed, 0 skipped']],
  [
    'a skip with its reason',
    "it('a', () => {}); it('b', (context) => context.skip('no GPU here'));",
    0,
    ['skipped: a.test.ts: b: no GPU here', '1 passed, 0 failed, 1 skipped'],
  ],
  [
    'a skip without a reason',
    "it('a', () => {}); it.skip('b', () => {});",
    1,
    [
      'skipped: a.test.ts: b: NO REASON GIVEN',
      "a skip needs its reason: call `context.skip('why')` inside the test",
      '1 passed, 1 failed, 0 skipped',
    ],
  ],
  ['a failure', "it('a', () => {}); it('b', () => { throw new Error('no'); });", 1, ['1 passed, 1 failed, 0 skipped']],
  ['a file that does not load', "it('a', () => {}); throw new Error('no');", 1, ['0 passed, 1 failed, 0 skipped']],
  [
    'an error outside any test',
    "it('a', () => new Promise((resolve) => { setTimeout(() => { throw new Error('no'); }, 1); setTimeout(resolve, 50); }));",
    1,
    ['1 passed, 1 failed, 0 skipped'],
  ],
  [
    'nothing but skips',
    "it('a', (context) => context.skip('not today'));",
    1,
    ['skipped: a.test.ts: a: not today', 'no test ran', '0 passed, 0 failed, 1 skipped'],
  ],
])('%s', (_, text, status, lines) => {
  expect(runTests(text)).toEqual({ status, lines });
});

it('does not count what -t leaves out', () => {
  const text = "describe('a', () => { it('b', () => {}); it('c', () => {}); }); it.skip('a d', () => {});";
  const run = (pattern: string) => runTests(`import { describe } from 'vitest';\n${text}`, '-t', pattern);
  expect(run('a b')).toEqual({ status: 0, lines: ['1 passed, 0 failed, 0 skipped'] });
  expect(run('a [bd]')).toMatchObject({ status: 1, lines: expect.arrayContaining(['1 passed, 1 failed, 0 skipped']) });
});
