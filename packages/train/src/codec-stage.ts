import { readWav } from '@align2speak/audio';
import { loadCodec } from '@align2speak/codec';
import {
  ConfigError,
  codecConfig,
  type DiscriminatorConfig,
  discriminatorConfig,
  parseConfig,
  randomIndex,
} from '@align2speak/contracts';
import { readManifest } from '@align2speak/data';
import { Codec, type CodecLoss, Discriminators, Optimizer, Tensor } from '@align2speak/native';
import { disposeTensors } from '@align2speak/tts';
import { writeModelFolder } from '@align2speak/weights';
import { z } from 'zod';
import { requireManifests } from './coded-corpus.js';
import { learningRate, loopFields, shareAt, shareFrom } from './config.js';
import type { Phases, Stage } from './loop.js';
import type { Metrics } from './run.js';

/** Configuration of `align2speak codec train`. */
export const codecTraining = z.strictObject({
  train: z.array(z.string()).min(1).describe('Manifests of speech to learn from.'),
  validation: z.array(z.string()).min(1).describe('Manifests of speech to measure on.'),
  init: z.string().optional().describe('Folder of the codec to start from; absent: random weights of `model`.'),
  model: codecConfig.optional().describe('Sizes of a new codec; absent, without init: the published ones.'),
  frozenEncoder: z
    .boolean()
    .default(false)
    .describe(
      'Only the decoder learns: codes stay what they are, and models that speak them what they were. With init.',
    ),
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
  adversarial: z
    .strictObject({
      from: z.int().min(0).default(0).describe('First update.'),
      weight: z.number().min(0).default(1).describe('Of what the discriminators say of decoded speech.'),
      features: z.number().min(0).default(1).describe("Of the difference that the discriminators' layers see."),
      networks: discriminatorConfig.prefault({}),
    })
    .optional()
    .describe(
      'Discriminators that the codec is trained against, and that learn with it. `best` is by spectra alone; see `last`.',
    ),
  codeNoise: shareFrom.describe(
    'Replaces codes by random ones in training: the decoder learns to forgive wrong codes. From the start, it learns to ignore them all.',
  ),
  validationItems: z.int().min(1).default(32),
  ...loopFields,
});

export type CodecTraining = z.infer<typeof codecTraining>;

/** Trains the codec on random crops: spectral losses, and discriminators where they are wanted. */
export async function codecStage(config: CodecTraining): Promise<Stage> {
  const { beta1, beta2, weightDecay, loss, seed, frozenEncoder, adversarial } = config;
  if (frozenEncoder && (config.init === undefined || weightDecay > 0)) {
    const expected = 'init, and no weightDecay, which would move the encoder';
    const got = config.init === undefined ? 'no init' : `weightDecay ${weightDecay}`;
    throw new ConfigError({ where: 'configuration', what: 'frozenEncoder', expected, got });
  }
  await requireManifests(config.train, config.validation);
  const codec = await startingCodec(config);
  const { sampleRate, downSampleRates } = codec.config;
  const [train, validation] = [
    await loadSpeech(config.train, sampleRate),
    await loadSpeech(config.validation, sampleRate),
  ];
  const optimizer = Optimizer.create(codec, { beta1, beta2, weightDecay });
  const rival = adversarial && (await startingRival(adversarial.networks, config));
  const size = config.cropFrames * downSampleRates.reduce((a, b) => a * b, 1);
  const crops = (speech: Float32Array[], items: number, key: number[]) => batchOfCrops(speech, { items, size, key });

  const pass = async (wav: Tensor, more: CodecLoss) => {
    const {
      loss: value,
      wav: decoded,
      ...parts
    } = await codec.lossBackward({ wav }, { ...loss, frozenEncoder, ...more });
    const entropy = codeEntropy((await parts.codes.toArray()) as Int32Array, parts.codes.shape);
    disposeTensors(parts);
    return { value, entropy, decoded };
  };
  return {
    name: 'codec',
    model: codec,
    optimizer,
    others: rival && { discriminators: rival },
    async step(step: number, phases: Phases) {
      const wav = await phases.time('data', () => crops(train, config.items, [seed, step]));
      const noise = { seed, step, codes: shareAt(config.codeNoise, step) };
      const against = rival && adversarial && step >= adversarial.from;
      const { value, decoded } = await phases.time('train', () =>
        pass(wav, {
          noise,
          ...(against && {
            discriminators: rival.model,
            adversarial: adversarial.weight,
            features: adversarial.features,
          }),
        }),
      );
      const metrics: Metrics = { loss: value };
      if (against)
        metrics['train/discriminators'] = await phases.time('discriminators', async () => {
          const { loss: own } = await rival.model.lossBackward({ recorded: wav, decoded });
          await rival.optimizer.step({ lr: learningRate(config, step), clipNorm: config.clipNorm });
          await rival.model.zeroGrad();
          return own;
        });
      disposeTensors({ wav, decoded });
      return { metrics };
    },
    async validate() {
      // The same crops each time; their gradients are dropped.
      const wav = await crops(validation, config.validationItems, [0]);
      const { value, entropy, decoded } = await pass(wav, {});
      await codec.zeroGrad();
      disposeTensors({ wav, decoded });
      return { score: value, metrics: { 'validation/loss': value, 'validation/codeEntropyBits': entropy } };
    },
    state: () => null,
    restore: () => {},
    async save(folder) {
      await writeModelFolder(folder, await codec.state(), { kind: 'codec', config: codec.config });
    },
    async close() {
      rival?.model.dispose();
    },
  };
}

async function startingCodec({ init, model, seed }: CodecTraining): Promise<Codec> {
  if (init === undefined) return Codec.create(model ?? parseConfig(codecConfig, {}, 'model'), { seed });
  if (model !== undefined)
    throw new ConfigError({ where: 'configuration', what: 'init, model', expected: 'one of the two', got: 'both' });
  return loadCodec(init);
}

async function startingRival(networks: DiscriminatorConfig, { beta1, beta2, weightDecay, seed }: CodecTraining) {
  const model = await Discriminators.create(networks, { seed });
  return { model, optimizer: Optimizer.create(model, { beta1, beta2, weightDecay }) };
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
