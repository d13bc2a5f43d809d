// Brings a fresh clone to the state in which everything runs: tools, npm packages, native addon, TypeScript, the core's own tests.
// Each step leaves a stamp of what it was made from; a step whose stamp still holds is not started at all.
// Node's standard library only, because it runs before anything is installed.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { createWriteStream, existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { aptLine, atLeast, buildTools, findCompiler, mayInstall, minimum } from './toolchain.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const cache = join(root, '.cache', 'setup');
const stampFile = join(cache, 'stamps.json');

class SetupError extends Error {}

/** Paths of the files below `dir` that `keep` accepts, in a stable order; nothing that a build or npm writes. */
function filesBelow(dir, keep) {
  return readdirSync(dir, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(dir, entry.name);
      if (entry.isDirectory())
        return ['node_modules', 'build', 'dist'].includes(entry.name) ? [] : filesBelow(path, keep);
      return keep(path) ? [path] : [];
    });
}

const hashOf = (...parts) => createHash('sha256').update(parts.join('\n')).digest('hex');
const sizeAndTime = (path) => {
  const { size, mtimeMs } = statSync(path);
  return `${relative(root, path)} ${size} ${mtimeMs}`;
};

/** Folders of the packages written in TypeScript. */
function workspaces() {
  const packages = readdirSync(join(root, 'packages')).map((name) => join(root, 'packages', name));
  return [join(root, 'native'), ...packages].filter((dir) => existsSync(join(dir, 'tsconfig.json')));
}

/** What each step is made from. Packages enter the others, for their headers and their types. */
function fingerprints() {
  const packages = hashOf(process.version, process.arch, readFileSync(join(root, 'package-lock.json')));
  const core = filesBelow(join(root, 'native'), (path) => !path.endsWith('.ts')).map(sizeAndTime);
  const native = hashOf(packages, ...core);
  const sources = workspaces().flatMap((dir) => [
    ...filesBelow(join(dir, 'src'), (path) => path.endsWith('.ts')),
    join(dir, 'package.json'),
    join(dir, 'tsconfig.json'),
  ]);
  const configs = ['tsconfig.base.json', 'tsconfig.json'].map((name) => join(root, name));
  return {
    packages,
    addon: native,
    typescript: hashOf(packages, ...[...configs, ...sources].map(sizeAndTime)),
    checks: native,
  };
}

const outputs = {
  packages: () => [join(root, 'node_modules', '.package-lock.json')],
  addon: () => [join(root, 'native', 'build', 'Release', 'align2speak_native.node')],
  typescript: () => workspaces().map((dir) => join(dir, 'dist', 'index.js')),
  checks: () => [join(root, 'native', 'build', 'align2speak_check')],
};

const readStamps = () => (existsSync(stampFile) ? JSON.parse(readFileSync(stampFile, 'utf8')) : {});

