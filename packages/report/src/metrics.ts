import { DataError } from '@align2speak/contracts';
import { type Alarm, type StageName, stageNames } from './summary.js';

/** One number over the steps of a run. */
export interface Curve {
  /** Name with `/` between the levels, e.g. `reward/cer`. */
  readonly key: string;
  readonly stage: StageName | undefined;
  /** Where it was read, which tells runs of one stage apart. */
  readonly source: string;
  /** Ascending. */
  readonly steps: readonly number[];
  readonly values: readonly number[];
}

/** What a `metrics.jsonl` holds. */
export interface Metrics {
  readonly curves: readonly Curve[];
  readonly alarms: readonly Alarm[];
  /** Total of the numbers `seconds/<phase>`. */
  readonly phases: Readonly<Record<string, number>>;
  /** Seconds since the start, of the last line. */
  readonly elapsedSec: number;
}

/** Names every line has; they are no curves of their own. */
const reserved = new Set(['step', 'phase', 'time']);

/**
 * Reads the lines `{step, phase?, time, ...numbers}` of a run.
 *
 * Nested objects and lists become names joined by `/`; a phase stands before the name, unless it is that of a stage or `train`.
 * Where a resumed run went back, its later lines replace the earlier ones. A last line cut short is not read. What is no
 * number, texts and the null that stands for not-a-number among them, is left out. A number `alarm/<rule>` is an alarm.
 *
 * @throws DataError naming the line that is no JSON object with a step.
 */
export function parseMetrics(text: string, source: string, stage?: StageName): Metrics {
  const lines = text.split('\n');
  // Whole lines end in a newline, so what follows the last one is empty or was cut short.
  lines.pop();
  const points = new Map<string, Map<number, number>>();
  const stages = new Map<string, StageName | undefined>();
  const alarms: Alarm[] = [];
  let elapsedSec = 0;
  for (const [i, line] of lines.entries()) {
    if (line.trim() === '') continue;
    const row = parseLine(line, `${source}: line ${i + 1}`);
    const phase = typeof row.phase === 'string' ? row.phase : 'train';
    const rowStage = stageNames.find((name) => name === phase) ?? stage;
    const prefix = phase === 'train' || phase === rowStage ? '' : `${phase}/`;
    if (typeof row.time === 'number') elapsedSec = row.time;
    for (const [name, value] of flatten(row)) {
      if (name.startsWith('alarm/')) {
        alarms.push({ rule: name.slice('alarm/'.length), step: row.step, message: '', stage: rowStage });
        continue;
      }
      const id = `${rowStage ?? ''}\n${prefix}${name}`;
      stages.set(id, rowStage);
      points.set(id, (points.get(id) ?? new Map()).set(row.step, value));
    }
  }
  const curves = [...points].map(([id, values]) =>
    toCurve(values, id.split('\n')[1]!, { stage: stages.get(id), source }),
  );
  return { curves, alarms, phases: phasesOf(curves), elapsedSec };
}

type Row = Record<string, unknown> & { step: number };

function parseLine(line: string, where: string): Row {
  let row: unknown;
  try {
    row = JSON.parse(line);
  } catch (cause) {
    throw new DataError({ where, what: 'line', expected: 'a JSON object', got: line.slice(0, 60), cause });
  }
  const step = (row as Row | null)?.step;
  if (typeof step === 'number') return row as Row;
  throw new DataError({ where, what: 'step', expected: 'a number', got: String(step ?? 'nothing') });
}

function flatten(row: Row): [string, number][] {
  const walk = (value: unknown, name: string): [string, number][] => {
    if (typeof value === 'number') return [[name, value]];
    if (typeof value !== 'object' || value === null) return [];
    return Object.entries(value).flatMap(([key, inner]) => walk(inner, `${name}/${key}`));
  };
  return Object.entries(row).flatMap(([key, value]) => (reserved.has(key) ? [] : walk(value, key)));
}

function toCurve(values: Map<number, number>, key: string, { stage, source }: Pick<Curve, 'stage' | 'source'>): Curve {
  const steps = [...values.keys()].sort((a, b) => a - b);
  return { key, stage, source, steps, values: steps.map((step) => values.get(step)!) };
}

function phasesOf(curves: readonly Curve[]): Record<string, number> {
  const timed = curves.filter(({ key }) => key.startsWith('seconds/'));
  const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);
  return Object.fromEntries(timed.map(({ key, values }) => [key.slice('seconds/'.length), total(values)]));
}

/** The mean of a window that slides over the values, as wide as a fifteenth of them; the ends have narrower windows. */
export function smooth(values: readonly number[]): number[] {
  const reach = Math.floor(values.length / 30);
  return values.map((_, i) => {
    const window = values.slice(Math.max(0, i - reach), i + reach + 1);
    return window.reduce((sum, value) => sum + value, 0) / window.length;
  });
}

/** Places of at most about `most` values that keep the lowest and the highest of every stretch. */
export function thin(values: readonly number[], most: number): number[] {
  if (values.length <= most) return [...values.keys()];
  const places = new Set<number>([0, values.length - 1]);
  const width = (2 * values.length) / most;
  for (let start = 0; start < values.length; start += width) {
    const stretch = [...values.keys()].slice(Math.floor(start), Math.floor(start + width));
    places.add(stretch.reduce((best, i) => (values[i]! < values[best]! ? i : best)));
    places.add(stretch.reduce((best, i) => (values[i]! > values[best]! ? i : best)));
  }
  return [...places].sort((a, b) => a - b);
}
