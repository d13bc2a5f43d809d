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
