import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { CheckpointError, ConfigError } from '@align2speak/contracts';
import { Optimizer } from '@align2speak/native';
import { loadTts } from '@align2speak/tts';
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest';
import { Checkpoints } from '../src/checkpoint.js';
import { configsOf, makeProject, type Project } from './fixtures/project.js';
import { metricsOf, resultOf, runQuietly, runUntil, writeConfig } from './fixtures/runs.js';

let project: Project;
let config = '';
let whole: ReturnType<typeof resultOf>;
let out = '';
let runs = 0;
beforeAll(async () => {
  project = await makeProject();
  config = writeConfig(project, configsOf(project).finetune);
  await runQuietly('finetune', { config, out: project.path('whole') });
  whole = resultOf(project.path('whole'));
});
afterAll(() => project.remove());
beforeEach(async () => {
  out = project.path(`run-${runs++}`);
  // Ends with step-3 or a little later; the one before it is kept.
  await expect(runUntil(3, 'finetune', { config, out })).rejects.toThrow('interrupted');
});

const newest = () =>
  readdirSync(`${out}/checkpoints`)
    .filter((name) => name.startsWith('step-'))
    .sort()
    .at(-1)!;
const resume = (from: string | boolean = true) => runQuietly('finetune', { config, out, resume: from });

const damages: Record<string, [file: string, damage: (path: string) => void, what: string]> = {
  'a flipped bit': [
    'weights.safetensors',
    (path) => {
      const bytes = readFileSync(path);
      bytes[bytes.length >> 1]! ^= 1;
      writeFileSync(path, bytes);
    },
    'checksum: expected ',
  ],
  'a file cut short': ['exp-avg.safetensors', (path) => truncateSync(path, 1000), 'checksum: expected '],
  'a missing part': ['exp-avg-sq.safetensors', (path) => rmSync(path), 'checksum: expected '],
  'a missing state': ['state.json', (path) => rmSync(path), 'expected the state of a run, got ENOENT'],
  'a state cut short': [
    'state.json',
    (path) => truncateSync(path, 40),
    'expected the state of a run, got damaged JSON',
  ],
};

it.each(Object.entries(damages))(
  '%s: the file is named and the checkpoint before it offered',
  async (_, [file, damage, what]) => {
    const name = newest();
    const path = `${out}/checkpoints/${name}/${file}`;
    damage(path);
    const failed = resume();
    await expect(failed).rejects.toThrow(CheckpointError);
    await expect(failed).rejects.toThrow(`${path}: `);
    await expect(failed).rejects.toThrow(what);
    const before = readdirSync(`${out}/checkpoints`).find((other) => other !== name)!;
    await expect(failed).rejects.toThrow(`hint: --resume ${before} continues from the one before`);
    await resume(before);
    expect(resultOf(out)).toEqual(whole);
  },
);

it('the only checkpoint damaged: says that none is left', async () => {
  const name = newest();
  for (const other of readdirSync(`${out}/checkpoints`))
    if (other !== name) rmSync(`${out}/checkpoints/${other}`, { recursive: true });
  rmSync(`${out}/checkpoints/${name}/state.json`);
  await expect(resume()).rejects.toThrow('hint: no earlier checkpoint is left');
});

it('goes back to an earlier checkpoint although later ones are there', async () => {
  const names = readdirSync(`${out}/checkpoints`);
  expect(names.length).toBe(2);
  await resume(names[0]!);
  expect(resultOf(out)).toEqual(whole);
});

it('a checkpoint replaces those of the course that the run has left, and all but the one before it', async () => {
  const model = await loadTts(project.tts);
  const optimizer = Optimizer.create(model);
  const checkpoints = new Checkpoints(project.path('course'));
  const save = (step: number) => checkpoints.save({ model, optimizer }, { step, best: null, stage: null });
  for (const step of [9, 10, 11]) await save(step);
  expect(await checkpoints.list()).toEqual(['step-10', 'step-11']);
  await save(10);
  expect(await checkpoints.list()).toEqual(['step-10']);
  await save(8);
  expect(await checkpoints.list()).toEqual(['step-8']);
  expect(await checkpoints.verify()).toMatchObject({ step: 8, best: null, stage: null, optimizerSteps: 0 });
  model.dispose();
});

it('names the checkpoints there are, when asked for another', async () => {
  const failed = resume('step-999');
  await expect(failed).rejects.toThrow(
    `${out}/checkpoints: --resume: expected ${readdirSync(`${out}/checkpoints`).sort().join(' or ')}, got step-999`,
  );
});

