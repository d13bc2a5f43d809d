// Which elements dropout keeps: a pure function of (seed, layer, sample, element), so nothing is stored for backward
// and a sample's mask does not depend on the batch around it.
#pragma once
#include "core/rng.h"
#include "core/simd.h"

namespace a2s {

/** Element e of sample b is kept when word e % 4 of Philox at (sample b, position e / 4) is at least p 2^32. */
struct DropoutMask {
  Rng rng;
  uint32_t threshold = 0;
  double kept = 1;  // factor of a kept element

  DropoutMask() = default;
  DropoutMask(double p, uint64_t seed, uint32_t layer)
      : rng{seed, static_cast<uint32_t>(Stream::dropout) + layer * 64}, threshold(static_cast<uint32_t>(p * 0x1p32)), kept(1 / (1 - p)) {}
  /** False: nothing is dropped. */
  A2S_INLINE explicit operator bool() const { return threshold > 0; }

  /** out[i] = 1 / (1 - p) if kept, else 0, for elements first .. first + n - 1 of `sample`. */
  void factors(uint64_t sample, uint64_t first, int64_t n, float* out) const;
  void factors(uint64_t sample, uint64_t first, int64_t n, double* out) const;
};

}  // namespace a2s
