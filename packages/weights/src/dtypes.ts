import { CheckpointError } from '@align2speak/contracts';

/** Bytes of one element of each storage type, all little-endian. */
export const dtypeBytes = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1 } as const;

export type Dtype = keyof typeof dtypeBytes;

/** A stored tensor: its elements as little-endian bytes in C order, at offset 0 of a buffer of their own. */
export interface StoredTensor {
  /** File it comes from; errors name it. */
  path: string;
  name: string;
  dtype: Dtype;
  bytes: Uint8Array<ArrayBuffer>;
}

/**
 * The elements as f32.
 *
 * F64 rounds to nearest; integers must be exact, at most 2^24 in magnitude.
 * @throws CheckpointError where a finite value does not fit.
 */
export function toFloat32(tensor: StoredTensor): Float32Array<ArrayBuffer> {
  const source = elements(tensor);
  if (source instanceof Float32Array) return source;
  const out = new Float32Array(source.length);
  const limit = source instanceof Float64Array ? Number.POSITIVE_INFINITY : 2 ** 24;
  for (let i = 0; i < out.length; i++) {
    const value = Number(source[i]);
    out[i] = value;
    const overflows = Number.isFinite(value) && !Number.isFinite(out[i]);
    if (overflows || Math.abs(value) > limit) refuse(tensor, i, 'a value that f32 can hold', value);
  }
  return out;
}

/**
 * The elements as f64; integers must be exact, below 2^53 in magnitude.
 *
 * @throws CheckpointError where an integer does not fit.
 */
export function toFloat64(tensor: StoredTensor): Float64Array<ArrayBuffer> {
  const source = elements(tensor);
  if (source instanceof Float64Array) return source;
  const out = new Float64Array(source.length);
  for (let i = 0; i < out.length; i++) {
    out[i] = Number(source[i]);
    if (tensor.dtype === 'I64' && !Number.isSafeInteger(out[i])) {
      refuse(tensor, i, 'a value that f64 can hold', source[i]!);
    }
  }
  return out;
}

/**
 * The elements as 32-bit integers; BOOL as 0 and 1.
 *
 * @throws CheckpointError on a floating-point tensor, or where a value needs more than 32 bits.
 */
export function toInt32(tensor: StoredTensor): Int32Array<ArrayBuffer> {
  if (['F64', 'F32', 'F16', 'BF16'].includes(tensor.dtype)) {
    const { path, name, dtype } = tensor;
    throw new CheckpointError({ where: path, what: name, expected: 'an integer tensor', got: dtype });
  }
  const source = elements(tensor);
  if (source instanceof Int32Array) return source;
  const out = new Int32Array(source.length);
  for (let i = 0; i < out.length; i++) {
    const value = Number(source[i]);
    out[i] = value;
    if (out[i] !== value) refuse(tensor, i, 'a 32-bit integer', source[i]!);
  }
  return out;
}

type Elements =
  | Float64Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>
  | BigInt64Array
  | Int32Array<ArrayBuffer>
  | Int16Array
  | Int8Array
  | Uint8Array;

/** The bytes as numbers, without a copy where JavaScript has the type; half floats widened to f32. */
function elements(tensor: StoredTensor): Elements {
  const { buffer } = tensor.bytes;
  switch (tensor.dtype) {
    case 'F64':
      return new Float64Array(buffer);
    case 'F32':
      return new Float32Array(buffer);
    case 'F16':
      return widenHalves(new Uint16Array(buffer));
    case 'BF16':
      return widenBfloats(new Uint16Array(buffer));
    case 'I64':
      return new BigInt64Array(buffer);
    case 'I32':
      return new Int32Array(buffer);
    case 'I16':
      return new Int16Array(buffer);
    case 'I8':
      return new Int8Array(buffer);
    case 'U8':
      return tensor.bytes;
    case 'BOOL': {
      const i = tensor.bytes.findIndex((byte) => byte > 1);
      if (i >= 0) refuse(tensor, i, '0 or 1', tensor.bytes[i]!);
      return tensor.bytes;
    }
  }
}

// Plain loops: from() with a function is ten times as slow, and a model has millions of elements.

/** What each binary16 is, by its bits; made when first wanted. */
let halves: Float32Array<ArrayBuffer> | undefined;

function widenHalves(bits: Uint16Array): Float32Array<ArrayBuffer> {
  halves ??= Float32Array.from({ length: 2 ** 16 }, (_, each) => halfToNumber(each));
  const out = new Float32Array(bits.length);
  for (let i = 0; i < out.length; i++) out[i] = halves[bits[i]!]!;
  return out;
}

/** A bfloat16 is the upper half of the f32 of the same value. */
function widenBfloats(bits: Uint16Array): Float32Array<ArrayBuffer> {
  const out = new Uint32Array(bits.length);
  for (let i = 0; i < out.length; i++) out[i] = bits[i]! << 16;
  return new Float32Array(out.buffer);
}

/** IEEE 754 binary16: 1 sign, 5 exponent and 10 fraction bits. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0x1f) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Numbers as the bytes of a stored type; F16 rounds to nearest, ties to even, and overflows to infinity. */
export function floatBytes(values: ArrayLike<number>, dtype: 'F32' | 'F16'): Float32Array | Uint16Array {
  const single = Float32Array.from(values);
  return dtype === 'F32' ? single : Uint16Array.from(new Uint32Array(single.buffer), singleToHalf);
}

/** The bits of an f32 as those of the nearest binary16. */
function singleToHalf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 0xff) - 112;
  const fraction = bits & 0x7fffff;
  if (exponent >= 31) return sign | 0x7c00 | (exponent === 143 && fraction ? 0x200 : 0);
  if (exponent < -10) return sign;
  // A subnormal half shifts the implicit one in; rounding may carry into the exponent, which is then right.
  const shift = exponent > 0 ? 13 : 14 - exponent;
  const whole = exponent > 0 ? (exponent << 23) | fraction : fraction | 0x800000;
  const half = whole >>> shift;
  const rest = whole & ((1 << shift) - 1);
  const tie = 1 << (shift - 1);
  return sign | (half + (rest > tie || (rest === tie && (half & 1) === 1) ? 1 : 0));
}

function refuse({ path, name }: StoredTensor, index: number, expected: string, got: number | bigint): never {
  throw new CheckpointError({ where: path, what: `${name}: element ${index}`, expected, got: String(got) });
}
