import {
  binding,
  type OptimizerHandle,
  type OptimizerSettings,
  type ParamsHandle,
  type StepReport,
} from './binding.js';
import { type CallOptions, underSignal } from './engine.js';
import { type Model, type NamedTensors, paramsOf, readParams, writeParams } from './model.js';

/** What decides the next step, beside parameters and gradients. */
export interface OptimizerState {
  /** Steps taken. */
  steps: number;
  /** First and second moments, by the parameters' names. */
  expAvg: NamedTensors;
  expAvgSq: NamedTensors;
}

export interface StepOptions extends CallOptions {
  lr: number;
  /** Longer gradients are scaled to this norm; 0 (the default): never. */
  clipNorm?: number | undefined;
}

/** AdamW over the trainable parameters of a model. @see Loshchilov, Hutter: Decoupled Weight Decay, arXiv 1711.05101 */
export class Optimizer {
  readonly #handle: OptimizerHandle;
  readonly #params: ParamsHandle;

  private constructor(handle: OptimizerHandle, params: ParamsHandle) {
    this.#handle = handle;
    this.#params = params;
  }

  /** @throws ConfigError on an unknown setting; TypeError where `model` is none. */
  static create(model: Model, settings: OptimizerSettings = {}): Optimizer {
    const params = paramsOf(model, 'Optimizer.create: model');
    return new Optimizer(binding().optimizerNew(params, settings), params);
  }

  /**
   * One step with the gradients as they are. Gradients that are not finite change nothing: see `nonFinite`.
   *
   * @throws ConfigError on settings out of range.
   */
  step({ signal, ...settings }: StepOptions): Promise<StepReport> {
    return underSignal({ signal }, (token) => binding().optimizerStep(this.#handle, settings, token));
  }

  /** A copy of the state, for a checkpoint. */
  async state(): Promise<OptimizerState> {
    const [steps, expAvg, expAvgSq] = await Promise.all([
      binding().optimizerSteps(this.#handle),
      readParams(this.#params, 'expAvg'),
      readParams(this.#params, 'expAvgSq'),
    ]);
    return { steps, expAvg, expAvgSq };
  }

  /** Continues from a state. @throws CheckpointError where it is not of this model. */
  async load({ steps, expAvg, expAvgSq }: OptimizerState): Promise<void> {
    await Promise.all([
      writeParams(this.#params, 'expAvg', expAvg),
      writeParams(this.#params, 'expAvgSq', expAvgSq),
      binding().optimizerRestore(this.#handle, steps),
    ]);
  }
}
