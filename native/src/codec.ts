import { CheckpointError, type CodecConfig } from '@align2speak/contracts';
import { binding, type CodecHandle, type CodecStreamHandle, type NativeModel } from './binding.js';
import { type Discriminators, discriminatorsOf } from './discriminators.js';
import { type CallOptions, underSignal } from './engine.js';
import { type CreateOptions, type LoadOptions, Model, type NamedTensors } from './model.js';
import { handleOf, Tensor, withTensors } from './tensor.js';

/** Codes of a batch, K codebooks. */
export interface CodedBatch {
  /** i32 `[B, K, T]`, 0 beyond the frames. */
  codes: Tensor;
  /** i32 `[B]`: ceil(samples / hopLength). */
  frames: Tensor;
}

/** All that lies between audio and audio. */
export interface CodecParts extends CodedBatch {
  /** `[B, C, T]` encoder output; C = groups * levels.length. */
  latent: Tensor;
  /** `[B, C, T]` values of the codes. */
  dequantized: Tensor;
  /** `[B, T·hopLength]`, 0 beyond the frames. */
  wav: Tensor;
}

/** Weights of the losses, and how the step learns. */
export interface CodecLoss {
  /** Of the mean squared difference over the samples of whole frames. */
  waveform?: number | undefined;
  /** Of the mean absolute difference of log mel spectra, mean over the windows; the published recipe has 1. */
  mel?: number | undefined;
  /** Of the mean absolute difference of log spectra, mean over the windows; the published recipe has 20. */
  stft?: number | undefined;
  /** Of the mean squared distance of the discriminators' scores from 1; the published recipe has 1. */
  adversarial?: number | undefined;
  /** Of the mean absolute difference of the features of the discriminators' layers; the published recipe has 1. */
  features?: number | undefined;
  /** For the two before; they are not changed. */
  discriminators?: Discriminators | undefined;
  /** Encoder and quantiser get no gradients: the codes stay what they are, and whatever speaks them remains valid. Default false. */
  frozenEncoder?: boolean | undefined;
  /** Added to mels and magnitudes before the logarithm, 1e-30 to 1000: what is far below it hardly counts. Default, as published, 1. */
  offset?: number | undefined;
  /**
   * Samples of the spectral losses' windows, powers of 2 from 32 to 4096. Default, as published, 32 to 1024. Windows shorter than
   * a pitch period ask for each pulse at its place, which codes must then carry.
   */
  windows?: readonly number[] | undefined;
  /** Replaces random codes, so that the decoder forgives wrong ones: a share of each item's drawn uniformly up to `codes`. Default: none. */
  noise?: { seed: number; step: number; codes: number } | undefined;
  /** Factor of all gradients, e.g. one over the number of accumulated batches; default 1. */
  weight?: number | undefined;
}

/** The codec: waveforms to groups of finite scalar codes and back. Items of a batch do not affect each other. */
export class Codec extends Model {
  readonly config: CodecConfig;
  readonly #handle: CodecHandle;

  private constructor(config: CodecConfig, { model, params }: NativeModel<CodecHandle>) {
    super(params);
    this.config = config;
    this.#handle = model;
  }

  /**
   * A codec with random weights.
   *
   * @param config As `parseConfig(codecConfig, …)` of @align2speak/contracts returns it.
   * @throws ConfigError where it is unknown or cannot be; DeviceError where there is no memory.
   */
  static async create(config: CodecConfig, { dtype = 'f32', seed = 0, signal }: CreateOptions = {}): Promise<Codec> {
    return new Codec(config, await underSignal({ signal }, (token) => binding().codecNew(config, dtype, seed, token)));
  }

