import { ConfigError, DeviceError, ShapeError } from '@align2speak/contracts';
import { ops, Tensor } from '@align2speak/native';
import { describe, expect, it } from 'vitest';
import { binding } from '../src/binding.js';

const rows = (count: number, width: number) => Float32Array.from({ length: count * width }, (_, i) => Math.sin(i));

async function layerNormInputs(count = 4, width = 8) {
  return {
    x: await Tensor.from(rows(count, width), [count, width]),
    w: await Tensor.from(new Float32Array(width).fill(1), [width]),
  };
}

describe('tensors', () => {
  it.each([
    [new Float32Array([1, 2.5, -3])],
    [new Float64Array([1e300, Number.NaN, -0])],
    [new Int32Array([2 ** 31 - 1, -1, 0])],
  ])('give back what they were made from: %o', async (data) => {
    const tensor = await Tensor.from(data, [3, 1]);
    expect(tensor.shape).toEqual([3, 1]);
    expect(await tensor.toArray()).toEqual(data);
  });

  it('copy: neither side sees later changes of the other', async () => {
    const data = new Float32Array([1, 2]);
    const tensor = await Tensor.from(data, [2]);
    data[0] = 9;
    const copy = await tensor.toArray();
    expect(copy[0]).toBe(1);
    copy[0] = 9;
    expect((await tensor.toArray())[0]).toBe(1);
  });

  it('may be empty, a scalar, a part of a buffer or shared memory', async () => {
    expect(await (await Tensor.from(new Float32Array(0), [3, 0])).toArray()).toHaveLength(0);
    expect(await (await Tensor.from(new Float32Array([7]), [])).toArray()).toEqual(new Float32Array([7]));
    const part = new Float32Array([1, 2, 3]).subarray(1);
    expect(await (await Tensor.from(part, [2])).toArray()).toEqual(new Float32Array([2, 3]));
    const shared = new Int32Array(new SharedArrayBuffer(8));
    expect(await (await Tensor.from(shared, [2])).toArray()).toEqual(new Int32Array(2));
  });

  it('span several slices', async () => {
    const data = Float32Array.from({ length: 3 * 2 ** 19 + 5 }, (_, i) => i);
    const copy = await (await Tensor.from(data, [data.length])).toArray();
    expect(Buffer.from(copy.buffer).equals(Buffer.from(data.buffer))).toBe(true);
  });

  it.each([
    ['Float16 or other arrays', new Uint8Array(2), [2], TypeError, /expected a Float32Array.*got a typed array/],
    ['plain arrays', [1, 2], [2], TypeError, /tensor: data: expected a Float32Array.*got an array/],
    ['nothing', undefined, [2], TypeError, /got undefined/],
    ['a shape of another size', new Float32Array(2), [3], ShapeError, /expected 3 elements for shape \[3\], got 2/],
    ['a shape that is no array', new Float32Array(2), 2, TypeError, /shape: expected an array of integers, got 2/],
    ['NaN', new Float32Array(2), [Number.NaN], ShapeError, /axis 0: expected an integer in .*, got nan/],
    ['negative sizes', new Float32Array(2), [-1, -2], ShapeError, /axis 0: .*got -1/],
    ['fractions', new Float32Array(2), [1, 2.5], ShapeError, /axis 1: .*got 2.5/],
    ['huge sizes', new Float32Array(2), [2 ** 53], ShapeError, /axis 0: /],
    ['huge products', new Float32Array(2), [2 ** 30, 2 ** 30], ShapeError, /expected at most 2\^48 elements/],
    ['sparse arrays', new Float32Array(2), Object.assign(new Array(2), [2]), TypeError, /axis 1: .*got undefined/],
    ['seven axes', new Float32Array(1), [1, 1, 1, 1, 1, 1, 1], ShapeError, /expected at most 6 axes, got 7/],
  ])('refuse %s', async (_, data, shape, ErrorClass, message) => {
    const made = Tensor.from(data as Float32Array, shape as number[]);
    await expect(made).rejects.toThrow(ErrorClass);
    await expect(made).rejects.toThrow(message);
  });

  it('refuse memory that was transferred away', async () => {
    const data = new Float32Array(4);
    structuredClone(data.buffer, { transfer: [data.buffer] });
    await expect(Tensor.from(data, [4])).rejects.toThrow(/expected an array with its memory/);
  });

  it('refuse memory that is transferred away between two slices', async () => {
    const data = new Float32Array(2 ** 20);
    const made = Tensor.from(data, [2 ** 20]);
    structuredClone(data.buffer, { transfer: [data.buffer] });
    await expect(made).rejects.toThrow(ShapeError);
  });

  it('are gone after dispose, which may be repeated', async () => {
    const { x, w } = await layerNormInputs();
    x.dispose();
    x.dispose();
    await expect(x.toArray()).rejects.toThrow(DeviceError);
    await expect(ops.layerNorm({ x, w })).rejects.toThrow(
      'layer_norm: x: expected a live Tensor, got one that was disposed',
    );
  });

  it('stay alive for calls that use them', async () => {
    const { x, w } = await layerNormInputs(1000, 100);
    const running = ops.layerNorm({ x, w });
    x.dispose();
    expect((await running).y.shape).toEqual([1000, 100]);
  });
});

