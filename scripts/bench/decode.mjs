// Generation of 12 samples of one prompt with a KV cache, in f32: encoders, prefix, then a frame a step, sampled from the 80
// likeliest at temperature 0.7. The roof is that of decoder and heads alone: their products, or reading weights and cache.
import { stepWork } from './tts-models.mjs';
import { ttsSuite } from './tts-suite.mjs';

const samples = 12;

export { columns } from './tts-suite.mjs';
export const run = ttsSuite('generate', (config, { text, context }) => {
  const batch = { samples, text, context, frames: 250 };
  const work = stepWork(config, batch, context + 2 + batch.frames / 2);
  return { batch, count: samples * batch.frames, work, turns: batch.frames };
});
