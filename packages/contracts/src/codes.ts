import type { CodecConfig } from './codec-config.js';
import { ConfigError } from './errors.js';
import type { TtsConfig } from './tts-config.js';

/** Codec codes of one utterance. */
export interface Codes {
  /** `[K, T]` in memory order, ids of the codec alone. */
  readonly data: Int32Array;
  /** T; data.length is K·T. */
  readonly frames: number;
}

/** Frames begin … end-1 of an utterance. */
export function sliceCodes({ data, frames }: Codes, begin: number, end: number): Codes {
  const codebooks = data.length / frames;
  const length = end - begin;
  const part = new Int32Array(codebooks * length);
  for (let k = 0; k < codebooks; k++) part.set(data.subarray(k * frames + begin, k * frames + end), k * length);
  return { data: part, frames: length };
}

/** Utterances side by side: `[B, K, T]` with zeros beyond each one's frames; T is the longest. */
export function stackCodes(items: readonly Codes[]): { data: Int32Array; shape: [number, number, number] } {
  const codebooks = items[0]!.data.length / items[0]!.frames;
  const longest = Math.max(...items.map(({ frames }) => frames));
  const data = new Int32Array(items.length * codebooks * longest);
  items.forEach((item, b) => {
    for (let k = 0; k < codebooks; k++)
      data.set(item.data.subarray(k * item.frames, (k + 1) * item.frames), (b * codebooks + k) * longest);
  });
  return { data, shape: [items.length, codebooks, longest] };
}

/** The inverse of {@link stackCodes}. */
export function unstackCodes(data: Int32Array, shape: readonly number[], lengths: ArrayLike<number>): Codes[] {
  const [items, codebooks, longest] = shape as [number, number, number];
  return Array.from({ length: items }, (_, b) => {
    const size = codebooks * longest;
    return sliceCodes({ data: data.subarray(b * size, (b + 1) * size), frames: longest }, 0, lengths[b]!);
  });
}

/**
 * Checks that a model speaks the codes of a codec: as many codebooks, and as many ids before the special ones.
 *
 * @param where folder of the model, named by the error
 * @throws ConfigError where it does not.
 */
export function requireSameCodes(model: TtsConfig, codec: CodecConfig, where: string): void {
  const size = codec.levels.reduce((product, steps) => product * steps, 1);
  const ids = Math.min(model.bos, model.eos, model.contextBos, model.contextEos, model.mask);
  if (model.codebooks === codec.groups && ids === size) return;
  throw new ConfigError({
    where,
    what: 'codes',
    expected: `${codec.groups} codebooks of ${size} codes, as the codec has`,
    got: `${model.codebooks} of ${ids}`,
    hint: 'name the codec that the model was trained with',
  });
}
