import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

// The C++ runner prints a line for each of its checks; they are run once and shown here as one test for each op.
// CUDA twins run on a GPU where there is one, and everywhere on an emulation of its threads.
const runs = [
  'align2speak_check ops',
  'align2speak_check golden',
  'align2speak_check unit',
  'align2speak_check ops --device cuda',
  'align2speak_check golden --device cuda',
  'align2speak_simt unit simt',
  'align2speak_simt ops --device cuda',
  'align2speak_simt golden --device cuda',
];
const pathOf = (runner: string) => fileURLToPath(new URL(`../build/${runner}`, import.meta.url));

interface Check {
  state: 'ok' | 'FAIL' | 'skip';
  group: string;
  text: string;
}

function run(command: string): { checks: Check[]; status: number | null; output: string } {
  const [runner, ...args] = command.split(' ');
  const { status, stdout, stderr } = spawnSync(pathOf(runner!), args, { encoding: 'utf8', maxBuffer: 2 ** 26 });
  const lines = [...stdout.matchAll(/^(ok|FAIL|skip) ([^:\n]+): (.*)$/gm)];
  const checks = lines.map(([, state, group, text]) => ({ state, group, text }) as Check);
  return { checks, status, output: stdout.slice(-2000) + stderr };
}

if (!existsSync(pathOf('align2speak_check')))
  throw new Error(`ops.test: runner: expected the file ${pathOf('align2speak_check')}, got none\nhint: npm run setup`);

describe.each(runs)('%s', (command) => {
  if (!existsSync(pathOf(command.split(' ')[0]!))) {
    it('emulates a GPU', (context) => context.skip('the emulation is not built: this system cannot switch contexts'));
    return;
  }
  const { checks, status, output } = run(command);
  for (const group of new Set(checks.map((check) => check.group))) {
    const all = checks.filter((check) => check.group === group);
    const failures = all.filter(({ state }) => state === 'FAIL').map(({ text }) => text);
    const ran = all.filter(({ state }) => state !== 'skip').length;
    if (ran > 0) it(`${group}: ${ran} checks`, () => expect(failures).toEqual([]));
  }

  const skips = checks.filter(({ state }) => state === 'skip');
  for (const text of new Set(skips.map((check) => check.text))) {
    const groups = skips.filter((check) => check.text === text).map(({ group }) => group);
    it(`${groups.length > 1 ? `${groups.length} ops` : groups[0]}: ${text}`, (context) => context.skip(text));
  }

  it('ends with totals that are those of its lines', () => {
    const count = (wanted: string) => checks.filter(({ state }) => state === wanted).length;
    expect(output).toContain(`${count('ok')} passed, ${count('FAIL')} failed, ${count('skip')} skipped`);
    expect(status).toBe(count('FAIL') > 0 ? 1 : 0);
    expect(checks.length).toBeGreaterThan(0);
  });
});
