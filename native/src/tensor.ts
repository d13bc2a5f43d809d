import { binding, type DType, type NativeTensor, type TensorArray, type TensorHandle } from './binding.js';

/** Elements copied in one turn of the event loop: about a millisecond, so that nothing else waits for long. */
const sliceSize = 2 ** 18;

const arrayOf = { f32: Float32Array, f64: Float64Array, i32: Int32Array };

/** Wraps what the addon returned. */
export let tensorFromNative: (native: NativeTensor) => Tensor;
/** The handle of a Tensor. @throws TypeError, naming `where`, for anything else. */
export let handleOf: (value: unknown, where: string) => TensorHandle;

/**
 * A dense array in native memory, row-major, last axis contiguous. Its contents never change.
 *
 * Memory is released by `dispose()`, or when the garbage collector finds the tensor unused.
 */
export class Tensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly #handle: TensorHandle;

  static {
    tensorFromNative = (native) => new Tensor(native);
    handleOf = (value, where) => {
      if (typeof value === 'object' && value !== null && #handle in value) return value.#handle;
      throw new TypeError(`${where}: expected a Tensor, got ${value === null ? 'null' : typeof value}`);
    };
  }

  private constructor({ handle, dtype, shape }: NativeTensor) {
    this.#handle = handle;
    this.dtype = dtype;
    this.shape = Object.freeze(shape);
  }

  /**
   * Copies an array into a new tensor; its type gives the dtype.
   *
   * Arrays above 1 MiB are copied in slices between turns of the event loop: leave them unchanged until then.
   * @param shape At most 6 axes; their product is the length of `data`.
   * @throws ShapeError where they disagree, or the array's memory was transferred away; TypeError on another array type;
   * DeviceError where there is no memory.
   */
  static async from(data: TensorArray, shape: readonly number[]): Promise<Tensor> {
    const native = binding();
    const tensor = new Tensor(native.tensorNew(data, shape));
    await inSlices(data.length, (begin, end) => native.tensorWrite(tensor.#handle, data, begin, end));
    return tensor;
  }

  /** A copy of the contents, in slices between turns of the event loop. @throws DeviceError after dispose(). */
  async toArray(): Promise<TensorArray> {
    const native = binding();
    const data = new arrayOf[this.dtype](this.shape.reduce((size, extent) => size * extent, 1));
    await inSlices(data.length, (begin, end) => native.tensorRead(this.#handle, data, begin, end));
    return data;
  }

  /** Releases the memory, once calls that still use it have ended. Later uses throw DeviceError; a second time does nothing. */
  dispose(): void {
    binding().tensorDispose(this.#handle);
  }
}

/** An object with handles in place of its tensors, as the addon takes it. */
export function withHandles(values: object): Record<string, unknown> {
  const handle = (value: unknown, key: string) => (value instanceof Tensor ? handleOf(value, key) : value);
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, handle(value, key)]));
}

/** An object of the addon's with tensors in place of what stands for them. */
export function withTensors(values: object): Record<string, unknown> {
  const isTensor = (value: unknown): value is NativeTensor =>
    typeof value === 'object' && value !== null && 'handle' in value;
  const tensor = (value: unknown) => (isTensor(value) ? tensorFromNative(value) : value);
  return Object.fromEntries(Object.entries(values).map(([key, value]) => [key, tensor(value)]));
}

/** Calls copy(begin, end) over [0, size), at least once, returning to the event loop between slices. */
async function inSlices(size: number, copy: (begin: number, end: number) => void): Promise<void> {
  for (let begin = 0; ; begin += sliceSize) {
    copy(begin, Math.min(size, begin + sliceSize));
    if (begin + sliceSize >= size) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
