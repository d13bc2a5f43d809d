// Generation with weights rounded to bf16 beside the same model with those in f32, for one sample and for twelve: half the bytes to
// read where weights are what a step waits for. The roof is that of bf16.
import { besidePeaks, chosenOf, columnsOf, measureSides, nodeSide } from './suite.mjs';
import { models, stepWork } from './tts-models.mjs';
import { BenchError } from './worker.mjs';

const frames = 100;
const cases = models.flatMap(({ name, config, batch: { text, context } }) =>
  [1, 12].map((samples) => ({
    name: `${name}, ${samples === 1 ? 'one sample' : `${samples} samples`}`,
    config,
    batch: { samples, text, context, frames },
  })),
);

export const columns = columnsOf('per s', 'peer per s', 0);

export async function run({ vs, threads, wanted, quick, progress }) {
  if (vs) throw new BenchError('bench: --vs: expected nothing for bf16, whose peer is f32, got torch');
  return besidePeaks(chosenOf(cases, wanted), { threads, progress }, async ({ config, batch }) => {
    const sides = ['bf16', 'f32'].map((weights) => nodeSide(weights, 'tts-worker.mjs', String(threads), weights));
    const request = { task: 'generate', config, batch, steps: quick ? 1 : 3 };
    const [ours, f32] = await measureSides(sides, request, { quick });
    const { flops, bytes } = stepWork(config, batch, batch.context + 2 + frames / 2);
    const work = { flops, bytes: bytes / 2 };
    const peer = { ...f32, name: 'align2speak f32' };
    return [{ unit: 'frames/s', count: batch.samples * frames, work, turns: frames, ours, peer }];
  });
}
