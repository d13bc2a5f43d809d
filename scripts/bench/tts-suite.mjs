// What train-step and decode share: a process for each model and side, so that peak memory is that model's own, and sides
// that take turns.
import { fileURLToPath } from 'node:url';
import { Peaks, runner } from './machine.mjs';
import { models } from './tts-models.mjs';
import { BenchError, findTorch, inTurns, torchEnvironment, Worker } from './worker.mjs';

const pathOf = (file) => fileURLToPath(new URL(file, import.meta.url));

export const columns = [
  ['ms', (row) => row.ms.toFixed(1)],
  ['per s', (row) => row.ours.toFixed(0)],
  ['GFLOP/s', (row) => row.gflops.toFixed(1)],
  ['peer per s', (row) => row.peer?.toFixed(0)],
  ['peer', (row) => row.peerName],
  ['peer MiB', (row) => row.peerRssMiB?.toFixed(0)],
];

function rowOf({ name, count, work, turns, ours, peer, peerName }, peaks) {
  const { bound, seconds } = peaks.roof(work);
  return {
    name,
    unit: 'frames/s',
    ours: (1000 * count) / ours.ms,
    peer: peer ? (1000 * count) / peer.ms : null,
    peerName: peerName ?? null,
    ratio: peer ? peer.ms / ours.ms : null,
    peakPct: (1e5 * turns * seconds) / ours.ms,
    rssMiB: ours.rssMiB,
    ms: ours.ms,
    gflops: (turns * work.flops) / ours.ms / 1e6,
    peerRssMiB: peer?.rssMiB,
    bound,
  };
}

/** A process for ours and, with `torch`, for PyTorch eager and compiled. */
function startSides(torch, threads) {
  const env = torch && torchEnvironment(threads);
  const python = (...args) => new Worker(torch.name, [torch.python, pathOf('tts.py'), ...args], env);
  const ours = new Worker('align2speak', [process.execPath, pathOf('tts-worker.mjs'), String(threads)]);
  if (!torch) return [{ worker: ours }];
  return [
    { worker: ours },
    { worker: python(), name: torch.name },
    { worker: python('--compile'), name: `${torch.name} compiled` },
  ];
}

async function measure({ torch, threads, quick }, request) {
  const sides = startSides(torch, threads);
  try {
    const workers = sides.map(({ worker }) => worker);
    const answers = await inTurns(workers, { ...request, steps: quick ? 1 : 3 }, { rounds: quick ? 1 : 5, key: 'ms' });
    const sizes = new Set(answers.map(({ parameters }) => parameters));
    if (sizes.size > 1) throw new BenchError(`${torch.name}: parameters: expected as many as ours, got ${[...sizes]}`);
    return answers.map((answer, i) => ({ ...answer, name: sides[i].name }));
  } finally {
    for (const { worker } of sides) await worker.close();
  }
}

/**
 * A suite over the models.
 *
 * @param task What the workers are asked to do.
 * @param caseOf For a model: its batch, the number of frames in it, and the FLOPs and bytes needed at least, `turns` times.
 */
export function ttsSuite(task, caseOf) {
  return async ({ vs, threads, wanted, quick, progress }) => {
    const torch = vs === 'torch' ? findTorch() : null;
    const chosen = models.filter(({ name }) => wanted(name));
    if (chosen.length === 0) throw new BenchError('bench: --only: expected a name that occurs, got none');
    const machine = new Worker('align2speak_check', [runner, 'bench', '--serve', '--threads', String(threads)]);
    const peaks = new Peaks();
    const measured = [];
    try {
      for (const { name, config, batch } of chosen) {
        progress(name);
        peaks.add(await machine.ask({ machine: true }));
        const each = caseOf(config, batch);
        const [ours, ...peers] = await measure({ torch, threads, quick }, { task, config, batch: each.batch });
        for (const peer of peers.length > 0 ? peers : [undefined])
          measured.push({ name, ...each, ours, peer, peerName: peer?.name });
      }
    } finally {
      await machine.close();
    }
    return { notes: peaks.describe(), rows: measured.map((each) => rowOf(each, peaks)) };
  };
}
