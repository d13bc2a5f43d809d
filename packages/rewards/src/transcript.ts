/** What a recogniser heard. */
export interface Transcript {
  /** IPA without stress, length marks, spaces and pauses. */
  readonly text: string;
  /** Where each code point of it was heard: 0 the sample's beginning, 1 its end. */
  readonly places: readonly number[];
}

/**
 * The most likely label of each frame, repeats and blanks left out.
 *
 * @param logits `[at least frames, V]`; label 0 is the blank, label v stands for `symbols[v - 1]`
 * @see Graves et al.: CTC, ICML 2006, 3.2
 */
export function greedyTranscript(logits: Float32Array, frames: number, symbols: readonly string[]): Transcript {
  const V = symbols.length + 1;
  let text = '';
  const places: number[] = [];
  let last = 0;
  for (let t = 0; t < frames; t++) {
    let best = 0;
    for (let v = 1; v < V; v++) if (logits[t * V + v]! > logits[t * V + best]!) best = v;
    if (best !== last && best > 0) {
      const symbol = symbols[best - 1]!;
      text += symbol;
      for (const _ of symbol) places.push((t + 0.5) / frames);
    }
    last = best;
  }
  return { text, places };
}
