import type { JudgeConfig } from '@align2speak/contracts';
import { binding, type JudgeHandle, type NativeModel } from './binding.js';
import { type CallOptions, underSignal } from './engine.js';
import { type CreateOptions, Model } from './model.js';
import { type Tensor, withHandles, withTensors } from './tensor.js';

/** Speech to be judged. */
export interface Speech {
  /** `[B, S]` mono in [-1, 1], in the judge's dtype. */
  wav: Tensor;
  /** i32 `[B]`, each at least hopLength; absent: all S. */
  samples?: Tensor | undefined;
}

/** Speech and what is true of it: the fields of the judge's kind, and no others. */
export interface JudgeBatch extends Speech {
  /** ctc: i32 `[B, U]` labels in 1 .. labels - 1. */
  targets?: Tensor | undefined;
  /** ctc: i32 `[B]` valid labels. */
  targetLengths?: Tensor | undefined;
  /** speaker: i32 `[B]` in 0 .. speakers - 1. */
  labels?: Tensor | undefined;
  /** quality: `[B]` in the judge's dtype. */
  quality?: Tensor | undefined;
}

/**
 * What a judge says, by its kind.
 *
 * ctc: `logits` `[B, T, V]`, label 0 the blank, of which `frames`, i32 `[B]`, steps are valid:
 * ceil(floor(samples / hopLength) / frameStack); speaker: `embedding` `[B, dim]` of length 1; quality: `quality` `[B]`,
 * not limited to a range.
 */
export type JudgeAnswer = { logits: Tensor; frames: Tensor } | { embedding: Tensor } | { quality: Tensor };

interface JudgeTraining {
  weight?: number | undefined;
  noise?: { seed: number; step: number } | undefined;
}

/** A judge of speech: which labels are spoken, who speaks, or how good it sounds. Items of a batch do not affect each other. */
export class Judge extends Model {
  readonly config: JudgeConfig;
  readonly #handle: JudgeHandle;

  private constructor(config: JudgeConfig, { model, params }: NativeModel<JudgeHandle>) {
    super(params);
    this.config = config;
    this.#handle = model;
  }

  /**
   * A judge with random weights.
   *
   * @param config As `parseConfig(judgeConfig, …)` of @align2speak/contracts returns it.
   * @throws ConfigError where it is unknown or cannot be; DeviceError where there is no memory.
   */
  static async create(config: JudgeConfig, { dtype = 'f32', seed = 0, signal }: CreateOptions = {}): Promise<Judge> {
    return new Judge(config, await underSignal({ signal }, (token) => binding().judgeNew(config, dtype, seed, token)));
  }

  /**
   * What the judge says, without noise.
   *
   * @throws ShapeError on what does not fit or is shorter than hopLength, DataError on samples that are not finite.
   */
  async forward(speech: Speech, { signal }: CallOptions = {}): Promise<JudgeAnswer> {
    const result = await underSignal({ signal }, (token) =>
      binding().judgeEvaluate(this.#handle, withHandles(speech), token),
    );
    return withTensors(result) as unknown as JudgeAnswer;
  }

  /**
   * A forward and a backward pass. Adds `weight` times the gradients of the loss to those of the parameters.
   *
   * The loss is ctc: the mean over items of nats a label, items without an alignment counting as 0; speaker: the mean
   * cross-entropy of margin softmax; quality: the mean squared error.
   *
   * @param options `weight` of the gradients, default 1; `noise`: dropout, drawn by these counters; absent: none.
   * @returns The loss and what the judge said, this step's dropout included.
   * @throws as forward; ConfigError on truth that a judge of this kind does not learn from.
   */
  async lossBackward(
    batch: JudgeBatch,
    { signal, ...settings }: JudgeTraining & CallOptions = {},
  ): Promise<JudgeAnswer & { loss: number }> {
    const result = await underSignal({ signal }, (token) =>
      binding().judgeTrain(this.#handle, withHandles(batch), settings, token),
    );
    return withTensors(result) as unknown as JudgeAnswer & { loss: number };
  }

  override dispose(): void {
    super.dispose();
    binding().judgeDispose(this.#handle);
  }
}
