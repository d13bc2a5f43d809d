// `npm run bench`: that it measures and what it writes, never how fast anything is.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { z } from 'zod';

const script = fileURLToPath(new URL('../scripts/bench.mjs', import.meta.url));
const measured = z.number().positive().finite();

const rows = z.array(
  z.strictObject({
    suite: z.enum(['kernels', 'train-step', 'decode', 'codec', 'grpo-step', 'scaling', 'bf16']),
    name: z.string().min(1),
    unit: z.string().min(1),
    ours: measured,
    peer: measured.nullable(),
    peerName: z.string().min(1).nullable(),
    ratio: measured.nullable(),
    peakPct: measured.nullable(),
    rssMiB: measured.nullable(),
  }),
);

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'bench-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

function bench(...args: string[]) {
  const json = join(folder, 'rows.json');
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, ...args, '--quick', '--json', json], {
    encoding: 'utf8',
    env: { ...process.env, ALIGN2SPEAK_PYTHON: join(folder, 'python-that-is-not-there') },
  });
  return { status, stdout, stderr, rows: () => rows.parse(JSON.parse(readFileSync(json, 'utf8'))) };
}

it('measures both passes of an operator', () => {
  const result = bench('kernels', '--only', 'layer_norm: d=384', '--threads', '2');
  expect(result.stderr).toBe('');
  expect(result.rows().map(({ name }) => name)).toEqual(['layer_norm: d=384, forward', 'layer_norm: d=384, backward']);
  expect(result.stdout).toMatch(/FMA [\d.]+ GFLOP\/s on 1 thread, [\d.]+ on 2/);
  expect(result.stdout).toMatch(/^layer_norm: d=384, backward +[\d.]+ /m);
});

it('measures training and generation, with the memory that they took', () => {
  for (const suite of ['train-step', 'decode']) {
    const [row, ...others] = bench(suite, '--only', 'tiny TTS').rows();
    expect(row).toMatchObject({ suite, name: 'tiny TTS', unit: 'frames/s', rssMiB: expect.any(Number) });
    expect(others).toEqual([]);
  }
});

it('measures the codec beside onnxruntime, and alone what that does not do', () => {
  const [decode, ...others] = bench('codec', '--only', 'tiny: decode, 1 x').rows();
  expect(decode).toMatchObject({
    suite: 'codec',
    unit: 'x real time',
    peerName: expect.stringMatching(/^onnxruntime /),
  });
  expect(decode!.ratio).toBeCloseTo(decode!.ours / decode!.peer!, 8);
  expect(others).toEqual([]);
  for (const task of ['stream, portions of 4', 'encode', 'training step'])
    expect(bench('codec', '--only', `tiny: ${task}`).rows()).toMatchObject([
      { suite: 'codec', peer: null, ratio: null },
    ]);
});

it('measures how cost grows, beside the first of each series', () => {
  const result = bench('scaling', '--only', 'generation, group 4');
  expect(result.rows()).toMatchObject([{ suite: 'scaling', name: 'generation, group 4', peer: null }]);
  expect(result.stdout).toMatch(/^generation, group 4 .* 1\.00 /m);
});

it.each(['tiny TTS, training step', 'd=128, one sample'])(
  'measures products in bf16 beside those in f32: %s',
  (name) => {
    const result = bench('bf16', '--only', name);
    expect(result.rows()).toMatchObject([
      { suite: 'bf16', name: expect.stringContaining(name), peerName: 'align2speak f32', ratio: expect.any(Number) },
    ]);
  },
);

const corpus = fileURLToPath(new URL('../corpus/corpus.json', import.meta.url));

it("measures each phase of a GRPO update on the demo's corpus, and says how to make that", () => {
  if (!existsSync(corpus)) {
    const { status, stderr } = bench('grpo-step');
    expect(stderr).toMatch(/^bench: corpus: expected .*, got none\nhint: npx align2speak data synth --out corpus$/m);
    expect(status).toBe(1);
    return;
  }
  const rows = bench('grpo-step', '--only', 'groups of 2:').rows();
  const phases = ['whole update', 'rollout', 'decode', 'judges', 'update', 'rest'];
  expect(rows.map(({ name }) => name)).toEqual(phases.map((phase) => `groups of 2: ${phase}`));
});

it('refuses in one line what it cannot measure', () => {
  const refusals = [
    [
      ['kernels', '--vs', 'torch'],
      /^bench: --vs torch: expected a Python with PyTorch 2, got .*python-that-is-not-there/,
    ],
    [
      ['codec', '--vs', 'torch-eager'],
      /^bench: --vs torch-eager: expected a Python with PyTorch 2, got .*python-that-is-not-there/,
    ],
    [['scaling', '--vs', 'torch'], /^bench: --vs: expected nothing for scaling, which has no peer, got torch$/m],
    [['kernels', '--vs', 'numpy'], /^bench: --vs: expected torch or torch-eager, got numpy$/m],
    [['kernels', '--only', 'no such op'], /^bench: --only: expected a name that occurs, got none$/m],
    [
      ['kernel'],
      /^bench: suite: expected kernels or train-step or decode or codec or grpo-step or scaling or bf16, got kernel$/m,
    ],
    [['decode', '--threads', '0'], /^bench: --threads: expected a positive integer, got 0$/m],
    [['decode', '--fast'], /^bench: arguments: expected --vs, .*--quick, got Unknown option '--fast'/],
  ] as const;
  for (const [args, message] of refusals) {
    const { status, stderr } = bench(...args);
    expect(stderr).toMatch(message);
    expect(status).toBe(1);
  }
});