it('what a killed process was writing is passed over, and removed', async () => {
  const half = `${out}/checkpoints/.step-6.0123456789ab.tmp`;
  mkdirSync(half);
  writeFileSync(`${half}/weights.safetensors`, 'half');
  mkdirSync(`${out}/.best.0123456789ab.tmp.old`);
  writeFileSync(`${out}/metrics.jsonl.0123456789ab.tmp`, '');
  // A line that was cut short.
  writeFileSync(`${out}/metrics.jsonl`, '{"step":5,"ti', { flag: 'a' });
  await resume();
  expect(resultOf(out)).toEqual(whole);
  expect(
    readdirSync(out)
      .concat(readdirSync(`${out}/checkpoints`))
      .filter((name) => name.includes('.tmp')),
  ).toEqual([]);
});

it('a complete run is resumed without what it was made from', async () => {
  await resume();
  renameSync(project.tts, `${project.tts}-elsewhere`);
  onTestFinished(() => renameSync(`${project.tts}-elsewhere`, project.tts));
  await resume();
  expect(resultOf(out)).toEqual(whole);
});

it('a run is not overwritten, and goes on under its own configuration alone', async () => {
  const again = runQuietly('finetune', { config, out });
  await expect(again).rejects.toThrow(`${out}: --out: expected a new folder, got one with a run\nhint: add --resume`);
  const other = runQuietly('finetune', { config, set: ['lr=1e-2'], out, resume: true });
  await expect(other).rejects.toThrow(ConfigError);
  await expect(other).rejects.toThrow(`${out}/config.json: lr: expected the value that the run began with`);
  rmSync(`${out}/config.json`);
  await expect(resume()).rejects.toThrow(`${out}/config.json: file: expected the configuration of the run, got ENOENT`);
});

it('a run goes on with the files that it began with, complete or not', async () => {
  const weights = `${project.tts}/weights.safetensors`;
  const bytes = readFileSync(weights);
  onTestFinished(() => writeFileSync(weights, bytes));
  const others = Buffer.from(bytes);
  others[others.length - 1]! ^= 1;
  writeFileSync(weights, others);
  const refused = `${weights}: file: expected the bytes that the run in ${out} began with, got others\nhint: a run goes on`;
  await expect(resume()).rejects.toThrow(refused);
  writeFileSync(weights, bytes);
  await resume();
  writeFileSync(weights, others);
  await expect(resume()).rejects.toThrow(refused);
  rmSync(`${out}/inputs.json`);
  await resume();
});

it('a run that began before some field existed goes on with its default', async () => {
  const { bf16, ...older } = JSON.parse(readFileSync(`${out}/config.json`, 'utf8'));
  expect(bf16).toBe(false);
  writeFileSync(`${out}/config.json`, JSON.stringify(older));
  await resume();
  expect(resultOf(out)).toEqual(whole);
});

it('a run that died before its first checkpoint begins anew, and logs each update once', async () => {
  rmSync(`${out}/checkpoints`, { recursive: true });
  await resume();
  expect(metricsOf(out)).toEqual(whole.metrics);
});

it('a full disk ends the run with one error, and leaves the checkpoints as they were', async (context) => {
  const disk = project.path('disk');
  mkdirSync(disk);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk], { stdio: 'ignore' });
  } catch {
    context.skip('a disk of a size of its own needs the right to mount one');
  }
  onTestFinished(() => void execFileSync('umount', ['-l', disk]));
  out = `${disk}/run`;
  await expect(runUntil(3, 'finetune', { config, out })).rejects.toThrow('interrupted');
  const checkpoints = () => Object.entries(resultOf(out).checksums).filter(([file]) => file.startsWith('checkpoints'));
  const before = checkpoints();
  expect(before.length).toBeGreaterThan(0);
  const { bavail, bsize } = statfsSync(disk);
  writeFileSync(`${disk}/filler`, Buffer.alloc(bavail * bsize - 100_000));
  const failed = resume();
  await expect(failed).rejects.toThrow(CheckpointError);
  await expect(failed).rejects.toThrow(/expected to be written, got ENOSPC\nhint: the disk is full/);
  expect(checkpoints()).toEqual(before);
  rmSync(`${disk}/filler`);
  expect(existsSync(`${out}/last`)).toBe(false);
  await resume();
  expect(resultOf(out)).toEqual(whole);
});
