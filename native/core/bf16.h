// bfloat16: the upper half of an f32, in memory alone; arithmetic is that of f32.
#pragma once
#include <cstdint>
#include <cstring>

#include "core/simd.h"

namespace a2s {

using Bf16 = uint16_t;

/** The nearest bf16 of the f32 with these bits, ties to even, in their upper half; the lower half is not cleared. NaN stays NaN.
 *  Of one, or of a vector of them. */
template <class Bits>
A2S_INLINE Bits rounded(Bits x) {
  return (x & 0x7fffffffu) > 0x7f800000u ? x | 0x400000u : x + 0x7fffu + ((x >> 16) & 1u);
}

A2S_INLINE Bf16 to_bf16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  return static_cast<Bf16>(rounded(bits) >> 16);
}

A2S_INLINE float widened(Bf16 x) {
  const uint32_t bits = uint32_t{x} << 16;
  float y;
  std::memcpy(&y, &bits, 4);
  return y;
}

}  // namespace a2s
