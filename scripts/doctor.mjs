// `npm run doctor`: what this machine has, and what each missing thing would add. Exit code 1 where something needed is missing.
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { aptLine, atLeast, buildTools, minimum, probe } from './toolchain.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));

/** A line of the report: what was found, or what having it would add. `needed` things stop the build. */
const item = (name, found, adds, needed = false) => ({ name, found, adds, needed });

function needed() {
  const node = atLeast(process.versions.node, minimum.node) ? `Node ${process.versions.node}` : undefined;
  const tools = buildTools().map(({ name, ok, found, wanted, apt }) =>
    item(name, ok ? found : undefined, `${wanted}: ${aptLine([{ apt }])}`, true),
  );
  return [item('node', node, `Node >= ${minimum.node}, in which everything runs`, true), ...tools];
}

function processor() {
  const text = existsSync('/proc/cpuinfo') ? readFileSync('/proc/cpuinfo', 'utf8') : '';
  const flags = new Set(
    text
      .match(/^flags\s*:(.*)$/m)?.[1]
      .trim()
      .split(' '),
  );
  const has = (...names) => (names.every((name) => flags.has(name)) ? 'yes' : undefined);
  const gib = totalmem() / 2 ** 30;
  return [
    item('cpu', `${availableParallelism()} x ${cpus()[0]?.model ?? 'unknown'}`),
    item('memory', `${gib.toFixed(1)} GiB`),
    item('avx2 + fma', has('avx2', 'fma'), 'faster kernels; without it the baseline ones run'),
    item('avx512', has('avx512f', 'avx512bw', 'avx512dq', 'avx512vl'), 'wider kernels'),
    item(
      'bf16',
      has('amx_bf16') ?? has('avx512_bf16'),
      'processor products in bfloat16; without them bf16: true only saves memory',
    ),
  ];
}

function optional() {
  const nvcc = probe('nvcc', ['--version'])?.match(/release ([\d.]+)/)?.[1];
  const gpu = probe('nvidia-smi', ['--query-gpu=name,driver_version', '--format=csv,noheader']);
  const python = process.env.ALIGN2SPEAK_PYTHON ?? 'python3';
  const torch = probe(python, ['-c', 'import torch; print(torch.__version__)'], 60_000);
  const browser = ['chromium', 'chromium-headless-shell', 'google-chrome'].find((name) => probe(name, ['--version']));
  const golden = resolve(root, process.env.ALIGN2SPEAK_GOLDEN ?? '../shared/golden');
  return [
    item('nvcc', nvcc && `CUDA ${nvcc}`, 'CUDA twins of operators are built'),
    item('gpu', gpu?.split('\n').join('; '), 'CUDA twins run and are tested'),
    item(
      'torch',
      torch && `PyTorch ${torch} (${python})`,
      'benchmarks print PyTorch beside ours; set ALIGN2SPEAK_PYTHON to a Python that has it',
    ),
    item(
      'chromium',
      browser,
      'browser tests, once there is something to show: apt-get install -y --no-install-recommends chromium',
    ),
    item(
      'golden',
      existsSync(golden) ? golden : undefined,
      'models are compared with reference tensors; set ALIGN2SPEAK_GOLDEN to their folder',
    ),
  ];
}

function built() {
  const addon = join(root, 'native', 'build', 'Release', 'align2speak_native.node');
  const packages = existsSync(join(root, 'node_modules', '.package-lock.json'));
  return [
    item('packages', packages ? 'installed' : undefined, '`npm run setup` installs them'),
    item('addon', existsSync(addon) ? 'built' : undefined, '`npm run setup` builds it'),
  ];
}

const items = [...needed(), ...processor(), ...optional(), ...built()];
for (const { name, found, adds, needed } of items) {
  const state = found ? 'ok' : needed ? 'MISSING' : '-';
  console.log(`${name.padEnd(12)}${state.padEnd(9)}${found ?? adds}`);
}
process.exitCode = items.some(({ found, needed }) => needed && !found) ? 1 : 0;
