// A GRPO update of the shipped tiny model as `align2speak grpo` does it, by phase and by size of the group: 12 prompts, three judges
// and the pace, on the demo's corpus. With --vs torch beside the same loop in PyTorch, whose samples all have the mean length of ours.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { judgeConfig, parseConfig } from '@align2speak/contracts';
import { loadTts } from '@align2speak/tts';
import { parse } from 'yaml';
import { chosenOf, torchSides } from './suite.mjs';
import { BenchError, findTorch, median } from './worker.mjs';

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
  ['peer ms', (row) => row.peerMs?.toFixed(0)],
  ['peer', (row) => row.peerName],
  ['peer MiB', (row) => row.peerRssMiB?.toFixed(0)],
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

/** The judges of the recipe, and how many labels or dimensions theirs have. */
const judges = [
  ['recogniser', { kind: 'ctc', labels: 48 }],
  ['held-out-recogniser', { kind: 'ctc', labels: 48 }],
  ['speaker', { kind: 'speaker', dim: 64, speakers: 2 }],
  ['quality', { kind: 'quality' }],
];

/** What the PyTorch sides do: the networks of the shipped models, texts and samples of our mean lengths. */
function peerRequest(group, lines, quick) {
  const read = (...path) => readFileSync(join(root, ...path), 'utf8');
  const texts = read('corpus/train/pt.texts.jsonl').trim().split('\n').map(JSON.parse);
  const bytes = texts.reduce((sum, { ipa }) => sum + Buffer.byteLength(ipa) + 1, 0) / texts.length;
  const recipe = (name) => parse(read('packages/train/recipes/tiny', `${name}.yaml`)).model;
  return {
    config: JSON.parse(read('models/tiny/base/model.json')).config,
    codec: JSON.parse(read('models/tiny/codec/model.json')).config,
    judges: judges.map(([name, head]) => parseConfig(judgeConfig, { ...recipe(name), head }, name)),
    text: Math.round(bytes),
    frames: Math.round(median(lines.map((line) => line['samples/frames']))),
    ...{ prompts, group, context: 20, steps: quick ? 1 : 4 },
  };
}

/** For each PyTorch side its name, and medians of the seconds of each phase and of the whole update. */
async function peersOf(group, lines, { torch, threads, quick }) {
  const model = await loadTts(join(root, 'models/tiny/base'));
  const size = model.parameters().reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  model.dispose();
  const peers = [];
  for (const { name, start } of torchSides(torch, 'grpo.py', threads)) {
    const worker = start();
    try {
      const { updates, parameters, rssMiB } = await worker.ask(peerRequest(group, lines, quick));
      if (parameters !== size)
        throw new BenchError(`${name}: parameters: expected ${size}, as ours, got ${parameters}`);
      const seconds = Object.fromEntries(phases.map((phase) => [phase, median(updates.map((each) => each[phase]))]));
      const whole = median(updates.map((each) => phases.reduce((sum, phase) => sum + each[phase], 0)));
      peers.push({ name, seconds: { ...seconds, 'whole update': whole }, rssMiB });
    } finally {
      await worker.close();
    }
  }
  return peers;
}

export async function run({ vs, threads, wanted, quick, progress }) {
  const torch = findTorch(vs);
  if (!existsSync(join(root, 'corpus/corpus.json'))) {
    const hint = 'npx align2speak data synth --out corpus';
    throw new BenchError(`bench: corpus: expected the corpus of the demo, got none\nhint: ${hint}`);
  }
  const rows = [];
  for (const { name, group } of chosenOf(cases, wanted)) {
    progress(name);
    const lines = updates(group, { threads, quick });
    const peers = torch ? await peersOf(group, lines, { torch, threads, quick }) : [undefined];
    const speech = (line) => prompts * group * line['samples/frames'] * frameSec;
    const whole = (line) => speech(line) / line.xRealTime;
    const row = (part, seconds, peer) => {
      const [ms, theirs] = [1000 * median(lines.map(seconds)), peer && 1000 * peer.seconds[part]];
      const spoken = 1000 * median(lines.map(speech));
      return {
        name: `${name} ${part}`,
        unit: 'x real time',
        ours: spoken / ms,
        peer: theirs ? spoken / theirs : null,
        peerName: theirs ? peer.name : null,
        ratio: theirs ? theirs / ms : null,
        peakPct: null,
        rssMiB: median(lines.map(({ rssMiB }) => rssMiB)),
        ms,
        share: 100 * median(lines.map((line) => seconds(line) / whole(line))),
        peerMs: theirs,
        peerRssMiB: theirs && peer.rssMiB,
      };
    };
    const of = (phase) => (line) => line[`seconds/${phase}`];
    const rest = (line) => Math.max(1e-6, whole(line) - phases.reduce((sum, phase) => sum + of(phase)(line), 0));
    for (const peer of peers)
      rows.push(row('whole update', whole, peer), ...phases.map((phase) => row(phase, of(phase), peer)));
    rows.push(row('rest', rest));
  }
  return { notes: [], rows };
}
