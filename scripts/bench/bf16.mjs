// Training steps and generation with products in bf16, beside the same model in f32 and, with --vs torch, beside PyTorch in bf16
// (autocast in training, weights of bf16 in generation). The roof is that of bf16; of weights it is half the bytes.
import { besidePeaks, chosenOf, columnsOf, measureSides, nodeSide, torchSides } from './suite.mjs';
import { forwardFlops, models, stepWork } from './tts-models.mjs';
import { findTorch } from './worker.mjs';

const frames = 100;

function generation(config, { text, context }, samples) {
  const batch = { samples, text, context, frames };
  const { flops, bytes } = stepWork(config, batch, context + 2 + frames / 2);
  const work = { flops, bytes: bytes / 2, bf16: true };
  return { task: 'generate', config, batch, count: samples * frames, work, turns: frames };
}

const cases = models.flatMap(({ name, config, batch }) => [
  {
    name: `${name}, training step`,
    task: 'train',
    config,
    batch,
    count: batch.samples * (batch.frames + 1),
    work: { flops: 3 * forwardFlops(config, batch), bytes: 0, bf16: true },
    turns: 1,
  },
  { name: `${name}, one sample`, ...generation(config, batch, 1) },
  { name: `${name}, 12 samples`, ...generation(config, batch, 12) },
]);

export const columns = columnsOf('per s', 'peer per s', 0);

export async function run({ vs, threads, wanted, quick, progress }) {
  const torch = findTorch(vs);
  const peers = torch ? torchSides(torch, 'tts.py', threads, '--bf16') : [];
  const names = ['align2speak f32', ...peers.map(({ name }) => name)];
  return besidePeaks(
    chosenOf(cases, wanted),
    { threads, progress },
    async ({ task, config, batch, count, work, turns }) => {
      const own = ['bf16', 'f32'].map((products) => nodeSide(products, 'tts-worker.mjs', String(threads), products));
      const sides = [...own, ...peers.map(({ start }) => start())];
      const [ours, ...others] = await measureSides(sides, { task, config, batch, steps: quick ? 1 : 3 }, { quick });
      return others.map((peer, i) => ({
        unit: 'frames/s',
        count,
        work,
        turns,
        ours,
        peer: { ...peer, name: names[i] },
      }));
    },
  );
}
