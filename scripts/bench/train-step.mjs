// A step of supervised training in f32: forward, backward, gradient clipping, AdamW. The roof is that of its products and
// attention, backward counted as twice forward. "per s" are decoder frames.
import { forwardFlops } from './tts-models.mjs';
import { ttsSuite } from './tts-suite.mjs';

export { columns } from './tts-suite.mjs';
export const run = ttsSuite('train', (config, batch) => ({
  batch,
  count: batch.samples * (batch.frames + 1),
  work: { flops: 3 * forwardFlops(config, batch), bytes: 0 },
  turns: 1,
}));
