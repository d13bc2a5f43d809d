import { readWav, resample, writeWav } from '@align2speak/audio';
import { decodeCodes, encodeWavs, loadCodec } from '@align2speak/codec';
import { DataError, requireSameCodes, sliceCodes } from '@align2speak/contracts';
import type { Tts } from '@align2speak/native';
import { encodeIpa, Phonemizer } from '@align2speak/text';
import { loadTts, sampleCodes } from '@align2speak/tts';
import { Command, InvalidArgumentError } from 'commander';

interface SynthesizeOptions {
  model: string;
  codec: string;
  voice: string;
  text?: string;
  ipa?: string;
  lang?: string;
  out: string;
  seed: number;
  temperature: number;
  guidance: number;
  contextFrames: number;
  maxFrames?: number;
  bf16: boolean;
}

/** `align2speak synthesize`: a text in the voice of a recording, as a WAV file. */
export function synthesizeCommand(): Command {
  return new Command('synthesize')
    .description('Speaks a text in the voice of a recording.')
    .requiredOption('--model <folder>', 'the text-to-codes model')
    .requiredOption('--codec <folder>', 'the codec')
    .requiredOption('--voice <wav>', 'a recording of the voice, one second or more')
    .option('--text <text>', 'what to say; needs --lang')
    .option('--lang <code>', 'language of the text')
    .option('--ipa <ipa>', 'what to say, as IPA')
    .option('--out <wav>', 'file to write', 'speech.wav')
    .option('--seed <number>', 'of the sampler', atLeast(0, true), 1)
    .option('--temperature <number>', 'of the sampler; 0: the likeliest', atLeast(0), 0.7)
    .option(
      '--guidance <scale>',
      '1: off; higher follows text and voice more closely, at twice the work',
      atLeast(1),
      1,
    )
    .option('--context-frames <frames>', 'codec frames of the voice prompt', atLeast(1, true), 20)
    .option('--max-frames <frames>', 'longest speech; default 300, or what the model has room for', atLeast(8, true))
    .option('--bf16', 'multiply in bfloat16: faster where the processor does, or the model is large', false)
    .action(synthesize);
}

/** Reads an option's number. */
const atLeast = (least: number, whole = false) => {
  return (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && value >= least && value < 1e9 && (!whole || Number.isInteger(value))) return value;
    throw new InvalidArgumentError(`expected a${whole ? ' whole' : ''} number of at least ${least}, got '${text}'`);
  };
};

async function synthesize(options: SynthesizeOptions): Promise<void> {
  const { model: modelFolder, codec: codecFolder, voice: voicePath, out } = options;
  const tokens = encodeIpa(await ipaOf(options));
  const [model, codec] = await Promise.all([loadTts(modelFolder, { bf16: options.bf16 }), loadCodec(codecFolder)]);
  requireSameCodes(model.config, codec.config, modelFolder);
  const { sampleRate } = codec.config;
  const recording = await readWav(voicePath);
  const samples =
    recording.sampleRate === sampleRate
      ? recording.samples
      : await resample(recording.samples, recording.sampleRate, sampleRate);
  const [codes] = await encodeWavs(codec, [samples]);
  const voice = sliceCodes(codes!, 0, Math.min(codes!.frames, options.contextFrames));
  const sampling = { temperature: options.temperature, guidance: options.guidance, minFrames: 4 };
  const [sample] = await sampleCodes(model, [{ tokens, voice }], {
    seed: options.seed,
    sampling,
    maxFrames: options.maxFrames ?? Math.min(300, roomOf(model.config, voice.frames)),
  });
  const [wav] = await decodeCodes(codec, [sample!.codes]);
  await writeWav(out, wav!, sampleRate);
  const cut = sample!.truncated ? ' (cut off: it did not end by itself)' : '';
  console.log(`${out}: ${(wav!.length / sampleRate).toFixed(2)} s${cut}`);
}

/** Frames that a model has positions for after a voice prompt with its two marks. */
const roomOf = ({ maxPositions, frameStacking }: Tts['config'], voiceFrames: number) =>
  frameStacking * (maxPositions - Math.ceil(voiceFrames / frameStacking) - 2);

async function ipaOf({ text, ipa, lang }: SynthesizeOptions): Promise<string> {
  if (ipa !== undefined) return ipa;
  if (text === undefined || lang === undefined) {
    const got = text === undefined ? 'neither --text nor --ipa' : '--text without --lang';
    throw new DataError({ where: 'synthesize', what: 'text', expected: '--ipa, or --text with --lang', got });
  }
  const phonemizer = new Phonemizer();
  try {
    return await phonemizer.phonemize(text, lang);
  } finally {
    phonemizer.close();
  }
}
