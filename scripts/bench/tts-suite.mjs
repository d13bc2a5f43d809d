// What train-step and decode share: a process for each model and side, so that peak memory is that model's own, and sides
// that take turns.
import { besidePeaks, chosenOf, columnsOf, measureSides, nodeSide, torchSides } from './suite.mjs';
import { models } from './tts-models.mjs';
import { findTorch } from './worker.mjs';

export const columns = columnsOf('per s', 'peer per s', 0);

/** Answers of ours and, with `torch`, of PyTorch eager and compiled. */
export async function measure({ torch, threads, quick }, request) {
  const peers = torch ? torchSides(torch, 'tts.py', threads) : [];
  const workers = [nodeSide('align2speak', 'tts-worker.mjs', String(threads)), ...peers.map(({ start }) => start())];
  const answers = await measureSides(workers, { ...request, steps: quick ? 1 : 3 }, { quick });
  return answers.map((answer, i) => ({ ...answer, name: peers[i - 1]?.name }));
}

/**
 * A suite over the models.
 *
 * @param task What the workers are asked to do.
 * @param caseOf For a model: its batch, the number of frames in it, and the FLOPs and bytes needed at least, `turns` times.
 */
export function ttsSuite(task, caseOf) {
  return async ({ vs, threads, wanted, quick, progress }) => {
    const torch = findTorch(vs);
    return besidePeaks(chosenOf(models, wanted), { threads, progress }, async ({ config, batch }) => {
      const { batch: asked, ...each } = caseOf(config, batch);
      const [ours, ...peers] = await measure({ torch, threads, quick }, { task, config, batch: asked });
      return (peers.length > 0 ? peers : [undefined]).map((peer) => ({ unit: 'frames/s', ...each, ours, peer }));
    });
  };
}
