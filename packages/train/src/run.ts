import { existsSync, statSync } from 'node:fs';
import { appendFile, mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Align2SpeakError, ConfigError, DataError, digestOf, writeWhole } from '@align2speak/contracts';
import { EventWriter } from '@align2speak/report';
import { Checkpoints } from './checkpoint.js';

/** Numbers of one update, by name; names with `/` fall into groups. */
export type Metrics = Record<string, number>;

/** The same metrics under a group's name. */
export function prefixed(group: string, metrics: Readonly<Record<string, number>>): Metrics {
  return Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`${group}/${name}`, value]));
}

/** The folder of a run: `config.json`, `inputs.json` (digests of the files that it names), `metrics.jsonl`, TensorBoard events and checkpoints. */
export class Run {
  readonly folder: string;
  readonly checkpoints: Checkpoints;
  #events: EventWriter | undefined;
  #started = Date.now();
  #firstStep = 0;

  private constructor(folder: string) {
    this.folder = folder;
    this.checkpoints = new Checkpoints(join(folder, 'checkpoints'));
  }

  /**
   * Opens the folder, new or to be continued.
   *
   * @param complete gives a configuration that was written before some field existed that field's default
   * @throws ConfigError where it holds a run and `resume` is off, or a run with another configuration or other files.
   */
  static async open(
    folder: string,
    config: unknown,
    resume: boolean,
    complete: (began: unknown) => unknown,
  ): Promise<Run> {
    const run = new Run(folder);
    await mkdir(folder, { recursive: true });
    const path = join(folder, 'config.json');
    const text = `${JSON.stringify(config, null, 2)}\n`;
    const began = (await run.checkpoints.list()).length > 0;
    if (began && !resume) {
      const hint = 'add --resume to continue it, or name another folder with --out';
      throw new ConfigError({ where: folder, what: '--out', expected: 'a new folder', got: 'one with a run', hint });
    }
    const inputs = await inputsOf(config);
    if (began) {
      await run.#requireSame(path, JSON.parse(text), complete);
      await run.#requireInputs(inputs);
    } else {
      await writeWhole(path, text);
      await writeWhole(run.path('inputs.json'), `${JSON.stringify(inputs, null, 2)}\n`);
    }
    await removeLeftovers(folder);
    await removeLeftovers(run.checkpoints.folder);
    return run;
  }

  async #requireSame(path: string, config: unknown, complete: (began: unknown) => unknown): Promise<void> {
    const text = await readFile(path, 'utf8').catch((cause) => {
      const expected = 'the configuration of the run';
      throw new ConfigError({ where: path, what: 'file', expected, got: cause.code, cause });
    });
    const what = differingField(complete(JSON.parse(text)), config);
    if (what === undefined) return;
    const hint = 'a run continues under the configuration that it began with; name another folder with --out';
    throw new ConfigError({ where: path, what, expected: 'the value that the run began with', got: 'another', hint });
  }

  /** Files that are gone are missed by what reads them; a run that began before digests were kept cannot be asked. */
  async #requireInputs(inputs: Readonly<Record<string, string>>): Promise<void> {
    const path = this.path('inputs.json');
    if (!existsSync(path)) return;
    const began = JSON.parse(await readFile(path, 'utf8')) as Record<string, string>;
    for (const [file, digest] of Object.entries(began)) {
      if ((inputs[file] ?? digest) === digest) continue;
      const expected = `the bytes that the run in ${this.folder} began with`;
      const hint = 'a run goes on with the files that it began with; put them back, or remove the folder to begin anew';
      throw new ConfigError({ where: file, what: 'file', expected, got: 'others', hint });
    }
  }

  path(...parts: string[]): string {
    return join(this.folder, ...parts);
  }

  /** Appends one line of metrics, and the same as TensorBoard scalars. @throws DataError where the disk refuses. */
  async log(step: number, metrics: Metrics): Promise<void> {
    const time = (Date.now() - this.#started) / 1000;
    const path = this.path('metrics.jsonl');
    try {
      await appendFile(path, `${JSON.stringify({ step, time, ...metrics })}\n`);
      this.#events ??= await EventWriter.open(this.folder, { resumeStep: this.#firstStep });
      await this.#events.scalars(step, Date.now() / 1000, metrics);
    } catch (cause) {
      const got = (cause as NodeJS.ErrnoException).code;
      if (cause instanceof Align2SpeakError || got === undefined) throw cause;
      throw new DataError({ where: path, what: 'file', expected: 'to be written', got, cause });
    }
  }

  /** Forgets what was logged after `step`, so that a resumed run logs each update once; without a step, everything. */
  async rewind(step = -1): Promise<void> {
    const path = this.path('metrics.jsonl');
    const text = await readFile(path, 'utf8').catch(() => '');
    const lines = text.split('\n').filter((line) => line.endsWith('}') && JSON.parse(line).step <= step);
    await writeWhole(path, lines.map((line) => `${line}\n`).join(''));
    this.#firstStep = step + 1;
    const last = lines.at(-1);
    if (last) this.#started = Date.now() - JSON.parse(last).time * 1000;
  }

  async close(): Promise<void> {
    await this.#events?.close();
    this.#events = undefined;
  }
}

/** Digests of the files that a configuration names: models, judges, manifests, rewards. */
async function inputsOf(config: unknown): Promise<Record<string, string>> {
  const digests: Record<string, string> = {};
  for (const name of new Set(stringsOf(config)))
    for (const path of [name, ...['model.json', 'weights.safetensors'].map((part) => join(name, part))])
      if (existsSync(path) && statSync(path).isFile()) digests[path] = await digestOf([path]);
  return digests;
}

function stringsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(stringsOf) : [];
}

/** What a killed process was writing. */
async function removeLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => [] as string[]))
    if (/\.[0-9a-f]{12}\.tmp(\.old)?$/.test(name)) await rm(join(folder, name), { recursive: true, force: true });
}

/** Path of the first field in which two configurations differ. */
function differingField(a: unknown, b: unknown, path = ''): string | undefined {
  if (JSON.stringify(a) === JSON.stringify(b)) return undefined;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return path;
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    const [left, right] = [(a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]];
    if (JSON.stringify(left) !== JSON.stringify(right))
      return differingField(left, right, path === '' ? key : `${path}.${key}`);
  }
  return path;
}
