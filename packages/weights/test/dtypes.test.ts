import { type Dtype, floatBytes, openSafetensors, writeSafetensors } from '@align2speak/weights';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
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

describe('F16 storage', () => {
  /** IEEE 754 binary16, by the definition. */
  const halfValue = (bits: number) => {
    const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
    const size = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
    if (exponent === 31)
      return fraction ? Number.NaN : bits & 0x8000 ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    return bits & 0x8000 ? -size : size;
  };
  const bitsOf = (...values: number[]) => [...floatBytes(values, 'F16')];

  it('gives each of the 65536 halves back, NaN as a NaN', () => {
    const all = Array.from({ length: 65_536 }, (_, bits) => bits);
    bitsOf(...all.map(halfValue)).forEach((found, bits) => {
      if (Number.isNaN(halfValue(bits)) ? Number.isNaN(halfValue(found)) : found === bits) return;
      expect.fail(`half ${bits.toString(16)} became ${found.toString(16)}`);
    });
  });

  it('breaks ties towards the even half, below the normal numbers and where a carry changes the exponent too', () => {
    for (let bits = 0; bits < 0x7bff; bits++) {
      const middle = (halfValue(bits) + halfValue(bits + 1)) / 2;
      const even = bits % 2 === 0 ? bits : bits + 1;
      const ulp = 2 ** (Math.max(-14, Math.floor(Math.log2(middle))) - 23);
      const found = bitsOf(middle, middle - ulp, middle + ulp, -middle);
      const expected = [even, bits, bits + 1, 0x8000 | even];
      if (found.some((half, i) => half !== expected[i])) expect.fail(`${middle}: expected ${expected}, got ${found}`);
    }
  });

  it('overflows from 65520 on, and keeps the sign of zero and of what is too small', () => {
    expect(bitsOf(65519, 65520, -65520, 1e30, Number.NEGATIVE_INFINITY)).toEqual([
      0x7bff, 0x7c00, 0xfc00, 0x7c00, 0xfc00,
    ]);
    expect(bitsOf(0, -0, 2 ** -25, -(2 ** -25), 1e-30, -1e-40)).toEqual([0, 0x8000, 0, 0x8000, 0, 0x8000]);
    expect(halfValue(bitsOf(Number.NaN)[0]!)).toBeNaN();
  });

  it('is the nearest half of any f32', () => {
    fc.assert(
      fc.property(fc.float({ min: Math.fround(-65000), max: Math.fround(65000), noNaN: true }), (value) => {
        const [bits] = bitsOf(value);
        const gap = (half: number) => Math.abs(halfValue(half) - value);
        expect(gap(bits!)).toBeLessThanOrEqual(Math.min(gap(bits! + 1), bits! & 0x7fff ? gap(bits! - 1) : 1));
      }),
    );
  });
});
