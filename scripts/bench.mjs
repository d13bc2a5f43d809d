// `npm run bench -- <suite> [--vs torch|torch-eager] [--json FILE] [--threads N] [--only TEXT] [--quick]`: how fast we are, beside what
// the machine can do and, with --vs, beside a peer that takes turns with us in the same run. A suite is one file in bench/.
import { writeFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { BenchError, peers } from './bench/worker.mjs';
import { setupOrExit } from './setup.mjs';

const suites = ['kernels', 'train-step', 'decode', 'codec', 'grpo-step', 'scaling', 'bf16'];
const options = {
  vs: { type: 'string' },
  json: { type: 'string' },
  threads: { type: 'string', default: String(availableParallelism()) },
  only: { type: 'string' },
  quick: { type: 'boolean', default: false },
};
/** What a row of the JSON file has; `ratio` is our speed divided by the peer's, null where nothing was measured. */
const fields = ['name', 'unit', 'ours', 'peer', 'peerName', 'ratio', 'peakPct', 'rssMiB'];

function readArguments() {
  const refuse = (what, expected, got) => {
    throw new BenchError(`bench: ${what}: expected ${expected}, got ${got}`);
  };
  const parsed = (() => {
    try {
      return parseArgs({ options, allowPositionals: true });
    } catch (error) {
      return refuse('arguments', `--${Object.keys(options).join(', --')}`, error.message);
    }
  })();
  const { values, positionals } = parsed;
  const [suite] = positionals;
  if (positionals.length !== 1 || !suites.includes(suite))
    refuse('suite', suites.join(' or '), positionals.join(' ') || 'none');
  if (values.vs !== undefined && !peers.includes(values.vs)) refuse('--vs', peers.join(' or '), values.vs);
  const threads = Number(values.threads);
  if (!Number.isInteger(threads) || threads < 1) refuse('--threads', 'a positive integer', values.threads);
  return { ...values, suite, threads };
}

/** Lines with the columns aligned: text to the left, numbers to the right. */
function table(head, body) {
  const cells = [head, ...body].map((row) => row.map((cell) => cell ?? ''));
  const widths = head.map((_, i) => Math.max(...cells.map((row) => row[i].length)));
  return cells.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
      .join('  ')
      .trimEnd(),
  );
}

function print({ notes, rows }, columns) {
  const all = [
    ['name', (row) => row.name],
    ...columns,
    ['% of peak', (row) => row.peakPct && `${row.peakPct.toFixed(0)} ${row.bound ?? ''}`.trimEnd()],
    ['MiB', (row) => row.rssMiB?.toFixed(0)],
    ['x peer', (row) => row.ratio?.toFixed(2)],
  ].filter(([, cell]) => rows.some((row) => cell(row)));
  for (const note of notes) console.log(note);
  const head = all.map(([title]) => title);
  const body = rows.map((row) => all.map(([, cell]) => cell(row) ?? undefined));
  for (const line of table(head, body)) console.log(line);
}

async function main() {
  const { suite, json, only, ...settings } = readArguments();
  await setupOrExit();
  const { run, columns } = await import(`./bench/${suite}.mjs`);
  const progress = (text) => process.stderr.isTTY && process.stderr.write(`\r\x1b[K${text}`);
  const loadBefore = loadavg()[0].toFixed(2);
  const wanted = (name) => only === undefined || name.includes(only);
  const result = await run({ ...settings, wanted, progress });
  progress('');
  console.log(
    `${cpus()[0].model}, ${settings.threads} thread(s), load ${loadBefore} before and ${loadavg()[0].toFixed(2)} after`,
  );
  print(result, columns);
  if (json === undefined) return;
  const rows = result.rows.map((row) => ({ suite, ...Object.fromEntries(fields.map((key) => [key, row[key]])) }));
  writeFileSync(json, `${JSON.stringify(rows, null, 2)}\n`);
}

await main().catch((error) => {
  if (!(error instanceof BenchError)) throw error;
  console.error(error.message.trim());
  process.exitCode = 1;
});
