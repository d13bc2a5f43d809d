import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

// The C++ runner prints a line for each of its checks; they are run once and shown here as one test for each op.
const runner = fileURLToPath(new URL('../build/align2speak_check', import.meta.url));

interface Check {
  state: 'ok' | 'FAIL' | 'skip';
  group: string;
  text: string;
}

function run(command: string): { checks: Check[]; status: number | null; output: string } {
  const { status, stdout, stderr } = spawnSync(runner, [command], { encoding: 'utf8', maxBuffer: 2 ** 26 });
  const lines = [...stdout.matchAll(/^(ok|FAIL|skip) ([^:\n]+): (.*)$/gm)];
  const checks = lines.map(([, state, group, text]) => ({ state, group, text }) as Check);
  return { checks, status, output: stdout.slice(-2000) + stderr };
}

if (!existsSync(runner))
  throw new Error(`ops.test: runner: expected the file ${runner}, got none\nhint: npm run setup`);

describe.each(['ops', 'golden', 'unit'])('align2speak_check %s', (command) => {
  const { checks, status, output } = run(command);
  for (const group of new Set(checks.map((check) => check.group))) {
    const all = checks.filter((check) => check.group === group);
    const failures = all.filter(({ state }) => state === 'FAIL').map(({ text }) => text);
    const skips = all.filter(({ state }) => state === 'skip');
    const ran = all.length - skips.length;
    if (ran > 0) it(`${group}: ${ran} checks`, () => expect(failures).toEqual([]));
    for (const { text } of skips) it(`${group}: ${text}`, (context) => context.skip(text));
  }

  it('ends with totals that are those of its lines', () => {
    const count = (wanted: string) => checks.filter(({ state }) => state === wanted).length;
    expect(output).toContain(`${count('ok')} passed, ${count('FAIL')} failed, ${count('skip')} skipped`);
    expect(status).toBe(count('FAIL') > 0 ? 1 : 0);
    expect(checks.length).toBeGreaterThan(0);
  });
});
