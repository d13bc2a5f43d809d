import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
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
  /** Folder of the corpus: new, empty, or one that this function made or began. */
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
  /** All that was asked for so far. */
  options: { seed: number; scale: number; source: readonly string[]; target: readonly string[]; judges: boolean };
  /** Those that are there. */
  manifests: readonly SynthResult[];
}

/**
 * Makes a corpus spoken by espeak-ng voices: `<out>/{train,validation,test}/<lang>.jsonl` with 22 050 Hz WAV files
 * in `wav/<lang>/` beside them, and `corpus.json`, which lists the manifests that are complete.
 *
 * Splits are disjoint in voices and sentences; at least half of the words of validation and test occur in no training
 * sentence. The same options give the same bytes. Manifests that are there are kept, so that an interrupted corpus goes on,
 * and languages, or speech for judges, can be added to one of the same seed and scale.
 *
 * @returns all that the corpus holds.
 * @throws ConfigError on options out of range, an unknown language, a corpus of other options, or a folder that holds
 * anything else; DeviceError without espeak-ng; CancelledError where the signal stops it.
 */
export async function synthesizeCorpus(settings: SynthOptions): Promise<CorpusSummary> {
  const { out, seed = 1, scale = 1, workers = 2, onProgress = () => {}, signal } = settings;
  const { source = ['en', 'de', 'nl', 'es', 'fr', 'it'], target = ['pt', 'pl', 'hi'], judges = false } = settings;
  const asked = { seed, scale, source: [...source], target: [...target], judges };
  checkOptions(asked, workers);
  const { options, manifests: found } = await openFolder(out, asked);
  const jobs = jobsOf(out, asked).filter((job) => !found.some(({ manifest }) => manifest === manifestOf(job)));

  const order = jobsOf(out, options).map(manifestOf);
  let summary: CorpusSummary = { version, options, manifests: found };
  let written = Promise.resolve();
  const onResult = (result: SynthResult) => {
    const manifests = [...summary.manifests, result];
    manifests.sort((a, b) => order.indexOf(a.manifest) - order.indexOf(b.manifest));
    summary = { ...summary, manifests };
    const text = `${JSON.stringify(summary, null, 2)}\n`;
    written = written.then(() => writeWhole(join(out, summaryFile), text));
    return written;
  };
  const totalSec = jobs.reduce((sum, job) => sum + secondsOf(job), 0);
  let madeSec = 0;
  const onSpeech = (seconds: number) => {
    madeSec += seconds;
    onProgress({ madeSec, totalSec });
  };
  await runJobs(jobs, { workers, onSpeech, onResult, signal });
  return summary;
}

interface Workshop {
  workers: number;
  onSpeech: (seconds: number) => void;
  onResult: (result: SynthResult) => Promise<void>;
  signal: AbortSignal | undefined;
}

/** Where a job fails, the others stop before the error goes on. */
async function runJobs(jobs: readonly SynthJob[], { workers, onSpeech, onResult, signal }: Workshop): Promise<void> {
  const failed = new AbortController();
  const stop = signal ? AbortSignal.any([signal, failed.signal]) : failed.signal;
  // Longest first, so that the workers end together.
  const queue = [...jobs].sort((a, b) => secondsOf(b) - secondsOf(a));
  const work = async () => {
    try {
      for (let job = queue.shift(); job; job = queue.shift()) await onResult(await runSynthJob(job, onSpeech, stop));
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
      hint: 'the same again goes on',
    });
  failed.signal.throwIfAborted();
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

const summaryFile = 'corpus.json';

/** What stands in the folder, which is ready for more of `asked`; its options are those of before and these together. */
async function openFolder(out: string, asked: CorpusSummary['options']): Promise<CorpusSummary> {
  await mkdir(out, { recursive: true });
  const refuse = (expected: string, got: string, cause?: unknown): never => {
    const hint = 'choose another folder or remove this one';
    throw new ConfigError({ where: out, what: 'folder', expected, got, hint, cause });
  };
  const path = join(out, summaryFile);
  if (!existsSync(path)) {
    if ((await readdir(out)).length > 0) refuse('a new or empty one', 'files of something else');
    const empty = { version, options: asked, manifests: [] };
    await writeWhole(path, JSON.stringify(empty));
    return empty;
  }
  const found = await readSummary(path).catch((cause) =>
    refuse(`a corpus with ${summaryFile}`, 'a damaged one', cause),
  );
  const { seed, scale } = found.options;
  const kind = (of: CorpusSummary['options'], its: number) => `seed ${of.seed}, scale ${of.scale}, version ${its}`;
  if (found.version !== version || seed !== asked.seed || scale !== asked.scale)
    refuse(`a corpus of ${kind(asked, version)}`, kind(found.options, found.version));
  const joined = (role: 'source' | 'target') => [...new Set([...found.options[role], ...asked[role]])];
  const [source, target] = [joined('source'), joined('target')];
  const both = source.find((lang) => target.includes(lang));
  if (both) refuse(`${both} in one role`, 'it as a source and as a target');
  return { ...found, options: { seed, scale, source, target, judges: found.options.judges || asked.judges } };
}

/** @throws where the file is no summary. */
async function readSummary(path: string): Promise<CorpusSummary> {
  const summary = JSON.parse(await readFile(path, 'utf8')) as CorpusSummary;
  const { source, target } = summary.options;
  if (![source, target, summary.manifests].every(Array.isArray)) throw new TypeError('no summary of a corpus');
  return summary;
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
