// Every op's bench cases, matrix products and fork/join, each beside the roof it is under: this machine's measured rate of
// FMAs, or of moving a working set of its size, whichever allows less.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Peaks, runner } from './machine.mjs';
import { BenchError, findTorch, inTurns, torchEnvironment, Worker } from './worker.mjs';

const peerScript = fileURLToPath(new URL('kernels.py', import.meta.url));

function rowOf({ bench, pass, ours, peer, peerName }, peaks) {
  const { bound, seconds } = peaks.roof({ ...ours, bf16: bench.attrs.bf16 === true });
  const speed = (ms) => (bound === 'compute' ? ours.flops : ours.bytes) / ms / 1e6;
  const compared = peer !== undefined && peer.ms !== null;
  return {
    name: `${bench.op}: ${bench.name}${bench.passes.length > 1 ? `, ${pass}` : ''}`,
    unit: bound === 'compute' ? 'GFLOP/s' : 'GB/s',
    ours: speed(ours.ms),
    peer: compared ? speed(peer.ms) : null,
    peerName: compared ? `${peerName}${peer.how === 'compiled' ? ' compiled' : ''}` : null,
    ratio: compared ? peer.ms / ours.ms : null,
    peakPct: (1e5 * seconds) / ours.ms,
    rssMiB: null,
    ms: ours.ms,
    peerMs: compared ? peer.ms : null,
    gflops: ours.flops / ours.ms / 1e6,
    gbs: ours.bytes / ours.ms / 1e6,
    bound,
  };
}

/** Fork and join of 200 us of work: how many times faster than serial. */
function poolRows(threads) {
  const { stdout } = spawnSync(runner, ['bench', 'pool', '--threads', String(threads)], { encoding: 'utf8' });
  const lines = stdout.trim().split('\n');
  return lines.map(JSON.parse).map((line) => ({
    name: `fork and join: ${line.case}`,
    unit: 'x serial',
    ours: line.serial_us / line.us,
    peer: null,
    peerName: null,
    ratio: null,
    peakPct: (100 * line.serial_us) / line.us / threads,
    rssMiB: null,
    ms: line.us / 1000,
    bound: 'threads',
  }));
}

export const columns = [
  ['GFLOP/s', (row) => row.gflops?.toFixed(1)],
  ['GB/s', (row) => row.gbs?.toFixed(1)],
  ['us', (row) => (1000 * row.ms).toFixed(1)],
  ['peer us', (row) => row.peerMs && (1000 * row.peerMs).toFixed(1)],
];

export async function run({ vs, threads, wanted, quick, progress }) {
  const torch = findTorch(vs);
  const ours = new Worker('align2speak_check', [runner, 'bench', '--serve', '--threads', String(threads)]);
  const peer = torch && new Worker(torch.name, [torch.python, peerScript], torchEnvironment(torch, threads));
  try {
    const { benches } = await ours.ask({ list: true });
    const chosen = benches.filter(({ op, name }) => wanted(`${op}: ${name}`));
    const pool = wanted('fork and join');
    if (chosen.length === 0 && !pool) throw new BenchError('bench: --only: expected a name that occurs, got none');
    const peaks = new Peaks();
    const measured = [];
    for (const [i, bench] of chosen.entries()) {
      if (i % 8 === 0) peaks.add(await ours.ask({ machine: true }));
      progress(`${i + 1}/${chosen.length} ${bench.op}: ${bench.name}`);
      for (const pass of bench.passes) {
        const { op, name, inputs, attrs } = bench;
        const request = { op, name, pass, inputs, attrs, ms: quick ? 1 : 40 };
        const sides = peer ? [ours, peer] : [ours];
        const [a, b] = await inTurns(sides, request, { rounds: quick ? 1 : 7, key: 'ms' });
        measured.push({ bench, pass, ours: a, peer: b, peerName: torch?.name });
      }
    }
    peaks.add(await ours.ask({ machine: true }));
    const rows = measured.map((each) => rowOf(each, peaks));
    return { notes: peaks.describe(), rows: pool ? [...rows, ...poolRows(threads)] : rows };
  } finally {
    await ours.close();
    await peer?.close();
  }
}
