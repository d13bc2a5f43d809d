// What the f32 kernels of attention share: vectors as wide as the instruction set that they are compiled for, and rows of scores.
//
// Everything in these kernels is in an unnamed namespace: a copy shared between translation units would run AVX-512 on a CPU
// without it.
#pragma once
#include <cmath>
#include <cstring>

#include "core/math.h"
#include "core/simd.h"

namespace a2s::attention {
namespace {

constexpr int kBytes = kVectorBytes, kLanes = kBytes / 4;
typedef float Vec __attribute__((vector_size(kBytes), aligned(4), may_alias));
typedef uint32_t Bits __attribute__((vector_size(kBytes)));

A2S_INLINE int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
A2S_INLINE int64_t most(int64_t a, int64_t b) { return a > b ? a : b; }
A2S_INLINE int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

template <int kCount>
struct Lanes {
  typedef float type __attribute__((vector_size(kCount * 4), aligned(4), may_alias));
};

/** All lanes joined, halves first. */
template <int kCount, class Join>
A2S_INLINE float reduce(const typename Lanes<kCount>::type& x, Join join) {
  if constexpr (kCount == 2) {
    return join(x[0], x[1]);
  } else {
    typename Lanes<kCount / 2>::type half[2];
    std::memcpy(half, &x, sizeof half);
    return reduce<kCount / 2>(join(half[0], half[1]), join);
  }
}

A2S_INLINE Vec load(const float* p) { return *reinterpret_cast<const Vec*>(p); }
A2S_INLINE void store(float* p, Vec x) { *reinterpret_cast<Vec*>(p) = x; }

A2S_INLINE float total(Vec x) {
  return reduce<kLanes>(x, [](auto a, auto b) { return a + b; });
}

/** Scores less their largest, or less the logarithm of their sum, are at most 0. */
A2S_INLINE Vec exp_of(Vec x) { return math::exp_down<Vec, Bits>(x); }

/** to = exp(s - shift); returns the sum. */
A2S_INLINE float row_exp(const float* s, int64_t n, float shift, float* to) {
  Vec sum{};
  for (int64_t j = 0; j < n; j += kLanes) {
    const Vec e = exp_of(load(s + j) - shift);
    store(to + j, e);
    sum += e;
  }
  return total(sum);
}

}  // namespace
}  // namespace a2s::attention
