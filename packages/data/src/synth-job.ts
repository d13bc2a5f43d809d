import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { writeWav } from '@align2speak/audio';
import { Espeak, encodeIpa, leadTokens, Phonemizer } from '@align2speak/text';
import { grammars } from './languages/index.js';
import { type Prompt, type Utterance, writeManifest, writePrompts } from './manifest.js';
import { CounterRandom } from './random.js';
import { SentenceMaker, type Split } from './sentences.js';
import { frameSamples, type SpeechRequest, sampleRate, speak } from './speech.js';
import { inventedVoice, type SyntheticVoice, voicesOf } from './voices.js';

/** Utterances outside are dropped: too short to judge, or too long for a small model. */
const durationSec = { least: 1, most: 3.5 };
/** Words a minute, uniform. */
const rates = { slowest: 130, fastest: 170 };

/** One manifest to make, by one pair of espeak-ng processes from a fixed start, so that its bytes depend on it alone. */
export interface SynthJob {
  out: string;
  seed: number;
  split: Split;
  lang: string;
  /** Where it ends: speech of so many seconds, or so many utterances. */
  until: { seconds: number } | { utterances: number };
  /** Seconds that also go into a manifest of their own, the first of the whole. */
  smallSeconds?: number;
  /** Sentences without speech to write beside it. */
  prompts?: number;
}

/** What a job has made. */
export interface SynthResult {
  manifest: string;
  utterances: number;
  seconds: number;
  /** Mean codec frames of an utterance. */
  meanFrames: number;
  /** Share of the utterances with more characters of IPA than codec frames: no alignment of theirs exists. */
  unalignable: number;
  /** Every character of its IPA, by code point. */
  characters: string;
}

/**
 * Speaks and writes a manifest, which comes last and whole.
 *
 * @param onSpeech told the seconds of each utterance
 * @throws the reason of the signal, once it is given.
 */
export async function runSynthJob(
  job: SynthJob,
  onSpeech: (seconds: number) => void,
  signal: AbortSignal,
): Promise<SynthResult> {
  const [espeak, phonemizer] = [new Espeak(), new Phonemizer()];
  try {
    const texts = sentences(job);
    const utterances = await record(job, { espeak, phonemizer, texts, onSpeech, signal });
    const path = join(job.out, job.split, job.lang);
    if (job.smallSeconds !== undefined)
      await writeManifest(`${path}.small.jsonl`, firstSeconds(utterances, job.smallSeconds));
    if (job.prompts !== undefined) {
      const prompts: Prompt[] = [];
      while (prompts.length < job.prompts) {
        const text = texts.next().value;
        prompts.push({ text, ipa: await phonemizer.phonemize(text, job.lang), lang: job.lang });
      }
      await writePrompts(`${path}.texts.jsonl`, prompts);
    }
    await writeManifest(`${path}.jsonl`, utterances);
    return summary(job, utterances);
  } finally {
    espeak.close();
    phonemizer.close();
  }
}

/** The manifest of a job, relative to the corpus. */
export const manifestOf = ({ split, lang }: Pick<SynthJob, 'split' | 'lang'>) => `${split}/${lang}.jsonl`;

/** Sentences of a job, each once. */
function* sentences({ seed, split, lang }: SynthJob): Generator<string, never> {
  const maker = new SentenceMaker(grammars[lang]!);
  const taken = new Set<string>();
  for (let index = 0; ; index++) {
    const text = maker.sentence(split, new CounterRandom(seed, split, lang, 'text', index));
    if (taken.has(text)) continue;
    taken.add(text);
    yield text;
  }
}

interface Studio {
  espeak: Espeak;
  phonemizer: Phonemizer;
  texts: Generator<string, never>;
  onSpeech: (seconds: number) => void;
  signal: AbortSignal;
}

async function record(job: SynthJob, { espeak, phonemizer, texts, onSpeech, signal }: Studio): Promise<Utterance[]> {
  const folder = join(job.out, job.split, 'wav', job.lang);
  await mkdir(folder, { recursive: true });
  const utterances: Utterance[] = [];
  let seconds = 0;
  const done = () =>
    'seconds' in job.until ? seconds >= job.until.seconds : utterances.length >= job.until.utterances;
  for (let take = 0; !done(); take++) {
    signal.throwIfAborted();
    const request = requestOf(job, take, texts.next().value);
    const samples = await speak(espeak, request);
    const duration = samples.length / sampleRate;
    if (duration < durationSec.least || duration > durationSec.most) continue;
    const audioPath = join(folder, `${String(utterances.length).padStart(5, '0')}.wav`);
    await writeWav(audioPath, samples, sampleRate);
    const { text, lang, voice } = request;
    const ipa = await phonemizer.phonemize(text, lang);
    utterances.push({ audioPath, text, ipa, durationSec: duration, speaker: voice.id, lang });
    seconds += duration;
    onSpeech(duration);
  }
  return utterances;
}

function requestOf(job: SynthJob, take: number, text: string): SpeechRequest {
  const { seed, split, lang } = job;
  const { slowest, fastest } = rates;
  const rate = slowest + (fastest - slowest) * new CounterRandom(seed, split, lang, 'rate', take).next();
  return { text, lang, voice: voiceOf(job, take), rate };
}

/** Each voice speaks once before any speaks again; an invented one speaks once. */
function voiceOf({ seed, split, lang }: SynthJob, take: number): SyntheticVoice {
  if (split === 'invented') return inventedVoice(take);
  const voices = voicesOf(split);
  const round = new CounterRandom(seed, split, lang, 'voices', Math.floor(take / voices.length));
  return round.shuffled(voices)[take % voices.length]!;
}

function firstSeconds(utterances: readonly Utterance[], seconds: number): Utterance[] {
  let sum = 0;
  const end = utterances.findIndex(({ durationSec }) => {
    sum += durationSec;
    return sum >= seconds;
  });
  return utterances.slice(0, end < 0 ? utterances.length : end + 1);
}

function summary({ split, lang }: SynthJob, utterances: readonly Utterance[]): SynthResult {
  const frames = utterances.map(({ durationSec }) => Math.round((durationSec * sampleRate) / frameSamples));
  const seconds = utterances.reduce((sum, utterance) => sum + utterance.durationSec, 0);
  const unalignable = utterances.filter(({ ipa }, i) => leadTokens(encodeIpa(ipa)).length > frames[i]!).length;
  return {
    manifest: manifestOf({ split, lang }),
    utterances: utterances.length,
    seconds: Number(seconds.toFixed(1)),
    meanFrames: Number((frames.reduce((sum, n) => sum + n, 0) / utterances.length).toFixed(1)),
    unalignable: Number((unalignable / utterances.length).toFixed(4)),
    characters: [...new Set(utterances.flatMap(({ ipa }) => [...ipa]))].sort().join(''),
  };
}
