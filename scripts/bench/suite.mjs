// What suites of whole models share: which cases are wanted, the machine's peak before each of them, and rows of both sides.
import { fileURLToPath } from 'node:url';
import { Peaks, runner } from './machine.mjs';
import { BenchError, inTurns, torchEnvironment, Worker } from './worker.mjs';

/** A process of ours that runs a worker beside the suites. */
export const nodeSide = (name, file, ...args) =>
  new Worker(name, [process.execPath, fileURLToPath(new URL(file, import.meta.url)), ...args]);

/** The PyTorch sides of a script beside the suites, eager and, where wanted, compiled: their names, and how each is started, with further arguments. */
export const torchSides = (torch, file, threads, ...more) => {
  const { python, name, compiled } = torch;
  const script = fileURLToPath(new URL(file, import.meta.url));
  const side = (name, ...args) => ({
    name,
    start: () => new Worker(name, [python, script, ...more, ...args], torchEnvironment(torch, threads)),
  });
  return compiled ? [side(name), side(`${name} compiled`, '--compile')] : [side(name)];
};

/** Answers of sides that take turns, ours first, with the median of their `ms`; closes them. @throws BenchError where models differ in size. */
export async function measureSides(workers, request, { quick }) {
  try {
    const answers = await inTurns(workers, request, { rounds: quick ? 1 : 5, key: 'ms' });
    const sizes = new Set(answers.map(({ parameters }) => parameters));
    if (sizes.size > 1) throw new BenchError(`bench: parameters: expected as many as ours, got ${[...sizes]}`);
    return answers;
  } finally {
    for (const worker of workers) await worker.close();
  }
}

/** Columns for people; speeds are in `unit`, which titles them, with so many `digits`. */
export const columnsOf = (unit, peerUnit, digits) => [
  ['ms', (row) => row.ms.toFixed(1)],
  [unit, (row) => row.ours.toFixed(digits)],
  ['GFLOP/s', (row) => row.gflops.toFixed(1)],
  [peerUnit, (row) => row.peer?.toFixed(digits)],
  ['peer', (row) => row.peerName],
  ['peer MiB', (row) => row.peerRssMiB?.toFixed(0)],
];

/** The cases whose name is wanted. @throws BenchError where there is none. */
export function chosenOf(cases, wanted) {
  const chosen = cases.filter(({ name }) => wanted(name));
  if (chosen.length === 0) throw new BenchError('bench: --only: expected a name that occurs, got none');
  return chosen;
}

/** `count` things are done in the `ms` of a side, which need `work` so many `turns` at least. */
function rowOf({ unit, count, work, turns = 1, ours, peer, ...named }, peaks) {
  const { bound, seconds } = peaks.roof(work);
  return {
    ...named,
    unit,
    ours: (1000 * count) / ours.ms,
    peer: peer ? (1000 * count) / peer.ms : null,
    peerName: peer?.name ?? null,
    ratio: peer ? peer.ms / ours.ms : null,
    peakPct: (1e5 * turns * seconds) / ours.ms,
    rssMiB: ours.rssMiB,
    ms: ours.ms,
    gflops: (turns * work.flops) / ours.ms / 1e6,
    peerRssMiB: peer?.rssMiB,
    bound,
  };
}

/** Notes and rows of the cases. @param measure For a case, what a row is made of, once for each peer. */
export async function besidePeaks(cases, { threads, progress }, measure) {
  const machine = new Worker('align2speak_check', [runner, 'bench', '--serve', '--threads', String(threads)]);
  const peaks = new Peaks();
  const measured = [];
  try {
    for (const each of cases) {
      progress(each.name);
      peaks.add(await machine.ask({ machine: true }));
      for (const parts of await measure(each)) measured.push({ name: each.name, ...parts });
    }
  } finally {
    await machine.close();
  }
  return { notes: peaks.describe(), rows: measured.map((parts) => rowOf(parts, peaks)) };
}
