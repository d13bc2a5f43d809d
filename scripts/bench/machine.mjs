// What this machine can do at most, as align2speak_check measures it.
import { fileURLToPath } from 'node:url';

export const runner = fileURLToPath(new URL('../../native/build/align2speak_check', import.meta.url));

/** Best of several measurements: a peak is what the machine can do when nobody disturbs it. */
export class Peaks {
  #samples = [];

  /** @param sample The runner's answer to `{ machine: true }`. */
  add(sample) {
    this.#samples.push(sample);
  }

  /** GFLOP/s of one thread (0) or of all (1), of FMAs in f32 or of products of bf16. */
  gflops(which = 1, bf16 = false) {
    return Math.max(...this.#samples.map((sample) => sample[bf16 ? 'bf16Gflops' : 'gflops'][which]));
  }

  /** GB/s of the smallest measured working set that holds `bytes`, by one thread or by all, whichever is faster. */
  gbs(bytes, which = [0, 1]) {
    const sizes = this.#samples[0].memory.map((entry) => entry.bytes);
    const found = sizes.findIndex((size) => size >= bytes);
    const level = found < 0 ? sizes.length - 1 : found;
    return Math.max(...this.#samples.flatMap((sample) => which.map((i) => sample.memory[level].gbs[i])));
  }

  /** The roof of so much work: which of the two bounds it, and the seconds that it needs at least. */
  roof({ flops, bytes, bf16 }) {
    const compute = flops / this.gflops(1, bf16) / 1e9;
    const memory = bytes / this.gbs(bytes) / 1e9;
    return compute > memory ? { bound: 'compute', seconds: compute } : { bound: 'memory', seconds: memory };
  }

  /** Lines for people. */
  describe() {
    const [{ threads, memory }] = this.#samples;
    const all = memory.at(-1).bytes;
    const caches = memory.slice(0, -1).map(({ bytes }) => `${bytes / 2 ** 20} MiB ${this.gbs(bytes).toFixed(0)}`);
    return [
      `FMA ${this.gflops(0).toFixed(1)} GFLOP/s on 1 thread, ${this.gflops(1).toFixed(1)} on ${threads}; in bf16 ${this.gflops(0, true).toFixed(1)} and ${this.gflops(1, true).toFixed(1)}`,
      `memory ${this.gbs(all, [0]).toFixed(1)} GB/s on 1 thread, ${this.gbs(all, [1]).toFixed(1)} on ${threads}; in caches ${caches.join(', ')} GB/s`,
    ];
  }
}
