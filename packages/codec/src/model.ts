import { type Codes, codecConfig, stackCodes, unstackCodes } from '@align2speak/contracts';
import { Codec, Tensor } from '@align2speak/native';
import { readModelFolder } from '@align2speak/weights';

/** Frames that one native call takes, padding included: enough for threads to share evenly, while no call holds the engine for long. */
const framesPerCall = 4096;

/** Cuts items into calls; `framesOf` gives each one's frames. */
function* callsOf<T>(items: readonly T[], framesOf: (item: T) => number): Generator<T[]> {
  let call: T[] = [];
  let longest = 0;
  for (const item of items) {
    longest = Math.max(longest, framesOf(item));
    if (call.length > 0 && (call.length + 1) * longest > framesPerCall) {
      yield call;
      call = [];
      longest = framesOf(item);
    }
    call.push(item);
  }
  if (call.length > 0) yield call;
}

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
  const hop = hopLengthOf(codec);
  for (const part of callsOf(wavs, ({ length }) => length / hop)) {
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

/** Waveforms of codes, T·hopLength samples each; some are views of one array. */
export async function decodeCodes(codec: Codec, items: readonly Codes[]): Promise<Float32Array[]> {
  const hop = hopLengthOf(codec);
  const wavs: Float32Array[] = [];
  for (const part of callsOf(items, ({ frames }) => frames)) {
    const { data, shape } = stackCodes(part);
    const codes = await Tensor.from(data, shape);
    const frames = await Tensor.from(
      Int32Array.from(part, (item) => item.frames),
      [part.length],
    );
    const wav = await codec.decode(codes, frames);
    const samples = (await wav.toArray()) as Float32Array;
    const width = shape[2] * hop;
    wavs.push(...part.map((item, b) => samples.subarray(b * width, b * width + item.frames * hop)));
    for (const tensor of [codes, frames, wav]) tensor.dispose();
  }
  return wavs;
}
