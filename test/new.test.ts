// `npm run new op` in a copy of the tree, built against the core that setup has built.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { findCompiler } from '../scripts/toolchain.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
let copy = '';

function start(command: string, args: string[]) {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: copy, encoding: 'utf8' });
  return { status, stdout: stdout.trim().split('\n'), stderr: stderr.trim() };
}
const readsSourceFolder = ['op_case.cc'];

/** The runner's frame without its unit tests. */
function builtObjects(): string[] {
  const folder = join(root, 'native/build/CMakeFiles/align2speak_tests.dir/test');
  const objects = readdirSync(folder).filter((file) => file.endsWith('.o') && !file.endsWith('_test.cc.o'));
  return objects.filter((file) => !readsSourceFolder.includes(file.slice(0, -2))).map((file) => join(folder, file));
}

const scaffold = (...args: string[]) => start(process.execPath, ['scripts/new.mjs', ...args]);

beforeEach(() => {
  copy = mkdtempSync(join(tmpdir(), 'new-'));
  cpSync(join(root, 'scripts'), join(copy, 'scripts'), { recursive: true });
  mkdirSync(join(copy, 'native/ops'), { recursive: true });
  cpSync(join(root, 'native/ops/ops.cc'), join(copy, 'native/ops/ops.cc'));
});

afterEach(() => rmSync(copy, { recursive: true }));

it('writes an op that compiles and fails one test', () => {
  expect(scaffold('op', 'column_gain').status).toBe(0);
  const build = start(findCompiler().command!, [
    ...['-std=c++20', '-O1', '-fopenmp-simd', '-pthread', `-DA2S_SOURCE_DIR="${join(copy, 'native')}"`],
    ...[`-I${join(copy, 'native')}`, `-I${join(root, 'native')}`],
    ...['native/ops/ops.cc', 'native/ops/column_gain/column_gain_cpu.cc'],
    // What reads the source folder is compiled for the copy; the rest of the runner is as it was built.
    ...readsSourceFolder.map((file) => join(root, 'native/test', file)),
    ...builtObjects(),
    ...[join(root, 'native/build/libalign2speak_core.a'), '-ldl', '-o', 'check'],
  ]);
  expect(build).toEqual({ status: 0, stdout: [''], stderr: '' });

  const { status, stdout } = start(join(copy, 'check'), ['ops', 'column_gain']);
  expect(status).toBe(1);
  const failures = stdout.filter((line) => line.startsWith('FAIL'));
  expect(failures).toEqual([expect.stringMatching(/^FAIL column_gain: odd width, finite differences: .*w/)]);
  expect(stdout.at(-1)).toMatch(/^\d+ passed, 1 failed, 0 skipped$/);
});

it('lists the op and says what comes next', () => {
  const before = readFileSync(join(copy, 'native/ops/ops.cc'), 'utf8').split('\n');
  expect(scaffold('op', 'gain').stdout.slice(-1)).toEqual([expect.stringContaining('next: write the gradient of w')]);
  const after = readFileSync(join(copy, 'native/ops/ops.cc'), 'utf8').split('\n');
  expect(after.filter((line) => !before.includes(line))).toEqual(['#include "ops/gain/gain.h"', '      &gain,']);
  expect(scaffold('op', 'gain')).toMatchObject({
    status: 1,
    stderr: 'new: native/ops/gain: expected no such folder, got one',
  });
});

it.each([
  [['judge', 'x'], 'new: kind: expected op, got judge\nhint: npm run new op my_op'],
  [[], 'new: kind: expected op, got none\nhint: npm run new op my_op'],
  [['op', 'columnGain'], 'new: name: expected snake_case, got columnGain'],
  [['op'], 'new: name: expected snake_case, got none'],
])('refuses %j', (args, stderr) => {
  expect(scaffold(...args)).toEqual({ status: 1, stdout: [''], stderr });
});