/** Runs a command with its output in a log file, showing the build's own [n/m] now and then. */
function run(step, [command, ...args], env = {}) {
  const logPath = join(cache, `${step}.log`);
  const log = createWriteStream(logPath);
  const started = Date.now();
  let shown = started;
  const child = spawn(command, args, {
    cwd: root,
    env: { ...process.env, TURBO_TELEMETRY_DISABLED: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const take = (chunk) => {
    log.write(chunk);
    const progress = String(chunk)
      .match(/\[ *\d+(%|\/\d+)\]/g)
      ?.at(-1);
    if (progress && Date.now() - shown > 15_000) {
      shown = Date.now();
      console.log(`setup: ${step} ${progress}`);
    }
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  return new Promise((resolve, reject) => {
    const fail = (reason) => {
      const tail = existsSync(logPath) ? readFileSync(logPath, 'utf8').trimEnd().split('\n').slice(-25).join('\n') : '';
      reject(
        new SetupError(
          `${tail}\nsetup: ${step}: expected success of \`${command} ${args.join(' ')}\`, got ${reason}\nlog: ${relative(process.cwd(), logPath)}`,
        ),
      );
    };
    child.on('error', (error) => log.end(() => fail(error.message)));
    child.on('close', (status, signal) => {
      log.end(() => (status === 0 ? resolve((Date.now() - started) / 1000) : fail(signal ?? `exit code ${status}`)));
    });
  });
}

function checkNode() {
  if (!atLeast(process.versions.node, minimum.node)) {
    throw new SetupError(
      `setup: node: expected Node >= ${minimum.node}, got ${process.versions.node}\nhint: install Node 22 from nodejs.org or your distribution`,
    );
  }
}

/** Checks the build tools, installing the missing ones where that needs no question; returns the compiler's command. */
async function checkTools() {
  let missing = buildTools().filter((tool) => !tool.ok);
  if (missing.length > 0 && mayInstall()) {
    console.log(`setup: tools: installing ${missing.map((tool) => tool.apt).join(', ')}`);
    await run('tools', ['sh', '-c', aptLine(missing)], { DEBIAN_FRONTEND: 'noninteractive' });
    missing = buildTools().filter((tool) => !tool.ok);
  }
  if (missing.length > 0) {
    const lines = missing.map((tool) => `setup: tools: expected ${tool.wanted}, got ${tool.found ?? 'none'}`);
    throw new SetupError(`${lines.join('\n')}\nhint: on Debian or Ubuntu: ${aptLine(missing)}`);
  }
  return findCompiler().command;
}

const turbo = (task) => [
  join(root, 'node_modules', '.bin', 'turbo'),
  'run',
  task,
  '--output-logs=full',
  '--log-prefix=none',
];
const npm = process.env.npm_execpath ? [process.execPath, process.env.npm_execpath] : ['npm'];

/** Builds with the compiler that was found, on every core. */
async function build(step) {
  const CXX = await checkTools();
  return run(step, turbo(`build:${step}`), { CXX, CMAKE_BUILD_PARALLEL_LEVEL: String(availableParallelism()) });
}
const startOver = 'correct what the lines above name, or start over: `rm -rf native/build && npm run setup`';

const steps = {
  packages: {
    start: () => run('packages', [...npm, 'ci', '--no-audit', '--no-fund']),
    hint: 'check that npm reaches its registry, then `npm run setup`',
  },
  addon: { start: () => build('addon'), hint: startOver },
  typescript: {
    start: () => run('typescript', turbo('build:ts')),
    hint: 'correct what the lines above name, then `npm run setup`',
  },
  checks: { start: () => build('checks'), hint: startOver },
};

/** What the command line needs: all but the core's own tests and benches. */
export const commandLine = ['packages', 'addon', 'typescript'];

/** Runs those of the steps whose inputs changed. Prints one line a step. @throws SetupError with the step, its log and a remedy. */
export async function setup(wantedSteps = Object.keys(steps)) {
  checkNode();
  mkdirSync(cache, { recursive: true });
  const wanted = fingerprints();
  for (const step of wantedSteps) {
    const { start, hint } = steps[step];
    const stamps = readStamps();
    if (stamps[step] === wanted[step] && outputs[step]().every((path) => existsSync(path))) {
      console.log(`setup: ${step} up to date`);
      continue;
    }
    console.log(`setup: ${step} ...`);
    const seconds = await start().catch((error) => {
      if (error instanceof SetupError && !error.message.includes('hint:')) error.message += `\nhint: ${hint}`;
      throw error;
    });
    const absent = outputs[step]().find((path) => !existsSync(path));
    if (absent)
      throw new SetupError(`setup: ${step}: expected the file ${relative(root, absent)}, got none\nhint: ${hint}`);
    writeFileSync(stampFile, `${JSON.stringify({ ...stamps, [step]: wanted[step] }, null, 2)}\n`);
    console.log(`setup: ${step} done in ${seconds.toFixed(1)} s`);
  }
}

/** As setup(), for the command line: prints an error plainly and ends the process with exit code 1. */
export async function setupOrExit(wantedSteps) {
  await setup(wantedSteps).catch((error) => {
    if (!(error instanceof SetupError)) throw error;
    console.error(error.message);
    process.exit(1);
  });
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await setupOrExit();
