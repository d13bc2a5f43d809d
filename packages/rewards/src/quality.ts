import type { Judge } from './judge.js';
import { checkSampleRate } from './judged.js';
import type { Reward } from './reward.js';

/**
 * How good a sample sounds to a quality estimator: higher is better, in [0, 1].
 *
 * It sees no text and no voice, and what the number means is what its training taught: the file's `measured` says more.
 */
export function qualityReward(judge: Judge<'quality'>): Reward {
  return {
    name: 'quality',
    direction: 'higher',
    range: [0, 1],
    docs: `sound quality estimated by ${judge.info.name}`,
    async score({ wavs, sampleRate, signal }) {
      checkSampleRate(judge, sampleRate);
      return Float64Array.from(await judge.run(wavs, signal));
    },
    close: () => judge.close(),
  };
}
