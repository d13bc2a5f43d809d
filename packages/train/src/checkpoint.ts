import { readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { CheckpointError, digestOf, writeFolder, writeWhole } from '@align2speak/contracts';
import type { Model, NamedTensors, Optimizer } from '@align2speak/native';
import { readTensors, tensorsToWrite, writeSafetensors } from '@align2speak/weights';

/** Files of a checkpoint beside state.json, which holds their checksums. */
const parts = ['weights', 'exp-avg', 'exp-avg-sq'] as const;

/** What decides the next update, beside the tensors. */
export interface CheckpointState {
  /** Updates made. */
  step: number;
  /** Steps of the optimizer, for its bias correction. */
  optimizerSteps: number;
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
  async save(model: Model, optimizer: Optimizer, state: Omit<CheckpointState, 'optimizerSteps'>): Promise<void> {
    await writeFolder(
      join(this.folder, nameOf(state.step)),
      async (temporary) => {
        const { steps, expAvg, expAvgSq } = await optimizer.state();
        const checksums: Record<string, string> = {};
        for (const [part, tensors] of [
          ['weights', await model.state()],
          ['exp-avg', expAvg],
          ['exp-avg-sq', expAvgSq],
        ] as [string, NamedTensors][]) {
          const path = join(temporary, `${part}.safetensors`);
          await writeSafetensors(path, await tensorsToWrite(tensors));
          for (const tensor of Object.values(tensors)) tensor.dispose();
          checksums[part] = await digestOf([path]);
        }
        const content = { ...state, optimizerSteps: steps, checksums };
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
  async load(model: Model, optimizer: Optimizer, name?: string): Promise<CheckpointState | undefined> {
    const state = await this.verify(name);
    if (!state) return undefined;
    const [weights, expAvg, expAvgSq] = await Promise.all(
      parts.map((part) => readTensors(join(this.folder, nameOf(state.step), `${part}.safetensors`))),
    );
    await model.load(weights!);
    await optimizer.load({ steps: state.optimizerSteps, expAvg: expAvg!, expAvgSq: expAvgSq! });
    for (const tensors of [weights, expAvg, expAvgSq]) for (const tensor of Object.values(tensors!)) tensor.dispose();
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
  for (const part of parts) {
    const file = join(folder, `${part}.safetensors`);
    const found = await digestOf([file]).catch((cause) => String(cause.code));
    if (found !== checksums?.[part])
      throw new CheckpointError({ where: file, what: 'checksum', expected: String(checksums?.[part]), got: found });
  }
  return state;
}
