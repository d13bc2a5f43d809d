import { CheckpointError, DataError } from '@align2speak/contracts';
import type { Learners } from './checkpoint.js';
import { type LoopConfig, learningRate } from './config.js';
import { Progress } from './progress.js';
import type { Metrics, Run } from './run.js';

/**
 * What a stage does in an update. It leaves gradients in its model; the loop moves the weights. Of others that learn beside it, the stage
 * moves the weights itself.
 */
export interface Stage extends Learners {
  /** Shown in progress lines. */
  readonly name: string;
  /**
   * What takes long and has to be there before the first update, with the weights that the model begins with. Keeps what it makes in
   * the run's folder, and throws {@link Interrupted} soon after a signal.
   */
  prepare?(folder: string, signal: { readonly received: boolean }): Promise<void>;
  /**
   * Gradients of update `step` (0 is the first). `skip`: nothing was learnt, the weights stay.
   *
   * @param logged whether its metrics will be written down: the time for what only a reader wants
   * @param move moves the weights by the gradients of now, as the loop does by those that are left: for updates of several iterations
   */
  step(
    step: number,
    phases: Phases,
    logged: boolean,
    move: () => Promise<unknown>,
  ): Promise<{ metrics: Metrics; skip?: boolean }>;
  /** `score`: lower is better; the weights with the lowest are kept as `best`. */
  validate?(step: number): Promise<{ score: number; metrics: Metrics }>;
  /** Cursors that decide what later updates see, as JSON. */
  state(): unknown;
  restore(state: unknown): void;
  /** Writes the model of this moment into the folder. */
  save(folder: string): Promise<void>;
  /** Releases what is not the model's: workers, files. */
  close?(): Promise<void>;
}

/** A run that ended because of SIGINT or SIGTERM, with a checkpoint written, or what else was `kept`. */
export class Interrupted extends Error {
  constructor(folder: string, kept = 'a checkpoint is') {
    super(`interrupted: ${kept} in ${folder}; --resume continues`);
    this.name = 'Interrupted';
  }
}

/** Where the time of an update goes. */
export class Phases {
  #seconds = new Map<string, number>();

  /** Runs `work` and adds its time to a phase. */
  async time<T>(phase: string, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      return await work();
    } finally {
      this.#seconds.set(phase, (this.#seconds.get(phase) ?? 0) + (performance.now() - start) / 1000);
    }
  }

  /** Seconds of each phase since the last call, as metrics. */
  take(): Metrics {
    const metrics = Object.fromEntries([...this.#seconds].map(([phase, seconds]) => [`seconds/${phase}`, seconds]));
    this.#seconds.clear();
    return metrics;
  }
}

/** Gradients that are not finite change nothing; so many in a row end the run. */
const maxNonFinite = 10;

/**
 * Runs a stage to its last update, or to a signal: then a checkpoint is written and {@link Interrupted} thrown.
 *
 * The run continues from its newest checkpoint where it has one (from the named one with `from`), to the same bits.
 * @throws DataError when gradients stay without finite values; CheckpointError on a damaged checkpoint.
 */
export async function runStage(stage: Stage, run: Run, config: LoopConfig, from?: string): Promise<void> {
  const signal = listenForSignals();
  try {
    await stage.prepare?.(run.folder, signal);
    await runUpdates(stage, run, config, { signal, from });
  } finally {
    signal.close();
    await run.close();
  }
}

async function runUpdates(
  stage: Stage,
  run: Run,
  config: LoopConfig,
  { signal, from }: { signal: { readonly received: boolean }; from: string | undefined },
): Promise<void> {
  let best = Number.POSITIVE_INFINITY;
  let first = 0;
  const found = await run.checkpoints.load(stage, from);
  if (found) {
    if (found.step > config.steps)
      throw new CheckpointError({
        where: run.checkpoints.folder,
        what: 'step',
        expected: `at most ${config.steps}`,
        got: String(found.step),
      });
    first = found.step;
    best = found.best ?? best;
    stage.restore(found.stage);
  }
  await run.rewind(found?.step);
  const checkpoint = (step: number) =>
    run.checkpoints.save(stage, {
      step,
      best: Number.isFinite(best) ? best : null,
      stage: stage.state(),
    });
  const validate = async (step: number) => {
    if (!stage.validate) return;
    const { score, metrics } = await stage.validate(step);
    await run.log(step, metrics);
    if (score < best) {
      best = score;
      await stage.save(run.path('best'));
    }
  };
  const progress = new Progress(stage.name, config.steps, first);
  const phases = new Phases();
  let nonFinite = 0;
  try {
    if (first === 0) await validate(0);
    for (let step = first; step < config.steps; step++) {
      const lr = learningRate(config, step);
      const done = step + 1;
      const ends = done === config.steps;
      const due = (every: number) => ends || (every > 0 && done % every === 0);
      const move = async () => {
        const report = await stage.optimizer.step({ lr, clipNorm: config.clipNorm });
        await stage.model.zeroGrad();
        return report;
      };
      const { metrics, skip } = await stage.step(step, phases, due(config.logEvery), move);
      const report = skip ? undefined : await move();
      nonFinite = report && report.nonFinite > 0 ? nonFinite + 1 : 0;
      if (nonFinite > maxNonFinite) throw divergence(run, step);
      if (due(config.logEvery) || report?.nonFinite)
        await run.log(done, {
          lr,
          ...metrics,
          gradNorm: report?.gradNorm ?? 0,
          rssMiB: process.resourceUsage().maxRSS / 1024,
          ...phases.take(),
        });
      progress.show(done, metrics);
      if (due(config.validateEvery)) await validate(done);
      if (due(config.checkpointEvery) || signal.received) await checkpoint(done);
      if (signal.received && !ends) throw new Interrupted(run.folder);
    }
    await stage.save(run.path('last'));
  } finally {
    progress.end();
  }
}

function divergence(run: Run, step: number): DataError {
  return new DataError({
    where: run.folder,
    what: `gradients of updates ${step - maxNonFinite} to ${step}`,
    expected: 'finite values',
    got: 'NaN or infinity in each',
    hint: 'lower lr, and --resume from the last checkpoint in a new folder',
  });
}

/** Remembers SIGINT and SIGTERM until closed. A second signal ends the process at once, as without this. */
function listenForSignals() {
  const state = { received: false, close: () => {} };
  const listener = () => {
    state.received = true;
    state.close();
    console.error('\nsignal received: finishing what is under way and keeping it (once more to quit now)');
  };
  state.close = () => {
    process.off('SIGINT', listener);
    process.off('SIGTERM', listener);
  };
  process.on('SIGINT', listener);
  process.on('SIGTERM', listener);
  return state;
}
