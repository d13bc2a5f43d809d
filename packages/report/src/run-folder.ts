import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DataError } from '@align2speak/contracts';
import { type Curve, parseMetrics } from './metrics.js';
import {
  type Alarm,
  type AudioName,
  type CheckedSummary,
  parseSummary,
  type StageName,
  stageNames,
} from './summary.js';
import { readWave, type Wave } from './wave.js';

/** Audio of a sample, ready to be put into the page. */
export interface Clip extends Wave {
  readonly dataUrl: string;
}

/** Everything a report is made from. */
export interface RunFiles {
  readonly summary: CheckedSummary | undefined;
  readonly curves: readonly Curve[];
  /** The summary's, else those that the trainings logged. */
  readonly alarms: readonly Alarm[];
  /** Seconds by phase: the summary's, else those of the only training there is. */
  readonly phases: Readonly<Record<string, number>> | undefined;
  readonly elapsedSec: number;
  /** Resolved configurations by their path in the run folder. */
  readonly configs: ReadonlyMap<string, unknown>;
  /** By path as the summary gives it. */
  readonly clips: ReadonlyMap<string, Clip>;
}

/** Bars of the picture of a clip. */
const bars = 64;

/**
 * Reads a run folder; what it need not have may be missing.
 *
 * @throws DataError where there is neither `summary.json` nor `metrics.jsonl`, or a file is damaged, or the summary names one that is not there.
 */
export async function readRun(runDir: string): Promise<RunFiles> {
  const summaryPath = join(runDir, 'summary.json');
  const summaryText = await readIfThere(summaryPath);
  const summary =
    summaryText === undefined ? undefined : parseSummary(parseJson(summaryText, summaryPath), summaryPath);
  const series = seriesOf(summary);
  const ownMetrics = await readIfThere(join(runDir, 'metrics.jsonl'));
  if (summary === undefined && ownMetrics === undefined) {
    const expected = 'summary.json or metrics.jsonl';
    throw new DataError({
      where: runDir,
      what: 'run folder',
      expected,
      got: 'neither',
      hint: 'name the folder of a run',
    });
  }
  const metrics = [];
  for (const { path, stage } of series)
    metrics.push(parseMetrics((await readNamed(runDir, path)).toString('utf8'), join(runDir, path), stage));
  if (ownMetrics !== undefined && !series.some(({ path }) => join(path) === 'metrics.jsonl'))
    metrics.push(parseMetrics(ownMetrics, join(runDir, 'metrics.jsonl')));
  return {
    summary,
    curves: metrics.flatMap(({ curves }) => curves),
    alarms: summary?.alarms ?? metrics.flatMap(({ alarms }) => alarms),
    phases: summary === undefined ? metrics[0]?.phases : summary.phases,
    elapsedSec: summary?.elapsedSec ?? metrics.reduce((total, { elapsedSec }) => total + elapsedSec, 0),
    configs: await readConfigs(runDir, ['.', ...series.map(({ path }) => dirname(path))]),
    clips: await readClips(runDir, summary),
  };
}

function seriesOf(summary: CheckedSummary | undefined): { path: string; stage: StageName }[] {
  const series = summary?.series ?? {};
  return stageNames.flatMap((stage) => [series[stage] ?? []].flat().map((path) => ({ path, stage })));
}

async function readConfigs(runDir: string, folders: readonly string[]): Promise<Map<string, unknown>> {
  const configs = new Map<string, unknown>();
  for (const folder of new Set(folders)) {
    const path = join(folder, 'config.json');
    const text = await readIfThere(join(runDir, path));
    if (text !== undefined) configs.set(path, parseJson(text, join(runDir, path)));
  }
  return configs;
}

async function readClips(runDir: string, summary: CheckedSummary | undefined): Promise<Map<string, Clip>> {
  const clips = new Map<string, Clip>();
  for (const { files } of summary?.samples ?? []) {
    for (const path of Object.values(files) as string[]) {
      if (clips.has(path)) continue;
      const bytes = await readNamed(runDir, path);
      const dataUrl = `data:audio/wav;base64,${bytes.toString('base64')}`;
      clips.set(path, { dataUrl, ...readWave(bytes, join(runDir, path), bars) });
    }
  }
  return clips;
}

/** Audio of a sample in the order it is shown. */
export function clipsOf(files: Partial<Record<AudioName, string>>): [AudioName, string][] {
  const order: AudioName[] = ['voice prompt', ...stageNames, 'resynthesis', 'recording'];
  return order.flatMap((name) => (files[name] === undefined ? [] : [[name, files[name]] as [AudioName, string]]));
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new DataError({ where: path, what: 'file', expected: 'to be readable', got: String(code), cause });
  }
}

async function readNamed(runDir: string, path: string): Promise<Buffer> {
  try {
    return await readFile(join(runDir, path));
  } catch (cause) {
    const got = String((cause as NodeJS.ErrnoException).code);
    throw new DataError({
      where: join(runDir, path),
      what: 'file that summary.json names',
      expected: 'to be readable',
      got,
      cause,
    });
  }
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new DataError({ where: path, what: 'file', expected: 'JSON', got: (cause as Error).message, cause });
  }
}
