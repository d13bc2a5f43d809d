import { decodeCodes } from '@align2speak/codec';
import { type Codec, type Sampling, Tensor, type Tts } from '@align2speak/native';
import {
  cer,
  type Judge,
  openJudge,
  qualityReward,
  type Reward,
  scoreAll,
  segmentsOf,
  ssimReward,
} from '@align2speak/rewards';
import { sampleCodes } from '@align2speak/tts';
import type { ItemScore } from './items.js';
import type { TestPrompt } from './test-set.js';

/** Who judges. The held-out judges must never have been a reward. */
export interface Panel {
  recogniser: Judge<'recogniser'>;
  heldOutRecogniser?: Judge<'recogniser'> | undefined;
  speaker?: Judge<'speaker'> | undefined;
  heldOutSpeaker?: Judge<'speaker'> | undefined;
  quality?: Judge<'quality'> | undefined;
}

/** ONNX files of a panel's judges. */
export type PanelFiles = { [Name in keyof Panel]: Name extends 'recogniser' ? string : string | undefined };

/** Opens a panel. @throws CheckpointError naming the file that is no such judge; then none stays open. */
export async function openPanel(files: PanelFiles): Promise<Panel & { close(): Promise<void> }> {
  const kinds = {
    recogniser: 'recogniser',
    heldOutRecogniser: 'recogniser',
    speaker: 'speaker',
    heldOutSpeaker: 'speaker',
    quality: 'quality',
  } as const;
  const open: Record<string, Judge> = {};
  const close = async () => {
    for (const judge of Object.values(open)) await judge.close();
  };
  try {
    for (const [name, kind] of Object.entries(kinds)) {
      const file = files[name as keyof Panel];
      if (file !== undefined) open[name] = await openJudge(file, { kind });
    }
  } catch (error) {
    await close();
    throw error;
  }
  return { ...(open as unknown as Panel), close };
}

/** Speech to be judged: one waveform for each prompt. */
export interface Spoken {
  wavs: readonly Float32Array[];
  frames: readonly number[];
  truncated: readonly boolean[];
  seed: number;
}

export interface EvaluationSettings {
  /** Each text is said once under each. */
  seeds: readonly number[];
  sampling: Sampling;
  maxFrames: number;
  /** Prompts that are said at once, without effect on what is said; default 50. */
  promptsAtOnce?: number;
  onProgress?: (done: number, total: number) => void;
}

/** Lets a model say every prompt under every seed, and judges it. @returns one score for each, and the waveforms of the first seed. */
export async function evaluateTts(
  { model, codec, panel }: { model: Tts; codec: Codec; panel: Panel },
  prompts: readonly TestPrompt[],
  { seeds, sampling, maxFrames, promptsAtOnce = 50, onProgress = () => {} }: EvaluationSettings,
): Promise<{ items: ItemScore[]; wavs: Float32Array[] }> {
  const items: ItemScore[] = [];
  const first: Float32Array[] = [];
  let pending: Promise<void> = Promise.resolve();
  for (const seed of seeds) {
    for (let begin = 0; begin < prompts.length; begin += promptsAtOnce) {
      const part = prompts.slice(begin, begin + promptsAtOnce);
      // A text's random numbers depend on its place in the set and the seed alone.
      const ids = Int32Array.from(part, (_, i) => begin + i);
      const sampleIds = await Tensor.from(ids, [part.length]);
      const samples = await sampleCodes(model, part, { seed, sampleIds, sampling, maxFrames });
      sampleIds.dispose();
      const wavs = await decodeCodes(
        codec,
        samples.map(({ codes }) => codes),
      );
      if (seed === seeds[0]) first.push(...wavs);
      await pending;
      const spoken = {
        wavs,
        frames: samples.map(({ codes }) => codes.frames),
        truncated: samples.map(({ truncated }) => truncated),
        seed,
      };
      // Judged while the next prompts are said.
      pending = judgeSpeech(panel, part, spoken, codec.config.sampleRate).then((scores) => {
        items.push(...scores);
        onProgress(items.length, prompts.length * seeds.length);
      });
      // A failure is thrown where it is awaited, not before.
      pending.catch(() => {});
    }
  }
  await pending;
  return { items, wavs: first };
}

/** What judges say of the recordings themselves, and of the same through the codec: the ceilings of every model. */
export async function evaluateRecordings(
  { codec, panel }: { codec: Codec; panel: Panel },
  prompts: readonly TestPrompt[],
): Promise<{ recording: ItemScore[]; resynthesis: ItemScore[] }> {
  const frames = prompts.map(({ recording }) => recording.codes.frames);
  const truncated = prompts.map(() => false);
  const { sampleRate } = codec.config;
  const wavs = prompts.map(({ recording }) => recording.wav);
  const resynthesised = await decodeCodes(
    codec,
    prompts.map(({ recording }) => recording.codes),
  );
  return {
    recording: await judgeSpeech(panel, prompts, { wavs, frames, truncated, seed: 0 }, sampleRate),
    resynthesis: await judgeSpeech(panel, prompts, { wavs: resynthesised, frames, truncated, seed: 0 }, sampleRate),
  };
}

/** Scores of speech by every judge of a panel. What cannot be judged counts as an utterance with all of it deleted. */
export async function judgeSpeech(
  panel: Panel,
  prompts: readonly TestPrompt[],
  { wavs, frames, truncated, seed }: Spoken,
  sampleRate: number,
): Promise<ItemScore[]> {
  const rewards: Reward[] = [transcriptErrors('cer', panel.recogniser)];
  if (panel.heldOutRecogniser) rewards.push(transcriptErrors('heldOutErrors', panel.heldOutRecogniser));
  if (panel.speaker) rewards.push(ssimReward(panel.speaker));
  if (panel.heldOutSpeaker) rewards.push({ ...ssimReward(panel.heldOutSpeaker), name: 'heldOutSsim' });
  if (panel.quality) rewards.push(qualityReward(panel.quality));
  const references = prompts.map(({ ipa, lang, voiceKey, voiceWav }) => ({
    ipa,
    lang,
    voice: voiceKey,
    voiceWav,
  }));
  const { values, unusable } = await scoreAll(rewards, { wavs, sampleRate, references });
  return prompts.map(({ name, lang, ipa, speaker, recording }, i) => {
    const cerLength = Math.max(1, segmentsOf(ipa).length);
    const errors = (reward: string) => {
      const value = values[reward]?.[i];
      return unusable && Number.isNaN(value) ? cerLength : value;
    };
    return {
      lang,
      voice: speaker,
      prompt: name,
      seed,
      cerErrors: errors('cer')!,
      cerLength,
      heldOutErrors: errors('heldOutErrors'),
      ssim: values.ssim?.[i],
      heldOutSsim: values.heldOutSsim?.[i],
      quality: values.quality?.[i],
      frames: frames[i]!,
      referenceFrames: recording.codes.frames,
      truncated: truncated[i]!,
    };
  });
}

/** Edits between what a recogniser hears and the text: counts, not rates, so that they can be added up. */
function transcriptErrors(name: string, judge: Judge<'recogniser'>): Reward {
  return {
    name,
    direction: 'lower',
    range: [0, 1e6],
    async score({ wavs, references }) {
      const transcripts = await judge.run(wavs);
      return Float64Array.from(transcripts, ({ text }, i) => cer(text, references[i]!.ipa).errors);
    },
  };
}
