/** The bits of the IEEE 754 binary16 nearest to a number; from 65520 on, and for NaN, those of an infinity or NaN. */
export function halfBits(value: number): number {
  const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
  const size = Math.abs(value);
  if (Number.isNaN(value)) return 0x7e00;
  if (size >= 65520) return sign | 0x7c00;
  // Below 2^-14 numbers are spaced as they are there. A count of 2048 steps carries into the exponent, which is then right.
  const exponent = Math.max(-14, Math.floor(Math.log2(size)));
  return sign | (((exponent + 14) << 10) + Math.round(size * 2 ** (10 - exponent)));
}