  /** As of every model; constants that published weights hold besides the parameters must be those of the configuration. */
  override async load(tensors: NamedTensors, options: LoadOptions = {}): Promise<string[]> {
    const parameters = { ...tensors };
    for (const { name, values } of binding().codecBuffers(this.#handle)) {
      const given = parameters[name];
      if (!given) continue;
      const array = await given.toArray();
      if (array.length !== values.length || values.some((value, i) => value !== array[i])) {
        throw new CheckpointError({ where: 'codec', what: name, expected: String(values), got: String(array) });
      }
      delete parameters[name];
    }
    return super.load(parameters, options);
  }

  /** As of every model, with the constants that published weights hold. */
  override async state(): Promise<NamedTensors> {
    const buffers = binding().codecBuffers(this.#handle);
    const constants = await Promise.all(buffers.map(({ values, shape }) => Tensor.from(values, shape)));
    return { ...(await super.state()), ...Object.fromEntries(buffers.map(({ name }, i) => [name, constants[i]!])) };
  }

  /**
   * @param wav `[B, S]` mono in [-1, 1], in the codec's dtype.
   * @param samples i32 `[B]`; absent: all S.
   * @throws ShapeError on what does not fit, DataError on samples that are not finite.
   */
  async encode(wav: Tensor, samples?: Tensor, { signal }: CallOptions = {}): Promise<CodedBatch> {
    const audio = handleOf(wav, 'codec: wav');
    const counts = samples && handleOf(samples, 'codec: samples');
    const coded = await underSignal({ signal }, (token) => binding().codecEncode(this.#handle, audio, counts, token));
    return withTensors(coded) as unknown as CodedBatch;
  }

  /**
   * @param codes i32 `[B, K, T]`.
   * @param frames i32 `[B]`; absent: all T.
   * @returns `[B, T·hopLength]` in [-1, 1], 0 beyond the frames.
   * @throws ShapeError on what does not fit and on codes out of range.
   */
  async decode(codes: Tensor, frames?: Tensor, { signal }: CallOptions = {}): Promise<Tensor> {
    const ids = handleOf(codes, 'codec: codes');
    const counts = frames && handleOf(frames, 'codec: frames');
    const result = await underSignal({ signal }, (token) => binding().codecDecode(this.#handle, ids, counts, token));
    return withTensors(result).wav as Tensor;
  }

  /**
   * Encoder, quantiser and decoder as they are trained: the batch shares one buffer, at whose end the encoder repeats the
   * last sample, so that the last codes of a shorter item differ from those that `encode` gives.
   *
   * @param wav `[B, S]` mono in [-1, 1], in the codec's dtype.
   * @param samples i32 `[B]`; absent: all S.
   * @throws as encode.
   */
  async forward(wav: Tensor, samples?: Tensor, { signal }: CallOptions = {}): Promise<CodecParts> {
    const audio = handleOf(wav, 'codec: wav');
    const counts = samples && handleOf(samples, 'codec: samples');
    const parts = await underSignal({ signal }, (token) => binding().codecEvaluate(this.#handle, audio, counts, token));
    return withTensors(parts) as unknown as CodecParts;
  }

  /**
   * A forward and a backward pass. Adds `weight` times the gradients of the loss to those of the parameters; the gradient
   * of the rounding is 1.
   *
   * @param batch `wav` `[B, S]` and `samples` `[B]`, as of forward.
   * @throws as forward; ConfigError when no loss has a weight, or one that needs discriminators and there are none.
   */
  async lossBackward(
    { wav, samples }: { wav: Tensor; samples?: Tensor | undefined },
    { discriminators, ...loss }: CodecLoss,
    { signal }: CallOptions = {},
  ): Promise<CodecParts & { loss: number }> {
    const audio = handleOf(wav, 'codec: wav');
    const counts = samples && handleOf(samples, 'codec: samples');
    const against = discriminators && discriminatorsOf(discriminators, 'codec: discriminators');
    const trained = await underSignal({ signal }, (token) =>
      binding().codecTrain(this.#handle, audio, counts, { ...loss, discriminators: against }, token),
    );
    return withTensors(trained) as unknown as CodecParts & { loss: number };
  }

  /** A decoder of `streams` signals that takes codes in portions, each with the weights as they are then. */
  async stream(streams = 1): Promise<CodecStream> {
    return new CodecStream(await binding().codecStreamNew(this.#handle, streams, undefined));
  }

  override dispose(): void {
    super.dispose();
    binding().codecDispose(this.#handle);
  }
}

/** A decoder that continues where its last portion ended: portions give the samples that the whole would. */
export class CodecStream {
  readonly #handle: CodecStreamHandle;

  /** Made by Codec.stream. */
  constructor(handle: CodecStreamHandle) {
    this.#handle = handle;
  }

  /** @param codes i32 `[B, K, T]`, the next frames of each stream. @returns `[B, T·hopLength]`. @throws as Codec.decode. */
  async decode(codes: Tensor, { signal }: CallOptions = {}): Promise<Tensor> {
    const ids = handleOf(codes, 'codec stream: codes');
    const result = await underSignal({ signal }, (token) => binding().codecStreamDecode(this.#handle, ids, token));
    return withTensors(result).wav as Tensor;
  }

  /** Stream `index` starts anew, as after silence. */
  async restart(index: number): Promise<void> {
    await binding().codecStreamRestart(this.#handle, index);
  }

  dispose(): void {
    binding().codecStreamDispose(this.#handle);
  }
}
