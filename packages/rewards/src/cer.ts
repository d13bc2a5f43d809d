import { locatedErrors } from './error-rate.js';
import type { Judge } from './judge.js';
import { checkSampleRate } from './judged.js';
import type { Reward } from './reward.js';

/**
 * Character error rate of what a recogniser hears, over IPA segments: lower is better, in [0, 1], higher rates clipped.
 *
 * It cannot see stress, length, prosody or the voice, nor what the recogniser guesses from context. A reference
 * without segments has no rate: NaN.
 */
export function cerReward(judge: Judge<'recogniser'>): Reward {
  return {
    name: 'cer',
    direction: 'lower',
    range: [0, 1],
    locates: true,
    docs: `character error rate over IPA, heard by ${judge.info.name}`,
    async score({ wavs, sampleRate, references, signal }) {
      checkSampleRate(judge, sampleRate);
      const transcripts = await judge.run(wavs, signal);
      const found = transcripts.map((transcript, i) => locatedErrors(transcript, references[i]!.ipa));
      return {
        scores: Float64Array.from(found, ({ count }) => Math.min(1, count.rate)),
        parts: found.map(({ parts }) => parts),
      };
    },
    close: () => judge.close(),
  };
}
