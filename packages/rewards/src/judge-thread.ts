import { Worker } from 'node:worker_threads';
import { CheckpointError, RewardError } from '@align2speak/contracts';

/** Samples of a batch, padding included: some 6 s of speech. Larger ones need more memory and are no faster (docs/SPEED.md). */
export const batchSamples = 2 ** 17;

/** A batch for a judge's session: `wav` is [items, size], and each item has so many samples of its own. */
export interface PaddedBatch {
  readonly wav: Float32Array<SharedArrayBuffer>;
  readonly items: number;
  readonly size: number;
  readonly samples: readonly number[];
}

type Results = (Float32Array | BigInt64Array)[];
type Answer = { id: number; results?: Results; error?: string };
type Pending = { memory: SharedArrayBuffer; resolve: (results: Results) => void; reject: (error: Error) => void };

/**
 * What each thread is at: 0 idle, 1 within onnxruntime, 2 stopped. A process that ends while a thread is within onnxruntime
 * would be aborted by it, so that its end waits for the batch under way.
 */
const states = new Set<Int32Array<SharedArrayBuffer>>();
const idle = 0;
const busy = 1;
const stopped = 2;
const longestWaitMs = 10_000;
process.on('exit', () => {
  for (const state of states)
    while (Atomics.compareExchange(state, 0, idle, stopped) === busy)
      if (Atomics.wait(state, 0, busy, longestWaitMs) === 'timed-out') break;
});

/** An onnxruntime session in a worker thread; batches are judged one after another, in the order of the calls. */
export class JudgeThread {
  readonly #path: string;
  readonly #worker: Worker;
  readonly #pending = new Map<number, Pending>();
  /** Memory of the last batch that was answered, for the next one. */
  #spare: SharedArrayBuffer | undefined;
  #calls = 0;
  #ended: string | undefined;

  private constructor(path: string, worker: Worker) {
    this.#path = path;
    this.#worker = worker;
    worker.on('message', ({ id, results, error }: Answer) => {
      const pending = this.#pending.get(id);
      this.#pending.delete(id);
      this.#spare = pending?.memory;
      this.#holdProcess();
      if (results) pending?.resolve(results);
      else pending?.reject(this.#failure(error ?? 'nothing'));
    });
    worker.on('error', (error) => this.#end(String(error)));
    worker.on('exit', () => this.#end('the end of its thread'));
    this.#holdProcess();
  }

  /**
   * @param model the bytes of the ONNX file; given away
   * @param outputs names of outputs that the session must have
   * @throws CheckpointError where onnxruntime refuses the file or an output is missing
   */
  static async open(
    path: string,
    model: Uint8Array<ArrayBuffer>,
    { threads, outputs }: { threads: number; outputs: readonly string[] },
  ): Promise<JudgeThread> {
    const state = new Int32Array(new SharedArrayBuffer(4));
    const worker = new Worker(new URL('../judge-worker.mjs', import.meta.url), {
      workerData: { model, threads, state },
      transferList: [model.buffer],
      // Options of this process that concern its own script, such as --input-type, stop a worker from starting.
      execArgv: [],
    });
    states.add(state);
    worker.once('exit', () => states.delete(state));
    const opened = await new Promise<{ outputs?: string[]; error?: string }>((resolve) => {
      worker.once('message', resolve);
      worker.once('error', (error) => resolve({ error: String(error) }));
    });
    const missing = outputs.find((name) => !opened.outputs?.includes(name));
    if (missing === undefined) return new JudgeThread(path, worker);
    await worker.terminate();
    const what = opened.outputs ? 'outputs' : 'file';
    const expected = opened.outputs ? missing : 'a model that onnxruntime runs';
    throw new CheckpointError({ where: path, what, expected, got: opened.error ?? `${opened.outputs}` });
  }

  /** Memory for so many samples of a batch, which may hold those of an earlier one: as much as any batch needs, so that one follows the other in it. */
  memory(samples: number): PaddedBatch['wav'] {
    const spare = this.#spare;
    this.#spare = undefined;
    const enough = spare !== undefined && spare.byteLength >= 4 * samples;
    return new Float32Array(enough ? spare : new SharedArrayBuffer(4 * Math.max(samples, batchSamples)), 0, samples);
  }

  /** The outputs of these names for a batch, whose memory is from `memory` and stays as it is meanwhile. @throws RewardError where the session fails. */
  run({ wav, items, size, samples }: PaddedBatch, outputs: readonly string[]): Promise<Results> {
    if (this.#ended) return Promise.reject(this.#failure(this.#ended));
    const id = this.#calls++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { memory: wav.buffer, resolve, reject });
      this.#holdProcess();
      this.#worker.postMessage({ id, wav, items, size, samples, outputs });
    });
  }

  /** Ends the thread once the batches under way are judged; calls after it fail. */
  async close(): Promise<void> {
    if (this.#ended) return;
    const ended = new Promise((resolve) => this.#worker.once('exit', resolve));
    this.#ended = 'one that is closed';
    this.#worker.ref();
    this.#worker.postMessage({ close: true });
    await ended;
  }

  /** A judge without work keeps no process alive that has nothing else to do. */
  #holdProcess(): void {
    if (this.#pending.size > 0) this.#worker.ref();
    else this.#worker.unref();
  }

  #failure(got: string): RewardError {
    return new RewardError({ where: this.#path, what: 'judge', expected: 'an answer', got });
  }

  #end(reason: string): void {
    this.#ended ??= reason;
    for (const { reject } of this.#pending.values()) reject(this.#failure(reason));
    this.#pending.clear();
  }
}
