import { binding, type TensorHandle } from './binding.js';
import { type CallOptions, underSignal } from './engine.js';
import { handleOf, type Tensor, tensorFromNative } from './tensor.js';

/** An op by itself, run on the engine thread. Names follow the op table in camelCase. */
export type ForwardOp<Inputs, Attrs, Outputs> = (
  inputs: Inputs,
  attrs?: Attrs,
  options?: CallOptions,
) => Promise<Outputs>;

/** An op with derivatives. */
export interface Op<Inputs, Attrs, Outputs, Differentiable extends keyof Inputs>
  extends ForwardOp<Inputs, Attrs, Outputs> {
  /**
   * Runs forward, then backward.
   *
   * @param dOutputs Gradients of the loss with respect to the outputs, in their shapes; an absent one is zero.
   * @returns Gradients with respect to each differentiable input that was given. Those of parameters start from zero.
   */
  gradients(
    inputs: Inputs,
    attrs: Attrs,
    dOutputs: Partial<Outputs>,
    options?: CallOptions,
  ): Promise<Pick<Inputs, Differentiable>>;
}

type Values = Readonly<Record<string, unknown>>;

const toSnake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
const toCamel = (name: string) => name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());

function renamed<T, U>(values: Record<string, T>, name: (key: string) => string, value: (value: T, key: string) => U) {
  return Object.fromEntries(Object.entries(values).map(([key, each]) => [name(key), value(each, key)]));
}

const handles = (op: string, tensors: Values): Record<string, TensorHandle | undefined> =>
  renamed(tensors, toSnake, (tensor, key) =>
    tensor === undefined ? undefined : handleOf(tensor, `${op}: ${toSnake(key)}`),
  );
const settings = (attrs: Values): Values => renamed(attrs, toSnake, (value) => value);

/** The op of this name in the op table, without derivatives. */
export function forwardOp<Inputs, Attrs, Outputs>(name: string): ForwardOp<Inputs, Attrs, Outputs> {
  return async (inputs, attrs, options = {}) => {
    const outputs = await underSignal(options, (token) =>
      binding().runOp(name, handles(name, inputs as Values), settings((attrs ?? {}) as Values), token),
    );
    return renamed(outputs, toCamel, tensorFromNative) as Outputs;
  };
}

/** The op of this name in the op table, with derivatives. */
export function op<Inputs, Attrs, Outputs, Differentiable extends keyof Inputs>(
  name: string,
): Op<Inputs, Attrs, Outputs, Differentiable> {
  const gradients: Op<Inputs, Attrs, Outputs, Differentiable>['gradients'] = async (
    inputs,
    attrs,
    dOutputs,
    options = {},
  ) => {
    const given = handles(name, inputs as Values);
    const dGiven = handles(name, dOutputs as Values);
    const results = await underSignal(options, (token) =>
      binding().opGradients(name, given, settings(attrs as Values), dGiven, token),
    );
    return renamed(results, toCamel, tensorFromNative) as Record<Differentiable, Tensor> as Pick<
      Inputs,
      Differentiable
    >;
  };
  return Object.assign(forwardOp<Inputs, Attrs, Outputs>(name), { gradients });
}
