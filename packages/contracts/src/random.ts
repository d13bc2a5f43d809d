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

function mix(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
