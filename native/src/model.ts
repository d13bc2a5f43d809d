import { binding, type DType, type ParameterBuffer, type ParamsHandle, type TensorHandle } from './binding.js';
import type { CallOptions } from './engine.js';
import { handleOf, type Tensor, withTensors } from './tensor.js';

/** Tensors by their published names. */
export type NamedTensors = Readonly<Record<string, Tensor>>;

export interface ParameterInfo {
  name: string;
  shape: number[];
  dtype: DType;
  trainable: boolean;
}

export interface CreateOptions extends CallOptions {
  /** Precision of parameters and arithmetic. */
  dtype?: 'f32' | 'f64' | undefined;
  /** Of the initial values; null: zeros, for a model whose weights are loaded next. */
  seed?: number | null | undefined;
}

export interface LoadOptions {
  /** Names to leave out where the model has no such parameter. */
  skip?: readonly RegExp[];
}

/** The parameters' handle of a model. @throws TypeError for anything else. */
export let paramsOf: (model: unknown, where: string) => ParamsHandle;

/** What every model has: parameters with gradients, laid out once, under the names of the published weights. */
export abstract class Model {
  readonly #params: ParamsHandle;

  static {
    paramsOf = (model, where) => {
      if (typeof model === 'object' && model !== null && #params in model) return model.#params;
      throw new TypeError(`${where}: expected a model, got ${model === null ? 'null' : typeof model}`);
    };
  }

  protected constructor(params: ParamsHandle) {
    this.#params = params;
  }

  /** Names, shapes and types of the parameters, in a fixed order. */
  parameters(): ParameterInfo[] {
    return binding().paramsList(this.#params);
  }

  /**
   * Replaces the values of all parameters. f32 and f64 convert to the model's own type.
   *
   * @param tensors Each parameter once, in its shape.
   * @returns The names left out.
   * @throws CheckpointError naming what is missing, unexpected or of another shape; then nothing is changed.
   */
  async load(tensors: NamedTensors, { skip = [] }: LoadOptions = {}): Promise<string[]> {
    const own = new Set(this.parameters().map(({ name }) => name));
    const skipped = Object.keys(tensors).filter((name) => !own.has(name) && skip.some((pattern) => pattern.test(name)));
    const kept = Object.entries(tensors).filter(([name]) => !skipped.includes(name));
    await writeParams(this.#params, 'values', Object.fromEntries(kept));
    return skipped;
  }

  /** Copies of the values of all parameters. */
  state(): Promise<NamedTensors> {
    return readParams(this.#params, 'values');
  }

  /** Copies of the gradients of all parameters, or of those of these names. @throws ConfigError for a name that none has. */
  gradients(names?: readonly string[]): Promise<NamedTensors> {
    return readParams(this.#params, 'grads', names);
  }

  /** Releases the model, once calls that still use it have ended and its optimizer is gone. Later uses throw DeviceError. */
  dispose(): void {
    binding().paramsDispose(this.#params);
  }

  /** Sets all gradients to zero. */
  async zeroGrad(): Promise<void> {
    await binding().paramsZeroGrad(this.#params);
  }
}

/** Copies of one of the buffers that lie beside each other: values, gradients and the optimizer's moments; of all parameters or those of `names`. */
export async function readParams(
  params: ParamsHandle,
  buffer: ParameterBuffer,
  names?: readonly string[],
): Promise<NamedTensors> {
  return withTensors(await binding().paramsRead(params, buffer, names, undefined)) as NamedTensors;
}

/** Replaces one of the buffers: each parameter once, in its shape. */
export async function writeParams(params: ParamsHandle, buffer: ParameterBuffer, tensors: NamedTensors): Promise<void> {
  const handles: Record<string, TensorHandle> = {};
  for (const [name, tensor] of Object.entries(tensors)) handles[name] = handleOf(tensor, `parameters: ${name}`);
  await binding().paramsWrite(params, buffer, handles, undefined);
}
