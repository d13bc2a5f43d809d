/**
 * A number in [0, 1) that depends on nothing but the seed and the counters: no state to save, none to lose on resume.
 *
 * @param key seed first, then whatever tells this draw from every other; integers, hashed in order
 * @see Salmon et al.: Parallel Random Numbers: As Easy as 1, 2, 3 (SC 2011), for the idea; the mixer is MurmurHash3's finaliser
 */
export function randomAt(...key: number[]): number {
  let high = 0x9e3779b9;
  let low = 0x85ebca6b;
  for (const part of key) {
    // Both halves of a safe integer take part, so that large seeds do not collide.
    high = mix(high ^ (part | 0));
    low = mix(low ^ high ^ Math.floor(part / 2 ** 32));
  }
  return ((mix(high + low) >>> 5) * 2 ** 26 + (mix(low ^ 0x68e31da4) >>> 6)) / 2 ** 53;
}

/** An integer in 0 … count-1, as {@link randomAt}. */
export function randomIndex(count: number, ...key: number[]): number {
  return Math.floor(randomAt(...key) * count);
}

/** The positions 0 … count-1 in an order that depends on the key alone. */
export function randomOrder(count: number, ...key: number[]): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = randomIndex(i + 1, ...key, i);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/**
 * Random numbers that depend on a key and on how many were drawn before, and on nothing else: the same on every machine.
 * For whoever draws many of one kind; {@link randomAt} is for a draw that must be found again by its place.
 *
 * @see Salmon et al., as {@link randomAt}, for counters in place of state
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
    return ((high >>> 0) * 2 ** 21 + (low >>> 11)) / 2 ** 53;
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

/** The finaliser of MurmurHash3: every bit of the input changes half of the bits of the result. */
function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
