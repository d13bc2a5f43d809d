import { readFile } from 'node:fs/promises';
import { CancelledError, CheckpointError, ConfigError, DataError } from '@align2speak/contracts';
import { type JudgeInfo, type JudgeKind, judgeInfo } from './judge-info.js';
import { batchSamples, JudgeThread, type PaddedBatch } from './judge-thread.js';
import { greedyTranscript, type Transcript } from './transcript.js';

/** What each kind of judge says of waveforms, one entry for each. */
export interface JudgeAnswers {
  /** The most likely labels (greedy CTC). */
  recogniser: Transcript[];
  /** Unit vectors; the cosine of two says how alike the voices are. */
  speaker: Float32Array[];
  /** In [0, 1], higher is better. */
  quality: number[];
}

/** A judge of speech: a network in ONNX that runs in a thread of its own. */
export interface Judge<Kind extends JudgeKind = JudgeKind> {
  readonly info: JudgeInfo;
  /**
   * Judges waveforms, mono at `info.sampleRate` Hz; what one is said to be does not depend on the others.
   * @throws DataError on a waveform below `info.leastSamples` samples or with a sample that is not finite; CancelledError
   * where `signal` ends it between two batches; RewardError where the thread fails or is closed.
   */
  run(wavs: readonly Float32Array[], signal?: AbortSignal): Promise<JudgeAnswers[Kind]>;
  /** Ends the thread once its work under way is done. */
  close(): Promise<void>;
}

/** What a judge is opened as. */
export interface JudgeSettings<Kind extends JudgeKind> {
  readonly kind: Kind;
  /** Threads of its own that onnxruntime computes with, 1 to 256; default 1. */
  readonly threads?: number;
}

/** What the network's outputs are called, and how those of a batch become answers. */
const readers = {
  recogniser: { outputs: ['logits', 'frames'], read: transcriptsOf },
  speaker: { outputs: ['embedding'], read: ([rows], items) => rowsOf(rows as Float32Array, items) },
  quality: { outputs: ['quality'], read: ([values]) => Array.from(values as Float32Array) },
} satisfies {
  [Kind in JudgeKind]: {
    outputs: string[];
    read: (results: (Float32Array | BigInt64Array)[], items: number, info: JudgeInfo) => JudgeAnswers[Kind];
  };
};

/**
 * Opens a judge's ONNX file in a new thread.
 *
 * @throws CheckpointError where the file cannot be read, is damaged, is no judge or is one of another kind; ConfigError on
 * `threads` out of range.
 */
export async function openJudge<Kind extends JudgeKind>(
  path: string,
  { kind, threads = 1 }: JudgeSettings<Kind>,
): Promise<Judge<Kind>> {
  if (!Number.isInteger(threads) || threads < 1 || threads > 256)
    throw new ConfigError({ where: 'openJudge', what: 'threads', expected: '1 to 256', got: String(threads) });
  const model = await readModel(path);
  const info = judgeInfo(path, model);
  if (info.kind !== kind) throw new CheckpointError({ where: path, what: 'kind', expected: kind, got: info.kind });
  const { outputs, read } = readers[kind];
  const thread = await JudgeThread.open(path, model, { threads, outputs });
  return {
    info,
    async run(wavs, signal) {
      checkLengths(wavs, info);
      const answers = new Array(wavs.length);
      for (const indices of batchesOf(wavs)) {
        if (signal?.aborted) throw cancelled(path, signal);
        const results = await thread.run(padded(thread, wavs, indices, info), outputs);
        read(results, indices.length, info).forEach((answer, i) => {
          answers[indices[i]!] = answer;
        });
      }
      return answers as JudgeAnswers[Kind];
    },
    close: () => thread.close(),
  };
}

async function readModel(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    // A copy with memory of its own: what is read may stand in a pool, which cannot be handed to another thread.
    return Uint8Array.from(await readFile(path));
  } catch (cause) {
    const got = (cause as NodeJS.ErrnoException).code ?? String(cause);
    throw new CheckpointError({ where: path, what: 'file', expected: 'one that can be read', got, cause });
  }
}

const cancelled = (where: string, { reason }: AbortSignal) =>
  new CancelledError({ where, what: 'run', expected: 'to go on', got: 'a signal to stop', cause: reason });

function checkLengths(wavs: readonly Float32Array[], { name, leastSamples }: JudgeInfo): void {
  const i = wavs.findIndex((wav) => wav.length < leastSamples);
  if (i < 0) return;
  const expected = `at least ${leastSamples} samples`;
  throw new DataError({ where: name, what: `wavs[${i}]`, expected, got: String(wavs[i]!.length) });
}

/** Indices in batches of similar length, the longest first; one wav may be longer than a batch by itself. */
function batchesOf(wavs: readonly Float32Array[]): number[][] {
  const order = wavs.map((_, i) => i).sort((a, b) => wavs[b]!.length - wavs[a]!.length || a - b);
  const batches: number[][] = [];
  let size = 0;
  for (const i of order) {
    const batch = batches.at(-1);
    if (batch && (batch.length + 1) * size <= batchSamples) batch.push(i);
    else {
      batches.push([i]);
      size = wavs[i]!.length;
    }
  }
  return batches;
}

/** The waveforms of these indices with zeros after them. */
function padded(
  thread: JudgeThread,
  wavs: readonly Float32Array[],
  indices: readonly number[],
  { name }: JudgeInfo,
): PaddedBatch {
  const samples = indices.map((i) => wavs[i]!.length);
  const size = Math.max(...samples);
  const bad = indices.find((i) => !isFiniteSignal(wavs[i]!));
  if (bad !== undefined)
    throw new DataError({ where: name, what: `wavs[${bad}]`, expected: 'finite samples', got: 'others too' });
  const wav = thread.memory(indices.length * size);
  for (const [row, i] of indices.entries()) {
    wav.set(wavs[i]!, row * size);
    wav.fill(0, row * size + samples[row]!, (row + 1) * size);
  }
  return { wav, items: indices.length, size, samples };
}

/** Whether no sample is infinite or NaN: zero times such a sample is NaN, and stays so in the sum. */
function isFiniteSignal(wav: Float32Array): boolean {
  let sum = 0;
  for (let i = 0; i < wav.length; i++) sum += 0 * wav[i]!;
  return sum === 0;
}

function rowsOf(values: Float32Array, count: number): Float32Array[] {
  const width = values.length / count;
  return Array.from({ length: count }, (_, i) => values.slice(i * width, (i + 1) * width));
}

function transcriptsOf(
  [logits, frames]: (Float32Array | BigInt64Array)[],
  items: number,
  { symbols = [] }: JudgeInfo,
): Transcript[] {
  return rowsOf(logits as Float32Array, items).map((rows, b) => greedyTranscript(rows, Number(frames![b]), symbols));
}
