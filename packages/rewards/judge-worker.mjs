/**
 * One judge in a thread of its own: onnxruntime-node blocks the thread that opens or runs a session.
 *
 * It says `{ outputs }` once the session is open or `{ error }` where it cannot be; then answers each `{ id, wav, items, size,
 * samples, outputs }` by `{ id, results }`, a typed array for each name in `outputs`, or `{ id, error }`. `{ close: true }`
 * ends it. JavaScript, because threads start from files that Node can read as they are.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { InferenceSession, Tensor } from 'onnxruntime-node';

/** @type {InferenceSession | undefined} */
let session;
try {
  session = await InferenceSession.create(workerData.model, {
    intraOpNumThreads: workerData.threads,
    interOpNumThreads: 1,
    // Threads that wait for work by spinning take the processor from the core's own.
    extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
  });
  parentPort.postMessage({ outputs: session.outputNames });
} catch (error) {
  parentPort.postMessage({ error: String(error?.message ?? error) });
}

async function handle({ id, close, wav, items, size, samples, outputs }) {
  if (close) {
    await session.release();
    parentPort.close();
    return;
  }
  try {
    const feeds = {
      wav: new Tensor('float32', wav, [items, size]),
      samples: new Tensor('int64', BigInt64Array.from(samples, BigInt), [items]),
    };
    const found = await session.run(feeds, outputs);
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
