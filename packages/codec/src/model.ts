import { type Codes, codecConfig, stackCodes, unstackCodes } from '@align2speak/contracts';
import { Codec, Tensor } from '@align2speak/native';
import { readModelFolder } from '@align2speak/weights';

/** Items that one native call takes, so that no call holds the engine for long. */
const itemsPerCall = 16;

/** A codec from its model folder. @throws CheckpointError or ConfigError naming what is wrong with it. */
export async function loadCodec(folder: string): Promise<Codec> {
  const { config, tensors } = await readModelFolder(folder, 'codec', codecConfig);
  const codec = await Codec.create(config, { seed: null });
  await codec.load(tensors);
  return codec;
}

/** Samples of one frame. */
export function hopLengthOf({ config }: Codec): number {
  return config.downSampleRates.reduce((product, rate) => product * rate, 1);
}

/**
 * Codes of waveforms at the codec's sample rate; each item's codes are those that it has alone.
 *
 * @throws DataError on samples that are not finite.
 */
export async function encodeWavs(codec: Codec, wavs: readonly Float32Array[]): Promise<Codes[]> {
  const all: Codes[] = [];
  for (let begin = 0; begin < wavs.length; begin += itemsPerCall) {
    const part = wavs.slice(begin, begin + itemsPerCall);
    const { wav, samples } = await wavTensors(part);
    const { codes, frames } = await codec.encode(wav, samples);
    all.push(...unstackCodes((await codes.toArray()) as Int32Array, codes.shape, await frames.toArray()));
    for (const tensor of [wav, samples, codes, frames]) tensor.dispose();
  }
  return all;
}

/** Waveforms of different lengths as one batch: `wav` `[B, S]`, zero beyond the `samples` `[B]` of each. */
export async function wavTensors(wavs: readonly Float32Array[]): Promise<{ wav: Tensor; samples: Tensor }> {
  const longest = Math.max(...wavs.map(({ length }) => length));
  const data = new Float32Array(wavs.length * longest);
  wavs.forEach((wav, b) => {
    data.set(wav, b * longest);
  });
  return {
    wav: await Tensor.from(data, [wavs.length, longest]),
    samples: await Tensor.from(
      Int32Array.from(wavs, ({ length }) => length),
      [wavs.length],
    ),
  };
}

/** Waveforms of codes, T·hopLength samples each. */
export async function decodeCodes(codec: Codec, items: readonly Codes[]): Promise<Float32Array[]> {
  const hop = hopLengthOf(codec);
  const wavs: Float32Array[] = [];
  for (let begin = 0; begin < items.length; begin += itemsPerCall) {
    const part = items.slice(begin, begin + itemsPerCall);
    const { data, shape } = stackCodes(part);
    const codes = await Tensor.from(data, shape);
    const frames = await Tensor.from(
      Int32Array.from(part, (item) => item.frames),
      [part.length],
    );
    const wav = await codec.decode(codes, frames);
    const samples = (await wav.toArray()) as Float32Array;
    const width = shape[2] * hop;
    wavs.push(...part.map((item, b) => samples.slice(b * width, b * width + item.frames * hop)));
    for (const tensor of [codes, frames, wav]) tensor.dispose();
  }
  return wavs;
}
