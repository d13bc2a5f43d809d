/** The finaliser of MurmurHash3: every bit of the input changes half of the bits of the result. */
function mix(value: number): number {
  let h = value;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * Random numbers that depend on a key and on how many were drawn before, and on nothing else: the same on every machine.
 *
 * @see Salmon et al.: Parallel random numbers: as easy as 1, 2, 3 (SC 2011) for counters in place of state
 */
export class CounterRandom {
  readonly #low: number;
  readonly #high: number;
  #drawn = 0;

  /** @param key what the numbers are for: a seed, then names and indices */
  constructor(...key: readonly (string | number)[]) {
    let [low, high] = [0x243f6a88, 0x85a308d3];
    for (const byte of new TextEncoder().encode(JSON.stringify(key))) {
      low = mix(low ^ byte);
      high = mix((high + low) ^ byte);
    }
    this.#low = low;
    this.#high = high;
  }

  /** Uniform in [0, 1), of 53 random bits. */
  next(): number {
    const counter = this.#drawn++;
    const high = mix(this.#low ^ Math.imul(counter, 0x9e3779b1));
    const low = mix((this.#high + high) ^ mix(counter));
    return (high * 2 ** 21 + (low >>> 11)) / 2 ** 53;
  }

  /** A whole number in 0 … `limit`-1. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  /** An element of a list that is not empty. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  /** A list in random order; the argument stays as it is. */
  shuffled<T>(list: Iterable<T>): T[] {
    const result = [...list];
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [result[i], result[j]] = [result[j]!, result[i]!];
    }
    return result;
  }
}
