// A 4 x 4 block of floats, transposed in registers of the baseline; inlined, so that it is also fit for kernels that are
// compiled for more.
#pragma once
#include <cstdint>

#include "core/simd.h"

namespace a2s {

/** to[j * to_stride + i] = from[i * from_stride + j] for i, j < 4. */
A2S_INLINE void transpose4(const float* from, int64_t from_stride, float* to, int64_t to_stride) {
  typedef float Four __attribute__((vector_size(16), aligned(4), may_alias));
  auto in = [&](int64_t i) { return *reinterpret_cast<const Four*>(from + i * from_stride); };
  auto out = [&](int64_t j) -> Four& { return *reinterpret_cast<Four*>(to + j * to_stride); };
  const Four r0 = in(0), r1 = in(1), r2 = in(2), r3 = in(3);
  const Four a = __builtin_shufflevector(r0, r2, 0, 4, 1, 5), b = __builtin_shufflevector(r1, r3, 0, 4, 1, 5);
  const Four c = __builtin_shufflevector(r0, r2, 2, 6, 3, 7), d = __builtin_shufflevector(r1, r3, 2, 6, 3, 7);
  out(0) = __builtin_shufflevector(a, b, 0, 4, 1, 5), out(1) = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  out(2) = __builtin_shufflevector(c, d, 0, 4, 1, 5), out(3) = __builtin_shufflevector(c, d, 2, 6, 3, 7);
}

}  // namespace a2s
