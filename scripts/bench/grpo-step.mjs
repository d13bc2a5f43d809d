// A GRPO update of the shipped tiny model as `align2speak grpo` does it, by phase and by size of the group: 12 prompts, three judges
// and the pace, on the demo's corpus. There is no peer: the loop has not been written in PyTorch.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chosenOf } from './suite.mjs';
import { BenchError, median } from './worker.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const cases = [2, 6, 12, 24].map((group) => ({ name: `groups of ${group}:`, group }));
/** Prompts of an update; seconds of a frame of the shipped codec. */
const [prompts, frameSec] = [12, 1024 / 22_050];
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
  const set = {
    init: 'models/tiny/base',
    prompts,
    groupSize: group,
    steps: quick ? 2 : 6,
    threads,
    validationItems: 1,
  };
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
  const rows = [];
  for (const { name, group } of chosenOf(cases, wanted)) {
    progress(name);
    const lines = updates(group, { threads, quick });
    const speech = (line) => prompts * group * line['samples/frames'] * frameSec;
    const whole = (line) => speech(line) / line.xRealTime;
    const row = (part, seconds) => ({
      name: `${name} ${part}`,
      unit: 'x real time',
      ours: median(lines.map(speech)) / median(lines.map(seconds)),
      peer: null,
      peerName: null,
      ratio: null,
      peakPct: null,
      rssMiB: median(lines.map(({ rssMiB }) => rssMiB)),
      ms: 1000 * median(lines.map(seconds)),
      share: 100 * median(lines.map((line) => seconds(line) / whole(line))),
    });
    const of = (phase) => (line) => line[`seconds/${phase}`];
    const rest = (line) => Math.max(1e-6, whole(line) - phases.reduce((sum, phase) => sum + of(phase)(line), 0));
    rows.push(row('whole update', whole), ...phases.map((phase) => row(phase, of(phase))), row('rest', rest));
  }
  return { notes: [], rows };
}
