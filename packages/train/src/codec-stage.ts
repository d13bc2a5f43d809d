import { readWav } from '@align2speak/audio';
import { codecConfig, randomIndex } from '@align2speak/contracts';
import { readManifest } from '@align2speak/data';
import { Codec, type CodecLoss, Optimizer, Tensor } from '@align2speak/native';
import { writeModelFolder } from '@align2speak/weights';
import { z } from 'zod';
import { requireManifests } from './coded-corpus.js';
import { loopFields, shareAt, shareFrom } from './config.js';
import type { Phases, Stage } from './loop.js';

/** Configuration of `align2speak codec train`. */
export const codecTraining = z.strictObject({
  train: z.array(z.string()).min(1).describe('Manifests of speech to learn from.'),
  validation: z.array(z.string()).min(1).describe('Manifests of speech to measure on.'),
  model: codecConfig.prefault({}),
  items: z.int().min(1).default(16).describe('Crops of one update.'),
  cropFrames: z.int().min(1).default(12).describe('Frames of one crop.'),
  loss: z
    .strictObject({
      waveform: z.number().min(0).default(0),
      mel: z.number().min(0).default(1),
      stft: z.number().min(0).default(20),
      offset: z.number().positive().max(1000).default(1).describe('Magnitudes far below it hardly count.'),
      windows: z
        .array(z.number().int())
        .min(1)
        .default([32, 64, 128, 256, 512, 1024])
        .describe('Samples of the spectra; below a pitch period the codes must place each pulse.'),
    })
    .prefault({}),
  codeNoise: shareFrom.describe(
    'Replaces codes by random ones in training: the decoder learns to forgive wrong codes. From the start, it learns to ignore them all.',
  ),
  validationItems: z.int().min(1).default(32),
  ...loopFields,
});

export type CodecTraining = z.infer<typeof codecTraining>;

/** Trains the codec on random crops: spectral losses, no discriminator. */
export async function codecStage(config: CodecTraining): Promise<Stage> {
  await requireManifests(config.train, config.validation);
  const { sampleRate } = config.model;
  const [train, validation] = [
    await loadSpeech(config.train, sampleRate),
    await loadSpeech(config.validation, sampleRate),
  ];
  const codec = await Codec.create(config.model, { seed: config.seed });
  const { beta1, beta2, weightDecay, loss } = config;
  const optimizer = Optimizer.create(codec, { beta1, beta2, weightDecay });
  const size = config.cropFrames * config.model.downSampleRates.reduce((a, b) => a * b, 1);
  const crops = (speech: Float32Array[], items: number, key: number[]) => batchOfCrops(speech, { items, size, key });

  const pass = async (wav: Tensor, noise?: CodecLoss['noise']) => {
    const { loss: value, ...parts } = await codec.lossBackward({ wav }, { ...loss, noise });
    const entropy = codeEntropy((await parts.codes.toArray()) as Int32Array, parts.codes.shape);
    for (const tensor of [wav, ...Object.values(parts)]) tensor.dispose();
    return { value, entropy };
  };
  return {
    name: 'codec',
    model: codec,
    optimizer,
    async step(step: number, phases: Phases) {
      const wav = await phases.time('data', () => crops(train, config.items, [config.seed, step]));
      const { value } = await phases.time('train', () =>
        pass(wav, { seed: config.seed, step, codes: shareAt(config.codeNoise, step) }),
      );
      return { metrics: { loss: value } };
    },
    async validate() {
      // The same crops each time; their gradients are dropped.
      const { value, entropy } = await pass(await crops(validation, config.validationItems, [0]));
      await codec.zeroGrad();
      return { score: value, metrics: { 'validation/loss': value, 'validation/codeEntropyBits': entropy } };
    },
    state: () => null,
    restore: () => {},
    async save(folder) {
      await writeModelFolder(folder, await codec.state(), { kind: 'codec', config: config.model });
    },
  };
}

/** Every utterance of some manifests as samples. @throws DataError, naming the file, where one has another sample rate. */
async function loadSpeech(manifests: readonly string[], sampleRate: number): Promise<Float32Array[]> {
  const utterances = (await Promise.all(manifests.map((path) => readManifest(path)))).flat();
  const wavs: Float32Array[] = [];
  for (const { audioPath } of utterances) wavs.push((await readWav(audioPath, { sampleRate })).samples);
  return wavs;
}

/** `[items, size]` crops at random places; each utterance is as likely as it is long. Short ones end in silence. */
async function batchOfCrops(
  speech: readonly Float32Array[],
  { items, size, key }: { items: number; size: number; key: number[] },
): Promise<Tensor> {
  const ends = new Float64Array(speech.length);
  speech.reduce((sum, { length }, i) => (ends[i] = sum + length), 0);
  const data = new Float32Array(items * size);
  for (let b = 0; b < items; b++) {
    const at = randomIndex(ends.at(-1)!, ...key, b);
    let low = 0;
    for (let high = speech.length - 1; low < high; ) {
      const middle = (low + high) >> 1;
      if (ends[middle]! > at) high = middle;
      else low = middle + 1;
    }
    const wav = speech[low]!;
    const start = randomIndex(Math.max(1, wav.length - size + 1), ...key, b, 1);
    data.set(wav.subarray(start, start + size), b * size);
  }
  return Tensor.from(data, [items, size]);
}

/** Mean entropy of a codebook's codes `[B, K, T]`, in bits: how much of the codebooks is in use. */
function codeEntropy(codes: Int32Array, [, codebooks, frames]: readonly number[]): number {
  const counts = Array.from({ length: codebooks! }, () => new Map<number, number>());
  codes.forEach((code, i) => {
    const map = counts[Math.floor(i / frames!) % codebooks!]!;
    map.set(code, (map.get(code) ?? 0) + 1);
  });
  const total = codes.length / codebooks!;
  let bits = 0;
  for (const map of counts) for (const n of map.values()) bits -= (n / total) * Math.log2(n / total);
  return bits / codebooks!;
}
