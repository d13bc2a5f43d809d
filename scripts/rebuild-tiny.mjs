// Makes every shipped model of models/tiny from nothing: the corpus, the codec, the judges, the base model.
//   npm run rebuild-tiny                    everything, some three hours on two cores
//   npm run rebuild-tiny -- codec base      only these, in this order, over what is there
//   npm run rebuild-tiny -- --install codec only puts the result of the last run into models/tiny
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { commandLine, setupOrExit } from './setup.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
process.chdir(root);
const recipes = 'packages/train/recipes/tiny';
const cli = 'packages/cli/bin/align2speak.js';

const judge = (recipe, ...set) => ({ command: ['judge', 'train'], recipe, set, install: installJudge });
/** A recogniser of another language than its recipe's, with fewer channels: all models together stay below 20 MB. */
const recogniserOf = (lang, recipe, channels, steps) =>
  judge(
    recipe,
    `train=[${['train', 'judges', 'invented'].map((split) => `corpus/${split}/${lang}.jsonl`).join(', ')}]`,
    `validation=[corpus/validation/${lang}.jsonl]`,
    `model.channels=${channels}`,
    `steps=${steps}`,
  );

/** Name, command of the command line, its recipe and settings over it, and what becomes of the run. Later ones need what earlier ones install. */
const models = {
  codec: { command: ['codec', 'train'], recipe: 'codec', set: [], install: installFolder },
  'multilingual-recogniser': judge('multilingual-recogniser'),
  'recogniser-pt': judge('recogniser'),
  'held-out-recogniser-pt': judge('held-out-recogniser'),
  'recogniser-pl': recogniserOf('pl', 'recogniser', 128, 2000),
  'held-out-recogniser-pl': recogniserOf('pl', 'held-out-recogniser', 104, 2500),
  'recogniser-hi': recogniserOf('hi', 'recogniser', 128, 2000),
  'held-out-recogniser-hi': recogniserOf('hi', 'held-out-recogniser', 104, 2500),
  speaker: judge('speaker'),
  'held-out-speaker': judge('held-out-speaker'),
  quality: judge('quality'),
  base: { command: ['pretrain'], recipe: 'base', set: [], install: installFolder },
};

function align2speak(args) {
  const { status } = spawnSync(process.execPath, [cli, ...args], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

/** The last line of a run's metrics that holds validation figures, of the weights that are installed. */
function measuredOf(run) {
  const lines = readFileSync(join(run, 'metrics.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const scored = lines.filter(
    (line) => line['validation/loss'] !== undefined || line['validation/score'] !== undefined,
  );
  const score = (line) => line['validation/score'] ?? line['validation/loss'];
  const best = scored.reduce((a, b) => (score(b) < score(a) ? b : a));
  return Object.fromEntries(Object.entries(best).filter(([name]) => name === 'step' || name.startsWith('validation/')));
}

async function importBuilt(path) {
  return import(pathToFileURL(join(root, path)).href);
}

/** Weights as f16 with a card: what they were measured at, and the command that makes them. */
async function installFolder(name, run) {
  const { readModelFolder, writeModelFolder } = await importBuilt('packages/weights/dist/index.js');
  const { codecConfig, ttsConfig } = await importBuilt('packages/contracts/dist/index.js');
  const kind = name === 'codec' ? 'codec' : 'tts';
  const best = join(run, 'best');
  const { config, tensors } = await readModelFolder(best, kind, kind === 'codec' ? codecConfig : ttsConfig);
  const card = { command: `npm run rebuild-tiny -- ${name}`, measured: measuredOf(run) };
  mkdirSync('models/tiny', { recursive: true });
  await writeModelFolder(join('models/tiny', name), tensors, { kind, config, card, storage: 'F16' });
}

/** The ONNX file, which carries its own measurements. */
async function installJudge(name, run) {
  mkdirSync('models/tiny', { recursive: true });
  copyFileSync(join(run, 'best', 'judge.onnx'), join('models/tiny', `${name}.onnx`));
}

const args = process.argv.slice(2);
const installOnly = args[0] === '--install';
const chosen = args.filter((arg) => !arg.startsWith('--'));
const unknown = chosen.find((name) => !(name in models));
if (unknown) {
  console.error(`rebuild-tiny: ${unknown}: expected some of ${Object.keys(models).join(', ')}, got another`);
  process.exit(2);
}
if (!installOnly) {
  await setupOrExit(commandLine);
  align2speak(['data', 'synth', '--out', 'corpus', '--judges']);
}
for (const name of chosen.length > 0 ? chosen : Object.keys(models)) {
  const run = join('runs', 'tiny', name);
  const resume = existsSync(join(run, 'checkpoints')) ? ['--resume'] : [];
  const { command, recipe, set, install } = models[name];
  const settings = set.flatMap((setting) => ['--set', setting]);
  const config = join(recipes, `${recipe}.yaml`);
  if (!installOnly) align2speak([...command, '--config', config, ...settings, '--out', run, ...resume]);
  await install(name, run);
}
