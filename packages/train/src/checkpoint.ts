import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { CheckpointError } from '@align2speak/contracts';
import type { Model, NamedTensors, Optimizer } from '@align2speak/native';
import { readTensors, replaceFolder, tensorsToWrite, writeFlushed, writeSafetensors } from '@align2speak/weights';

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

  /** Writes a checkpoint aside, flushes it, moves it into place, and removes all but the newest two. */
  async save(model: Model, optimizer: Optimizer, state: Omit<CheckpointState, 'optimizerSteps'>): Promise<void> {
    const temporary = join(this.folder, `.step-${state.step}.${randomBytes(6).toString('hex')}.tmp`);
    await mkdir(temporary, { recursive: true });
    try {
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
        checksums[part] = await sha256(path);
      }
      const content = { ...state, optimizerSteps: steps, checksums };
      await writeFlushed(join(temporary, 'state.json'), `${JSON.stringify(content, null, 2)}\n`);
      await replaceFolder(temporary, join(this.folder, `step-${state.step}`));
    } finally {
      await rm(temporary, { recursive: true, force: true });
    }
    for (const old of (await this.list()).slice(0, -2)) await rm(join(this.folder, old), { recursive: true });
  }

  /** Names of the checkpoints, oldest first. */
  async list(): Promise<string[]> {
    const names = await readdir(this.folder).catch(() => [] as string[]);
    const step = (name: string) => Number(name.slice('step-'.length));
    return names.filter((name) => /^step-\d+$/.test(name)).sort((a, b) => step(a) - step(b));
  }

  /**
   * Loads the newest checkpoint, or the named one.
   *
   * @returns undefined where there is none.
   * @throws CheckpointError naming what is damaged, and the checkpoint before it.
   */
  async load(model: Model, optimizer: Optimizer, name?: string): Promise<CheckpointState | undefined> {
    const names = await this.list();
    const chosen = name ?? names.at(-1);
    if (chosen === undefined) return undefined;
    try {
      const { checksums, ...state } = await this.#verified(join(this.folder, chosen));
      const [weights, expAvg, expAvgSq] = await Promise.all(
        parts.map((part) => readTensors(join(this.folder, chosen, `${part}.safetensors`))),
      );
      await model.load(weights!);
      await optimizer.load({ steps: state.optimizerSteps, expAvg: expAvg!, expAvgSq: expAvgSq! });
      return state;
    } catch (error) {
      if (!(error instanceof CheckpointError) || error.hint) throw error;
      const before = names[names.indexOf(chosen) - 1];
      const { where, what, expected, got } = error;
      const hint = before ? `--resume ${before} continues from the one before` : 'no earlier checkpoint is left';
      throw new CheckpointError({ where, what, expected, got, hint, cause: error });
    }
  }

  async #verified(folder: string): Promise<CheckpointState & { checksums: Record<string, string> }> {
    const path = join(folder, 'state.json');
    const state = await readFile(path, 'utf8')
      .then(JSON.parse)
      .catch((cause) => {
        const got = cause.code ?? 'damaged JSON';
        throw new CheckpointError({ where: path, what: basename(folder), expected: 'the state of a run', got, cause });
      });
    for (const part of parts) {
      const file = join(folder, `${part}.safetensors`);
      const found = await sha256(file).catch((cause) => String(cause.code));
      if (found !== state.checksums?.[part])
        throw new CheckpointError({ where: file, what: 'checksum', expected: state.checksums?.[part], got: found });
    }
    return state;
  }
}

async function sha256(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex');
}
