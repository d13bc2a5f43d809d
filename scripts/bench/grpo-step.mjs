// A GRPO update of the shipped tiny model as `align2speak grpo` does it, by phase and by size of the group: 12 prompts, three judges
// and the pace, on the demo's corpus. There is no peer: no other program does this loop without PyTorch.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BenchError, median } from './worker.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const groups = [2, 6, 12, 24];
/** What an update does in turns; what is left of it are draws, copies and files. Judges also work beside the others. */
const phases = ['rollout', 'decode', 'judges', 'update'];

export const columns = [
  ['ms', (row) => row.ms.toFixed(0)],
  ['% of update', (row) => row.share.toFixed(1)],
  ['x real time', (row) => row.ours.toFixed(1)],
];

/** Lines of metrics of some updates, the first left out, which warms up. */
function updates(group, { threads, quick }) {
  const out = mkdtempSync(join(tmpdir(), 'grpo-step-'));
  const set = { init: 'models/tiny/base', groupSize: group, steps: quick ? 2 : 6, threads, validationItems: 1 };
  const args = Object.entries({ ...set, logEvery: 1 }).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
  const recipe = ['--config', 'packages/train/recipes/tiny/grpo.yaml', '--out', join(out, 'run')];
  const cli = [join(root, 'packages/cli/bin/align2speak.js'), 'grpo', ...recipe, ...args];
  try {
    const { status, stderr } = spawnSync(process.execPath, cli, { cwd: root, encoding: 'utf8' });
    if (status !== 0) throw new BenchError(`bench: align2speak grpo: expected updates, got ${stderr.slice(-2000)}`);
    const lines = readFileSync(join(out, 'run', 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map(JSON.parse);
    return lines.filter((line) => line['seconds/rollout'] !== undefined).slice(1);
  } finally {
    rmSync(out, { recursive: true });
  }
}

export async function run({ vs, threads, wanted, quick, progress }) {
  if (vs) throw new BenchError('bench: --vs: expected nothing for grpo-step, which has no peer, got torch');
  if (!existsSync(join(root, 'corpus/corpus.json'))) {
    const hint = 'npx align2speak data synth --out corpus';
    throw new BenchError(`bench: corpus: expected the corpus of the demo, got none\nhint: ${hint}`);
  }
  const chosen = groups.filter((group) => wanted(`groups of ${group}:`));
  if (chosen.length === 0) throw new BenchError('bench: --only: expected a name that occurs, got none');
  const rows = [];
  for (const group of chosen) {
    progress(`groups of ${group}`);
    const lines = updates(group, { threads, quick });
    const seconds = (line, phase) => line[`seconds/${phase}`];
    const whole = (line) => (12 * group * line['samples/frames'] * 1024) / 22_050 / line.xRealTime;
    const row = (name, of) => {
      const sec = median(lines.map(of));
      const speech = median(lines.map((line) => whole(line) * line.xRealTime));
      return {
        name: `groups of ${group}: ${name}`,
        unit: 'x real time',
        ours: speech / sec,
        peer: null,
        peerName: null,
        ratio: null,
        peakPct: null,
        rssMiB: median(lines.map(({ rssMiB }) => rssMiB)),
        ms: 1000 * sec,
        share: 100 * median(lines.map((line) => of(line) / whole(line))),
      };
    };
    const rest = (line) => Math.max(1e-6, whole(line) - phases.reduce((sum, phase) => sum + seconds(line, phase), 0));
    rows.push(row('whole update', whole), ...phases.map((phase) => row(phase, (line) => seconds(line, phase))));
    rows.push(row('rest', rest));
  }
  return { notes: [], rows };
}
