// A process that measures on request: a line of JSON in, a line of JSON out, one at a time. Ours and a peer's talk alike,
// so that a suite can let them take turns.
import { spawn, spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export class BenchError extends Error {}

/** Processes that would go on for minutes after this one, and slow down the next measurement. */
const running = new Set();
process.on('exit', () => {
  for (const child of running) child.kill();
});
process.once('SIGINT', () => process.exit(130));
process.once('SIGTERM', () => process.exit(143));

export class Worker {
  #child;
  #name;
  #waiting = null;
  #errors = '';

  /** @param command Program and arguments. @param env Added to this process's own. */
  constructor(name, [command, ...args], env = {}) {
    this.#name = name;
    this.#child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    running.add(this.#child);
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#settle('resolve', line));
    this.#child.stderr.on('data', (chunk) => {
      this.#errors = (this.#errors + chunk).slice(-4000);
    });
    this.#child.stdin.on('error', () => {}); // its exit says more
    const fail = (reason) =>
      this.#settle('reject', new BenchError(`${this.#errors}\n${name}: expected an answer, got ${reason}`));
    this.#child.on('error', (error) => fail(error.message));
    this.#child.on('close', (status, signal) => {
      running.delete(this.#child);
      fail(signal ?? `exit code ${status}`);
    });
  }

  #settle(how, value) {
    this.#waiting?.[how](value);
    this.#waiting = null;
  }

  /** Sends a request and waits for its answer. @throws BenchError where the process ends instead. */
  async ask(request) {
    if (this.#waiting) throw new Error(`${this.#name}: a request is still waiting`);
    const line = new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    const answer = JSON.parse(await line);
    if (answer.error) {
      const what = request.op ? `${request.op}: ${request.name}` : 'request';
      throw new BenchError(`${this.#name}: ${what}: expected a measurement, got ${answer.error}`);
    }
    return answer;
  }

  /** Ends the process and waits for it. */
  close() {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    return new Promise((resolve) => {
      this.#child.on('close', resolve);
      this.#child.stdin.end();
    });
  }
}

/**
 * Asks each side in turns, `rounds` times, the first one last in every other round.
 *
 * @returns For each side its last answer, with the median of `key` over the rounds.
 */
export async function inTurns(sides, request, { rounds, key }) {
  const answers = sides.map(() => []);
  for (let round = 0; round < rounds; round++) {
    const order = [...sides.keys()];
    for (const i of round % 2 ? order.reverse() : order) answers[i].push(await sides[i].ask(request));
  }
  return answers.map((all) => {
    const values = all.map((answer) => answer[key]);
    return { ...all.at(-1), [key]: values.includes(null) ? null : median(values) };
  });
}

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1];
}

/** What `--vs` may name: PyTorch eager and compiled, or eager alone, as compiling a large training step takes many minutes. */
export const peers = ['torch', 'torch-eager'];

/** The Python of the peer that `--vs` names, and its PyTorch; null where it names none. @throws BenchError where there is none. */
export function findTorch(vs) {
  if (vs === undefined) return null;
  const python = process.env.ALIGN2SPEAK_PYTHON ?? 'python3';
  const { status, stdout, stderr, error } = spawnSync(python, ['-c', 'import torch; print(torch.__version__)'], {
    encoding: 'utf8',
  });
  const version = stdout?.trim();
  if (status === 0 && Number.parseInt(version, 10) >= 2) {
    const preload = mklAsOnIntel();
    return { python, name: `torch ${version}${preload ? ', MKL as on Intel' : ''}`, compiled: vs === 'torch', preload };
  }
  const got = error?.message ?? (status === 0 ? `torch ${version}` : stderr.trim().split('\n').at(-1));
  throw new BenchError(
    `bench: --vs ${vs}: expected a Python with PyTorch 2, got ${got} from ${python}\nhint: ALIGN2SPEAK_PYTHON=/path/to/python npm run bench -- ...`,
  );
}

/**
 * A library that, loaded before MKL, has it take the same kernels on AMD's processors as on Intel's: with AVX-512 twice as fast as those
 * it has for AMD. Undefined on other processors, and without a C compiler.
 */
function mklAsOnIntel() {
  if (!cpus()[0]?.model.includes('AMD')) return undefined;
  const library = fileURLToPath(new URL('../../native/build/mkl-as-on-intel.so', import.meta.url));
  const input = 'int mkl_serv_intel_cpu_true(void) { return 1; }';
  const { status } = spawnSync('cc', ['-shared', '-fPIC', '-x', 'c', '-o', library, '-'], { input });
  return status === 0 ? library : undefined;
}

/**
 * Environment of a PyTorch side, as who tunes it sets it: as many threads as ours, each bound to a CPU; freed memory kept for the next
 * call, as its page faults can take more time than its arithmetic; MKL's fastest kernels.
 */
export const torchEnvironment = ({ preload }, threads) => ({
  OMP_NUM_THREADS: String(threads),
  MKL_NUM_THREADS: String(threads),
  OMP_PROC_BIND: 'true',
  MALLOC_MMAP_MAX_: '0',
  MALLOC_TRIM_THRESHOLD_: String(2 ** 34),
  ...(preload && { LD_PRELOAD: [preload, process.env.LD_PRELOAD].filter(Boolean).join(':') }),
});
