import { type Dtype, openSafetensors, writeSafetensors } from '@align2speak/weights';
import { expect, it } from 'vitest';
import { inFolder } from './folder.js';

const folder = inFolder();

async function stored(dtype: Dtype, data: ArrayBufferView, bytesPerElement: number) {
  const path = folder.path('one.safetensors');
  await writeSafetensors(path, [{ name: 'x', dtype, shape: [data.byteLength / bytesPerElement], data }]);
  return openSafetensors(path);
}

it('widens each of the 65536 half floats to the f32 of the same value', async () => {
  const file = await stored(
    'F16',
    Uint16Array.from({ length: 65_536 }, (_, bits) => bits),
    2,
  );
  const values = await file.float32('x');
  await file.close();
  values.forEach((value, bits) => {
    const sign = bits >= 0x8000 ? -1 : 1;
    const [exponent, fraction] = [(bits >> 10) % 32, bits % 1024];
    const special = fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    const finite = sign * 2 ** (Math.max(exponent, 1) - 15) * ((exponent > 0 ? 1 : 0) + fraction / 1024);
    if (!Object.is(value, exponent === 31 ? special : finite)) expect.fail(`half ${bits.toString(16)} gave ${value}`);
  });
});

it.each([
  ['F64', Float64Array.of(0, 1e39), 'float32', 'x: element 1: expected a value that f32 can hold, got 1e+39'],
  [
    'I32',
    Int32Array.of(2 ** 24, -(2 ** 24) - 1),
    'float32',
    'x: element 1: expected a value that f32 can hold, got -16777217',
  ],
  [
    'I64',
    BigInt64Array.of(2n ** 53n),
    'float64',
    'x: element 0: expected a value that f64 can hold, got 9007199254740992',
  ],
  ['I64', BigInt64Array.of(1n, 2n ** 31n), 'int32', 'x: element 1: expected a 32-bit integer, got 2147483648'],
  ['F32', Float32Array.of(1), 'int32', 'x: expected an integer tensor, got F32'],
  ['BOOL', Uint8Array.of(1, 2), 'int32', 'x: element 1: expected 0 or 1, got 2'],
] as const)('refuses to narrow %s %o by %s', async (dtype, data, method, message) => {
  const file = await stored(dtype, data, data.BYTES_PER_ELEMENT);
  await expect(file[method]('x')).rejects.toMatchObject({
    name: 'CheckpointError',
    message: `${file.path}: ${message}`,
  });
  await file.close();
});

it('keeps infinities and NaN, and rounds f64 to the nearest f32', async () => {
  const file = await stored('F64', Float64Array.of(Number.NaN, Number.NEGATIVE_INFINITY, 0.1, -0), 8);
  expect([...(await file.float32('x'))]).toEqual([Number.NaN, Number.NEGATIVE_INFINITY, Math.fround(0.1), -0]);
  await file.close();
});
