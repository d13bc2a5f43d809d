// What train-step and decode share: a process for each model and side, so that peak memory is that model's own, and sides
// that take turns.
import { fileURLToPath } from 'node:url';
import { besidePeaks, chosenOf, columnsOf } from './suite.mjs';
import { models } from './tts-models.mjs';
import { BenchError, findTorch, inTurns, torchEnvironment, Worker } from './worker.mjs';

const pathOf = (file) => fileURLToPath(new URL(file, import.meta.url));

export const columns = columnsOf('per s', 'peer per s', 0);

/** A process for ours and, with `torch`, for PyTorch eager and compiled. */
function startSides(torch, threads) {
  const env = torch && torchEnvironment(threads);
  const python = (...args) => new Worker(torch.name, [torch.python, pathOf('tts.py'), ...args], env);
  const ours = new Worker('align2speak', [process.execPath, pathOf('tts-worker.mjs'), String(threads)]);
  if (!torch) return [{ worker: ours }];
  return [
    { worker: ours },
    { worker: python(), name: torch.name },
    { worker: python('--compile'), name: `${torch.name} compiled` },
  ];
}

/** Answers of ours and, with `torch`, of PyTorch eager and compiled. */
export async function measure({ torch, threads, quick }, request) {
  const sides = startSides(torch, threads);
  try {
    const workers = sides.map(({ worker }) => worker);
    const answers = await inTurns(workers, { ...request, steps: quick ? 1 : 3 }, { rounds: quick ? 1 : 5, key: 'ms' });
    const sizes = new Set(answers.map(({ parameters }) => parameters));
    if (sizes.size > 1) throw new BenchError(`${torch.name}: parameters: expected as many as ours, got ${[...sizes]}`);
    return answers.map((answer, i) => ({ ...answer, name: sides[i].name }));
  } finally {
    for (const { worker } of sides) await worker.close();
  }
}

/**
 * A suite over the models.
 *
 * @param task What the workers are asked to do.
 * @param caseOf For a model: its batch, the number of frames in it, and the FLOPs and bytes needed at least, `turns` times.
 */
export function ttsSuite(task, caseOf) {
  return async ({ vs, threads, wanted, quick, progress }) => {
    const torch = vs === 'torch' ? findTorch() : null;
    return besidePeaks(chosenOf(models, wanted), { threads, progress }, async ({ config, batch }) => {
      const { batch: asked, ...each } = caseOf(config, batch);
      const [ours, ...peers] = await measure({ torch, threads, quick }, { task, config, batch: asked });
      return (peers.length > 0 ? peers : [undefined]).map((peer) => ({ unit: 'frames/s', ...each, ours, peer }));
    });
  };
}
