import type { Judge } from './judge.js';
import { checkSampleRate } from './judged.js';
import type { Reward, RewardBatch } from './reward.js';
import { faultOf } from './usable.js';

/**
 * Speaker similarity: the cosine of a sample's embedding and that of its voice prompt. Higher is better, in [-1, 1].
 *
 * It cannot see what is said. Prompts are embedded once each and remembered by their key; a prompt that cannot be judged
 * gives NaN.
 */
export function ssimReward(judge: Judge<'speaker'>): Reward {
  const prompts = new Map<string, Float32Array | null>();
  return {
    name: 'ssim',
    direction: 'higher',
    range: [-1, 1],
    docs: `speaker similarity to the voice prompt, heard by ${judge.info.name}`,
    async score(batch) {
      checkSampleRate(judge, batch.sampleRate);
      await embedPrompts(judge, prompts, batch);
      const embeddings = await judge.run(batch.wavs, batch.signal);
      return Float64Array.from(embeddings, (embedding, i) => {
        const prompt = prompts.get(batch.references[i]!.voice);
        return prompt ? cosine(embedding, prompt) : Number.NaN;
      });
    },
    close: () => judge.close(),
  };
}

/** Embeds the prompts that are new; null for those that cannot be judged. */
async function embedPrompts(
  judge: Judge<'speaker'>,
  prompts: Map<string, Float32Array | null>,
  { references, sampleRate, signal }: RewardBatch,
): Promise<void> {
  const fresh = new Map<string, Float32Array>();
  for (const { voice, voiceWav } of references) {
    if (prompts.has(voice)) continue;
    if (faultOf(voiceWav, sampleRate)) prompts.set(voice, null);
    else fresh.set(voice, voiceWav);
  }
  // Each alone: in the last bit an embedding depends on its batch, and what is remembered must not depend on who asked first.
  for (const [voice, wav] of fresh) prompts.set(voice, (await judge.run([wav], signal))[0]!);
}

/** Of unit vectors; rounding may take their product beyond 1. */
function cosine(a: Float32Array, b: Float32Array): number {
  const product = a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  return Math.max(-1, Math.min(1, product));
}
