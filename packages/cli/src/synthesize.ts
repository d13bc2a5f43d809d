import { readWav, resample, writeWav } from '@align2speak/audio';
import { decodeCodes, encodeWavs, loadCodec } from '@align2speak/codec';
import { DataError, sliceCodes } from '@align2speak/contracts';
import { encodeIpa, Phonemizer } from '@align2speak/text';
import { loadTts, sampleCodes } from '@align2speak/tts';
import { Command } from 'commander';

interface SynthesizeOptions {
  model: string;
  codec: string;
  voice: string;
  text?: string;
  ipa?: string;
  lang?: string;
  out: string;
  seed: string;
  temperature: string;
  guidance: string;
  contextFrames: string;
  maxFrames: string;
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
    .option('--seed <number>', 'of the sampler', '1')
    .option('--temperature <number>', 'of the sampler; 0: the likeliest', '0.7')
    .option('--guidance <scale>', '1: off; higher follows text and voice more closely, at twice the work', '1')
    .option('--context-frames <frames>', 'codec frames of the voice prompt', '20')
    .option('--max-frames <frames>', 'longest speech', '300')
    .action(synthesize);
}

async function synthesize(options: SynthesizeOptions): Promise<void> {
  const { model: modelFolder, codec: codecFolder, voice: voicePath, out } = options;
  const tokens = encodeIpa(await ipaOf(options));
  const [model, codec] = await Promise.all([loadTts(modelFolder), loadCodec(codecFolder)]);
  const { sampleRate } = codec.config;
  const recording = await readWav(voicePath);
  const samples =
    recording.sampleRate === sampleRate
      ? recording.samples
      : await resample(recording.samples, recording.sampleRate, sampleRate);
  const [codes] = await encodeWavs(codec, [samples]);
  const voice = sliceCodes(codes!, 0, Math.min(codes!.frames, Number(options.contextFrames)));
  const sampling = { temperature: Number(options.temperature), guidance: Number(options.guidance), minFrames: 4 };
  const [sample] = await sampleCodes(model, [{ tokens, voice }], {
    seed: Number(options.seed),
    sampling,
    maxFrames: Number(options.maxFrames),
  });
  const [wav] = await decodeCodes(codec, [sample!.codes]);
  await writeWav(out, wav!, sampleRate);
  const cut = sample!.truncated ? ' (cut off: it did not end by itself)' : '';
  console.log(`${out}: ${(wav!.length / sampleRate).toFixed(2)} s${cut}`);
}

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
