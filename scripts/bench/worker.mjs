// A process that measures on request: a line of JSON in, a line of JSON out, one at a time. Ours and a peer's talk alike,
// so that a suite can let them take turns.
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';

export class BenchError extends Error {}

export class Worker {
  #child;
  #name;
  #waiting = null;
  #errors = '';

  /** @param command Program and arguments. @param env Added to this process's own. */
  constructor(name, [command, ...args], env = {}) {
    this.#name = name;
    this.#child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    createInterface({ input: this.#child.stdout }).on('line', (line) => this.#settle('resolve', line));
    this.#child.stderr.on('data', (chunk) => {
      this.#errors = (this.#errors + chunk).slice(-4000);
    });
    this.#child.stdin.on('error', () => {}); // its exit says more
    const fail = (reason) =>
      this.#settle('reject', new BenchError(`${this.#errors}\n${name}: expected an answer, got ${reason}`));
    this.#child.on('error', (error) => fail(error.message));
    this.#child.on('close', (status, signal) => fail(signal ?? `exit code ${status}`));
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
  if (status === 0 && Number.parseInt(version, 10) >= 2)
    return { python, name: `torch ${version}`, compiled: vs === 'torch' };
  const got = error?.message ?? (status === 0 ? `torch ${version}` : stderr.trim().split('\n').at(-1));
  throw new BenchError(
    `bench: --vs ${vs}: expected a Python with PyTorch 2, got ${got} from ${python}\nhint: ALIGN2SPEAK_PYTHON=/path/to/python npm run bench -- ...`,
  );
}

/** Environment of a PyTorch side: as many threads as ours, each bound to a CPU, and memory that is kept for the next call. */
export const torchEnvironment = (threads) => ({
  OMP_NUM_THREADS: String(threads),
  MKL_NUM_THREADS: String(threads),
  OMP_PROC_BIND: 'true',
});
