import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { CheckpointError, digestOf, writeFolder, writeWhole } from '@align2speak/contracts';
import type { Model, NamedTensors, Optimizer } from '@align2speak/native';
import { readTensors, tensorsToWrite, writeSafetensors } from '@align2speak/weights';

/** A model and what moves its weights. */
export interface Learner {
  readonly model: Model;
  readonly optimizer: Optimizer;
}

/** What learns in a run: a model, and others beside it by their names. */
export interface Learners extends Learner {
  readonly others?: Readonly<Record<string, Learner>> | undefined;
}

/** Each learner with the beginning of its files' names. */
const named = ({ others = {}, ...main }: Learners): [string, Learner][] => [
  ['', main],
  ...Object.entries(others).map(([name, learner]) => [`${name}-`, learner] as [string, Learner]),
];

/** Files of a learner beside state.json, which holds the checksums of all. */
const parts = ['weights', 'exp-avg', 'exp-avg-sq'] as const;

/** What decides the next update, beside the tensors. */
export interface CheckpointState {
  /** Updates made. */
  step: number;
  /** Steps of the optimizer, for its bias correction. */
  optimizerSteps: number;
  /** The same of those beside it, by the beginning of their files' names. */
  otherSteps?: Readonly<Record<string, number>>;
  /** Lowest validation score so far; null before the first. */
  best: number | null;
  /** Whatever the stage needs to go on: cursors, counters. */
  stage: unknown;
}

/** The folder of a run's checkpoints, `step-N` each: complete or not there. */
export class Checkpoints {
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
  }

  /**
   * Writes a checkpoint aside, flushes it, moves it into place, and removes all but this and the one before it.
   *
   * @throws CheckpointError where the disk refuses; earlier checkpoints are then as they were.
   */
  async save(learners: Learners, state: Omit<CheckpointState, 'optimizerSteps' | 'otherSteps'>): Promise<void> {
    await writeFolder(
      join(this.folder, nameOf(state.step)),
      async (temporary) => {
        const allSteps: Record<string, number> = {};
        const checksums: Record<string, string> = {};
        for (const [prefix, { model, optimizer }] of named(learners)) {
          const { steps, expAvg, expAvgSq } = await optimizer.state();
          allSteps[prefix] = steps;
          for (const [part, tensors] of [
            ['weights', await model.state()],
            ['exp-avg', expAvg],
            ['exp-avg-sq', expAvgSq],
          ] as [string, NamedTensors][]) {
            const path = join(temporary, `${prefix}${part}.safetensors`);
            await writeSafetensors(path, await tensorsToWrite(tensors));
            for (const tensor of Object.values(tensors)) tensor.dispose();
            checksums[`${prefix}${part}`] = await digestOf([path]);
          }
        }
        const { '': optimizerSteps, ...otherSteps } = allSteps;
        const content = { ...state, optimizerSteps, ...(learners.others && { otherSteps }), checksums };
        await writeWhole(join(temporary, 'state.json'), `${JSON.stringify(content, null, 2)}\n`, CheckpointError);
      },
      CheckpointError,
    );
    const names = await this.list();
    const own = names.indexOf(nameOf(state.step));
    // Later ones are of a course that the run has left: it went back to an earlier checkpoint.
    for (const [i, name] of names.entries())
      if (i < own - 1 || i > own) await rm(join(this.folder, name), { recursive: true });
  }

  /** Names of the checkpoints, oldest first. */
  async list(): Promise<string[]> {
    const names = await readdir(this.folder).catch(() => [] as string[]);
    const step = (name: string) => Number(name.slice('step-'.length));
    return names.filter((name) => /^step-\d+$/.test(name)).sort((a, b) => step(a) - step(b));
  }

  /**
   * The newest checkpoint, or the named one, once every file of it has been found as it was written.
   *
   * @returns undefined where there is none.
   * @throws CheckpointError naming what is damaged, and the checkpoint before it.
   */
  async verify(name?: string): Promise<CheckpointState | undefined> {
    const names = await this.list();
    const chosen = name ?? names.at(-1);
    if (chosen === undefined) return undefined;
    if (!names.includes(chosen)) {
      const expected = names.join(' or ') || 'no name, as there is no checkpoint';
      throw new CheckpointError({ where: this.folder, what: '--resume', expected, got: chosen });
    }
    try {
      return await verified(join(this.folder, chosen));
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      const before = names[names.indexOf(chosen) - 1];
      const { where, what, expected, got } = error;
      const hint = before ? `--resume ${before} continues from the one before` : 'no earlier checkpoint is left';
      throw new CheckpointError({ where, what, expected, got, hint, cause: error });
    }
  }

  /** Loads what {@link Checkpoints.verify} finds. @throws as verify; CheckpointError where it is of another model. */
  async load(learners: Learners, name?: string): Promise<CheckpointState | undefined> {
    const state = await this.verify(name);
    if (!state) return undefined;
    for (const [prefix, { model, optimizer }] of named(learners)) {
      const [weights, expAvg, expAvgSq] = await Promise.all(
        parts.map((part) => readTensors(join(this.folder, nameOf(state.step), `${prefix}${part}.safetensors`))),
      );
      await model.load(weights!);
      const steps = prefix === '' ? state.optimizerSteps : state.otherSteps![prefix]!;
      await optimizer.load({ steps, expAvg: expAvg!, expAvgSq: expAvgSq! });
      for (const tensors of [weights, expAvg, expAvgSq]) for (const tensor of Object.values(tensors!)) tensor.dispose();
    }
    return state;
  }
}

const nameOf = (step: number) => `step-${step}`;

async function verified(folder: string): Promise<CheckpointState> {
  const path = join(folder, 'state.json');
  const { checksums, ...state } = await readFile(path, 'utf8')
    .then(JSON.parse)
    .catch((cause) => {
      const got = cause.code ?? 'damaged JSON';
      throw new CheckpointError({ where: path, what: basename(folder), expected: 'the state of a run', got, cause });
    });
  if (nameOf(state.step) !== basename(folder))
    throw new CheckpointError({ where: path, what: 'step', expected: basename(folder), got: String(state.step) });
  for (const part of new Set([...parts, ...Object.keys(checksums ?? {})])) {
    const file = join(folder, `${part}.safetensors`);
    const found = await digestOf([file]).catch((cause) => String(cause.code));
    if (found !== checksums?.[part])
      throw new CheckpointError({ where: file, what: 'checksum', expected: String(checksums?.[part]), got: found });
  }
  return state;
}
