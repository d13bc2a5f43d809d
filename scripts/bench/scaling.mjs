// How cost grows: a training step and a generation of the small text-to-codes models in f32, one size at a time changed: batch, frames,
// width, group of rollouts, threads. "x cost" is beside the first of its series: linear growth multiplies it like the size.
import { besidePeaks, chosenOf, columnsOf } from './suite.mjs';
import { forwardFlops, models, stepWork } from './tts-models.mjs';
import { measure } from './tts-suite.mjs';
import { BenchError } from './worker.mjs';

const named = (name) => models.find((model) => model.name === name);
const tiny = named('tiny TTS');
const widths = ['4 layers, d=128', '6 layers, d=256', '6 layers, d=384'].map(named);

/** A training step: frames of all samples with their ends. */
const training = ({ config, batch }, changed = {}) => {
  const sizes = { ...batch, ...changed };
  const work = { flops: 3 * forwardFlops(config, sizes), bytes: 0 };
  return { task: 'train', config, batch: sizes, count: sizes.samples * (sizes.frames + 1), work, turns: 1 };
};
/** A generation for one prompt. */
const generation = ({ config, batch: { text, context } }, { samples = 12, frames = 100 } = {}) => {
  const batch = { samples, text, context, frames };
  const work = stepWork(config, batch, context + 2 + frames / 2);
  return { task: 'generate', config, batch, count: samples * frames, work, turns: frames };
};

/** Series of cases that differ in one size. */
const series = (threads) =>
  [
    ['training step, batch', [12, 24, 48, 96], (samples) => training(tiny, { samples })],
    ['training step, frames', [16, 31, 62, 124], (frames) => training(tiny, { frames })],
    ['training step, text bytes', [24, 48, 96], (text) => training(tiny, { text })],
    ['training step, model', widths.map(({ name }) => name), (name) => training(named(name))],
    ['generation, group', [1, 2, 4, 8, 12, 16, 24], (samples) => generation(tiny, { samples })],
    ['generation, frames', [50, 100, 200], (frames) => generation(tiny, { frames })],
    ['generation, model', widths.map(({ name }) => name), (name) => generation(named(name))],
    ['training step, threads', threads, (count) => ({ ...training(tiny), threads: count })],
    ['generation, threads', threads, (count) => ({ ...generation(tiny), threads: count })],
  ].flatMap(([title, sizes, caseOf]) => sizes.map((size) => ({ name: `${title} ${size}`, title, ...caseOf(size) })));

export const columns = [...columnsOf('frames per s', 'peer', 0).slice(0, 3), ['x cost', (row) => row.cost.toFixed(2)]];

export async function run({ vs, threads, wanted, quick, progress }) {
  if (vs) throw new BenchError(`bench: --vs: expected nothing for scaling, which has no peer, got ${vs}`);
  const counts = Array.from({ length: Math.floor(Math.log2(threads)) + 1 }, (_, i) => 2 ** i);
  const first = new Map();
  return besidePeaks(chosenOf(series(counts), wanted), { threads, progress }, async (each) => {
    const { task, config, batch, title, threads: own = threads, count, work, turns } = each;
    const [ours] = await measure({ threads: own, quick }, { task, config, batch });
    if (!first.has(title)) first.set(title, ours.ms);
    return [{ unit: 'frames/s', count, work, turns, ours, cost: ours.ms / first.get(title) }];
  });
}
