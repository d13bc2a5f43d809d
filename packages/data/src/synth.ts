import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { CancelledError, ConfigError, writeWhole } from '@align2speak/contracts';
import { grammars } from './languages/index.js';
import { manifestOf, runSynthJob, type SynthJob, type SynthResult } from './synth-job.js';

/** Another number where the same options give other bytes. */
const version = 2;
/** Sizes at scale 1. */
const sizes = {
  sourceSeconds: 25 * 60,
  targetSeconds: 45 * 60,
  judgeSeconds: 40 * 60,
  inventedSeconds: 80 * 60,
  smallSeconds: 10 * 60,
  prompts: 2000,
  validation: 60,
  test: 150,
};
/** Seconds of a mean utterance, to tell the time left. */
const meanSeconds = 2;

/** How far a synthesis is. */
export interface SynthProgress {
  /** Seconds of speech made and, about, to be made. */
  madeSec: number;
  totalSec: number;
}

/** What {@link synthesizeCorpus} is to make. */
export interface SynthOptions {
  /** Folder of the corpus: new, empty, or one that this function made. */
  out: string;
  /** Whole number; default 1. */
  seed?: number;
  /** Factor of every size; default 1 (285 minutes of training speech). */
  scale?: number;
  /** Languages of pretraining: 25 minutes each. Default en, de, nl, es, fr, it. */
  source?: readonly string[];
  /** Languages to adapt to: 45 minutes each, a paired subset of 10 and 2 000 prompts. Default pt, pl, hi. */
  target?: readonly string[];
  /**
   * Also speech to train judges on: 40 minutes of invented words in each language, in 240 voices, and 80 more in each target
   * language, every utterance in an invented voice of its own. Default false.
   */
  judges?: boolean;
  /** Manifests made at once; without effect on the bytes. Default 2. */
  workers?: number;
  onProgress?: (progress: SynthProgress) => void;
  signal?: AbortSignal;
}

/** What a synthetic corpus holds; the content of its `corpus.json`. */
export interface CorpusSummary {
  version: number;
  options: { seed: number; scale: number; source: readonly string[]; target: readonly string[]; judges: boolean };
  manifests: SynthResult[];
}

/**
 * Makes a corpus spoken by espeak-ng voices: `<out>/{train,validation,test}/<lang>.jsonl` with 22 050 Hz WAV files
 * in `wav/<lang>/` beside them, and `corpus.json`, written last.
 *
 * Splits are disjoint in voices and sentences; at least half of the words of validation and test occur in no training
 * sentence. The same options give the same bytes. A complete corpus of the same options is kept as it is.
 *
 * @throws ConfigError on options out of range, an unknown language, or a folder that holds anything else.
 * @throws DeviceError without espeak-ng; CancelledError where the signal stops it.
 */
export async function synthesizeCorpus(settings: SynthOptions): Promise<CorpusSummary> {
  const { out, seed = 1, scale = 1, workers = 2, onProgress = () => {}, signal } = settings;
  const { source = ['en', 'de', 'nl', 'es', 'fr', 'it'], target = ['pt', 'pl', 'hi'], judges = false } = settings;
  const options = { seed, scale, source: [...source], target: [...target], judges };
  checkOptions(options, workers);
  const jobs = jobsOf(out, options);
  const finished = await openFolder(out, options, jobs);
  if (finished) return finished;

  const totalSec = jobs.reduce((sum, job) => sum + secondsOf(job), 0);
  let madeSec = 0;
  const onSpeech = (seconds: number) => {
    madeSec += seconds;
    onProgress({ madeSec, totalSec });
  };
  const manifests = await runJobs(jobs, { workers, onSpeech, signal });
  const summary = { version, options, manifests };
  await writeWhole(join(out, 'corpus.json'), `${JSON.stringify(summary, null, 2)}\n`);
  await rm(join(out, unfinished));
  return summary;
}

interface Workshop {
  workers: number;
  onSpeech: (seconds: number) => void;
  signal: AbortSignal | undefined;
}