describe('ops', () => {
  it('run forward and backward', async () => {
    const x = await Tensor.from(new Float64Array([1, 2, 4]), [1, 3]);
    const w = await Tensor.from(new Float64Array([1, 1, 2]), [3]);
    const { y } = await ops.layerNorm({ x, w }, { eps: 0 });
    const [mean, rstd] = [7 / 3, 1 / Math.sqrt(14 / 9)];
    const expected = [1, 2, 4].map((value, i) => (value - mean) * rstd * (i === 2 ? 2 : 1));
    const result = await y.toArray();
    for (const [i, value] of expected.entries()) expect(result[i]).toBeCloseTo(value, 12);
    const dy = await Tensor.from(new Float64Array([1, 0, 0]), [1, 3]);
    const gradients = await ops.layerNorm.gradients({ x, w }, { eps: 0 }, { y: dy });
    const dw = await gradients.w.toArray();
    expect(dw[0]).toBeCloseTo((1 - mean) * rstd, 12);
    expect([...dw.slice(1)]).toEqual([0, 0]);
    const dx = await gradients.x.toArray();
    expect(dx[0]! + dx[1]! + dx[2]!).toBeCloseTo(0, 12);
  });

  it('check gradients of outputs', async () => {
    const inputs = await layerNormInputs();
    const call = ops.layerNorm.gradients(inputs, {}, { y: inputs.w });
    await expect(call).rejects.toThrow('layer_norm: dy: expected f32 [4, 8], got f32 [8]');
  });

  const anything = (value: unknown) => value as never;
  it.each([
    ['a missing input', () => [{}, {}], ShapeError, 'layer_norm: x: expected a tensor [... C], got none'],
    ['a wrong object', () => [{ x: {} }, {}], TypeError, 'layer_norm: x: expected a Tensor, got object'],
    ['null', () => [{ x: null }, {}], TypeError, 'layer_norm: x: expected a Tensor, got null'],
    ['a number', () => [{ x: 1 }, {}], TypeError, 'layer_norm: x: expected a Tensor, got number'],
    ['a prototype', () => [{ x: Object.create(Tensor.prototype) }, {}], TypeError, 'expected a Tensor, got object'],
    [
      'an unknown input',
      (t) => [{ z: t.x }, {}],
      ConfigError,
      'layer_norm: z: expected one of its inputs (x, w), got an unknown name',
    ],
    [
      'an unknown attribute',
      ({ x, w }) => [{ x, w }, { epsilon: 1 }],
      ConfigError,
      'layer_norm: epsilon: expected one of its attributes (eps), got an unknown name',
    ],
    [
      'an attribute of another type',
      ({ x, w }) => [{ x, w }, { eps: '1' }],
      TypeError,
      'layer_norm: eps: expected a number, got "1"',
    ],
    [
      'NaN',
      ({ x, w }) => [{ x, w }, { eps: Number.NaN }],
      ConfigError,
      'layer_norm: eps: expected a number in [0, 1], got nan',
    ],
    [
      'a value out of range',
      ({ x, w }) => [{ x, w }, { eps: -1 }],
      ConfigError,
      'layer_norm: eps: expected a number in [0, 1], got -1',
    ],
    [
      'a size that does not fit',
      (t) => [{ x: t.x, w: t.long }, {}],
      ShapeError,
      'layer_norm: w: axis C is 9, but x has C=8',
    ],
    [
      'another precision',
      (t) => [{ x: t.x, w: t.double }, {}],
      ShapeError,
      'layer_norm: w: expected dtype f32, got f64',
    ],
    ['integers', (t) => [{ x: t.ints, w: t.w }, {}], ShapeError, 'layer_norm: x: expected dtype'],
  ] as [string, (t: Record<string, Tensor>) => unknown[], new () => Error, string][])(
    'refuse %s',
    async (_, make, ErrorClass, message) => {
      const [inputs, attrs] = make({
        ...(await layerNormInputs()),
        long: await Tensor.from(new Float32Array(9), [9]),
        double: await Tensor.from(new Float64Array(8), [8]),
        ints: await Tensor.from(new Int32Array(8), [1, 8]),
      });
      const call = ops.layerNorm(anything(inputs), anything(attrs));
      await expect(call).rejects.toThrow(ErrorClass);
      await expect(call).rejects.toThrow(message);
    },
  );

  it('refuse handles of another kind, a name that is none, and a bare call', () => {
    const native = binding();
    const token = native.cancelToken();
    expect(() => native.runOp('layer_norm', { x: token as never }, {}, undefined)).toThrow(TypeError);
    expect(() => native.tensorDispose(token as never)).toThrow(
      'dispose: handle: expected a Tensor, got a native handle',
    );
    expect(() => native.cancel({} as never)).toThrow(TypeError);
    expect(() => native.runOp('no_such_op', {}, {}, undefined)).toThrow(ConfigError);
    for (const call of Object.values(native) as (() => unknown)[]) {
      try {
        call();
      } catch (error) {
        expect(error).toBeInstanceOf(TypeError);
      }
    }
  });
});
