import type { Metrics } from './run.js';

/** Seconds between lines where the output is a file; a terminal is rewritten in place. */
const lineEvery = 15;
/** Seconds before the first line: sooner the time left is a guess. */
const firstAfter = 1;

/** One line of how far a stage has come: updates, speed, time left, and the metric that matters. */
export class Progress {
  readonly #name: string;
  readonly #total: number;
  readonly #first: number;
  readonly #start = performance.now();
  #shown = Number.NEGATIVE_INFINITY;

  constructor(name: string, total: number, first = 0) {
    this.#name = name;
    this.#total = total;
    this.#first = first;
  }

  show(done: number, metrics: Metrics = {}): void {
    const now = performance.now();
    const tty = process.stderr.isTTY;
    const early = now - this.#start < 1000 * firstAfter || now - this.#shown < (tty ? 200 : 1000 * lineEvery);
    if (done < this.#total && early) return;
    this.#shown = now;
    const perStep = (now - this.#start) / 1000 / Math.max(1, done - this.#first);
    const left = formatDuration(perStep * (this.#total - done));
    const [metric] = Object.entries(metrics);
    const value = metric ? `  ${metric[0]} ${metric[1].toPrecision(4)}` : '';
    const line = `${this.#name}  ${done}/${this.#total}  ${perStep.toFixed(2)} s each  ${left} left${value}`;
    process.stderr.write(tty ? `\r\x1b[K${line}` : `${line}\n`);
  }

  end(): void {
    if (process.stderr.isTTY) process.stderr.write('\n');
  }
}

/** `75` as `1 min 15 s`. */
export function formatDuration(seconds: number): string {
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes} min ${whole % 60} s` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
