/**
 * One judge in a thread of its own: onnxruntime-node blocks the thread that opens or runs a session.
 *
 * It says `{ outputs }` once the session is open or `{ error }` where it cannot be; then answers each `{ id, wav, items, size,
 * samples, outputs }` by `{ id, results }`, a typed array for each name in `outputs`, or `{ id, error }`. `{ close: true }`
 * ends it. JavaScript, because threads start from files that Node can read as they are.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const { model, threads, state } = workerData;

/**
 * What `work` gives, with the state of this thread set to busy meanwhile; nothing is begun once the process is ending.
 * @template T
 * @param {() => Promise<T>} work
 */
async function busily(work) {
  if (Atomics.compareExchange(state, 0, 0, 1) !== 0) return new Promise(() => {});
  try {
    return await work();
  } finally {
    Atomics.store(state, 0, 0);
    Atomics.notify(state, 0);
  }
}

let session;
try {
  const options = {
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    // Threads that wait for work by spinning take the processor from the core's own.
    extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
  };
  session = await busily(() => InferenceSession.create(model, options));
  parentPort.postMessage({ outputs: session.outputNames });
} catch (error) {
  parentPort.postMessage({ error: String(error?.message ?? error) });
}

/** The last batch: onnxruntime reads no shared memory. */
let own = new Float32Array(0);

async function handle({ id, close, wav, items, size, samples, outputs }) {
  if (close) {
    await busily(() => session.release());
    parentPort.close();
    return;
  }
  try {
    if (own.length < wav.length) own = new Float32Array(wav.length);
    own.set(wav);
    const feeds = {
      wav: new Tensor('float32', own.subarray(0, wav.length), [items, size]),
      samples: new Tensor('int64', BigInt64Array.from(samples, BigInt), [items]),
    };
    const found = await busily(() => session.run(feeds, outputs));
    const results = outputs.map((name) => found[name].data.slice());
    parentPort.postMessage(
      { id, results },
      results.map(({ buffer }) => buffer),
    );
  } catch (error) {
    parentPort.postMessage({ id, error: String(error?.message ?? error) });
  }
}

// One after another: a session must not be released while it runs.
let last = Promise.resolve();
parentPort.on('message', (message) => {
  last = last.then(() => handle(message));
});
