import { segmentsOf } from './error-rate.js';
import type { Reward } from './reward.js';

/** How long speech lasts, from the number of its segments: `fixed + perSegment · segments` seconds. */
export interface Pace {
  readonly fixed: number;
  readonly perSegment: number;
}

/** The pace of recordings, by least squares. Recordings that are all equally long, or too few, give a plain ratio. */
export function measurePace(recordings: readonly { readonly ipa: string; readonly durationSec: number }[]): Pace {
  const counts = recordings.map(({ ipa }) => segmentsOf(ipa).length);
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const [x, y] = [mean(counts), mean(recordings.map(({ durationSec }) => durationSec))];
  const spread = mean(counts.map((count) => (count - x) ** 2));
  const together = mean(counts.map((count, i) => (count - x) * (recordings[i]!.durationSec - y)));
  if (spread === 0 || together <= 0) return { fixed: 0, perSegment: y / x };
  return { fixed: y - (x * together) / spread, perSegment: together / spread };
}

/**
 * How far the length of a sample is from what recordings of such a text last: |log2(seconds / expected)|, lower is better,
 * in [0, 3], larger ones clipped.
 *
 * It hears nothing but the length; silence inside a sample counts as speech. It keeps a policy from slowing down, which
 * recognisers like.
 */
export function paceReward({ fixed, perSegment }: Pace): Reward {
  return {
    name: 'pace',
    direction: 'lower',
    range: [0, 3],
    docs: `|log2(seconds / (${fixed.toFixed(2)} + ${perSegment.toFixed(3)} · segments))|`,
    async score({ wavs, sampleRate, references }) {
      return Float64Array.from(wavs, ({ length }, i) => {
        const expected = fixed + perSegment * segmentsOf(references[i]!.ipa).length;
        return expected > 0 ? Math.min(3, Math.abs(Math.log2(length / sampleRate / expected))) : Number.NaN;
      });
    },
  };
}