/** Results in the order of the jobs. Where one fails, the others stop before the error goes on. */
async function runJobs(jobs: readonly SynthJob[], { workers, onSpeech, signal }: Workshop): Promise<SynthResult[]> {
  const failed = new AbortController();
  const stop = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
  const results: SynthResult[] = [];
  // Longest first, so that the workers end together.
  const queue = [...jobs.entries()].sort(([, a], [, b]) => secondsOf(b) - secondsOf(a));
  const work = async () => {
    try {
      for (let next = queue.shift(); next; next = queue.shift())
        results[next[0]] = await runSynthJob(next[1], onSpeech, stop);
    } catch (error) {
      failed.abort(error);
      throw error;
    }
  };
  await Promise.allSettled(Array.from({ length: workers }, work));
  if (signal?.aborted)
    throw new CancelledError({
      where: 'data synth',
      what: 'corpus',
      expected: 'to be finished',
      got: 'a signal to stop',
      cause: signal.reason,
    });
  failed.signal.throwIfAborted();
  return results;
}

function checkOptions({ seed, scale, source, target }: CorpusSummary['options'], workers: number): void {
  const refuse = (what: string, expected: string, got: unknown) => {
    throw new ConfigError({ where: 'data synth', what, expected, got: String(got) });
  };
  if (!Number.isSafeInteger(seed)) refuse('seed', 'a whole number', seed);
  if (!(scale > 0 && scale <= 10)) refuse('scale', 'a number in (0, 10]', scale);
  if (!(Number.isInteger(workers) && workers >= 1 && workers <= 64))
    refuse('workers', 'a whole number in 1 … 64', workers);
  const languages = [...source, ...target];
  if (languages.length === 0) refuse('languages', 'at least one', 'none');
  for (const lang of languages)
    if (!Object.hasOwn(grammars, lang)) refuse('language', `one of ${Object.keys(grammars).join(', ')}`, `'${lang}'`);
  if (new Set(languages).size < languages.length) refuse('languages', 'each once', languages);
}

/** Marks a folder as ours before the corpus is complete. */
const unfinished = 'corpus.unfinished';
const splits = ['train', 'judges', 'invented', 'validation', 'test'] as const;

/** The corpus that stands in the folder, or nothing once the folder is ready for one. */
async function openFolder(
  out: string,
  options: CorpusSummary['options'],
  jobs: readonly SynthJob[],
): Promise<CorpusSummary | undefined> {
  await mkdir(out, { recursive: true });
  const refuse = (expected: string, got: string) => {
    throw new ConfigError({
      where: out,
      what: 'folder',
      expected,
      got,
      hint: 'choose another folder or remove this one',
    });
  };
  if (existsSync(join(out, 'corpus.json'))) {
    const found = JSON.parse(await readFile(join(out, 'corpus.json'), 'utf8')) as CorpusSummary;
    const missing = jobs.map(manifestOf).filter((name) => !found.manifests.some(({ manifest }) => manifest === name));
    if (found.version === version && isDeepStrictEqual(found.options, options) && missing.length === 0) return found;
    if (missing.length > 0) refuse(`a corpus with ${missing.join(', ')}`, 'one without');
    refuse(JSON.stringify(options), `a corpus of ${JSON.stringify(found.options)}, version ${found.version}`);
  }
  if (!existsSync(join(out, unfinished)) && (await readdir(out)).length > 0)
    refuse('a new or empty one', 'files of something else');
  await writeWhole(join(out, unfinished), '');
  for (const split of splits) await rm(join(out, split), { recursive: true, force: true });
  return undefined;
}

function jobsOf(out: string, { seed, scale, source, target, judges }: CorpusSummary['options']): SynthJob[] {
  const count = (size: number) => Math.max(1, Math.round(size * scale));
  return [...source, ...target].flatMap((lang): SynthJob[] => {
    const held = (split: 'validation' | 'test'): SynthJob => ({
      out,
      seed,
      split,
      lang,
      until: { utterances: count(sizes[split]) },
    });
    const train: SynthJob = target.includes(lang)
      ? {
          ...{ out, seed, split: 'train', lang, until: { seconds: sizes.targetSeconds * scale } },
          smallSeconds: sizes.smallSeconds * scale,
          prompts: count(sizes.prompts),
        }
      : { out, seed, split: 'train', lang, until: { seconds: sizes.sourceSeconds * scale } };
    const own: SynthJob[] = [train, held('validation'), held('test')];
    if (judges) own.push({ out, seed, split: 'judges', lang, until: { seconds: sizes.judgeSeconds * scale } });
    if (judges && target.includes(lang))
      own.push({ out, seed, split: 'invented', lang, until: { seconds: sizes.inventedSeconds * scale } });
    return own;
  });
}

function secondsOf({ until }: SynthJob): number {
  return 'seconds' in until ? until.seconds : until.utterances * meanSeconds;
}
