// tap_product in vector registers; `S` names one instruction set (see tap_kernel_avx512.cc). All of this has internal
// linkage, so that no file compiled for one instruction set can lend its code to another.
#pragma once
#include <utility>

#include "core/simd.h"
#include "ops/conv/tap_kernel.h"

namespace a2s {
namespace {

constexpr int64_t kDepth = 384;  // rows of x per pass: the panel of w stays in the L1 cache, and the sums are short
constexpr int64_t kAhead = 2048;  // elements of w that are fetched ahead: past the end of a page, where the hardware stops

/** M rows by N vectors of y, all in registers; of a tail only the first `columns` columns exist. */
template <class S, int M, int N, bool kTail>
A2S_INLINE void tile(const float* w, const float* x, const int32_t* offset, int64_t R, float* y, int64_t ldy, const float* bias,
                     bool accumulate, const float* residual, int64_t columns = N * S::lanes) {
  typename S::Mask mask[N];
  for (int n = 0; n < N; ++n) mask[n] = S::first(columns - n * S::lanes);
  auto load = [&](const float* p, int n) { return kTail ? S::load(p, mask[n]) : S::load(p); };
  typename S::Vector sum[M][N];
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) sum[m][n] = S::set(0.f);
  for (int64_t r = 0; r < R; ++r) {
    const float* row = x + offset[r];
    __builtin_prefetch(w + r * M + kAhead);
    typename S::Vector v[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) v[n] = load(row + n * S::lanes, n);
#pragma GCC unroll 16
    for (int m = 0; m < M; ++m) {
      const typename S::Vector a = S::set(w[r * M + m]);
#pragma GCC unroll 4
      for (int n = 0; n < N; ++n) sum[m][n] = S::fma(a, v[n], sum[m][n]);
    }
  }
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) {
      float* to = y + m * ldy + n * S::lanes;
      typename S::Vector v = S::add(sum[m][n], accumulate ? load(to, n) : S::set(bias ? bias[m] : 0.f));
      if (residual) v = S::add(v, load(residual + m * ldy + n * S::lanes, n));
      kTail ? S::store(to, mask[n], v) : S::store(to, v);
    }
}

template <class S, int M>
void panel(const TapProduct<float>& p) {
  constexpr int N = M <= 3 ? 4 : M <= S::rows * 2 / 3 ? 3 : 2;  // few rows need more columns: sums in flight, and products for each load
  int64_t r = 0;
  do {
    const int64_t depth = p.R - r < kDepth ? p.R - r : kDepth;
    const float* w = p.w + r * M;
    const int32_t* offset = p.offset + r;
    const bool accumulate = p.accumulate || r > 0;
    const float* residual = r == 0 ? p.residual : nullptr;  // which y may be
    const int64_t whole = p.N / (N * S::lanes) * (N * S::lanes), rest = p.N - whole;
    auto at = [&](int64_t n) { return residual ? residual + n : nullptr; };
    for (int64_t n = 0; n < whole; n += N * S::lanes)
      tile<S, M, N, false>(w, p.x + n, offset, depth, p.y + n, p.ldy, p.bias, accumulate, at(n));
    if (rest > S::lanes) tile<S, M, N, true>(w, p.x + whole, offset, depth, p.y + whole, p.ldy, p.bias, accumulate, at(whole), rest);
    else if (rest > 0) tile<S, M, 1, true>(w, p.x + whole, offset, depth, p.y + whole, p.ldy, p.bias, accumulate, at(whole), rest);
    r += depth;
  } while (r < p.R);
}

template <class S, int... I>
A2S_INLINE void by_height(const TapProduct<float>& p, std::integer_sequence<int, I...>) {
  (void)((p.M == I + 1 && (panel<S, I + 1>(p), true)) || ...);
}

/** S::rows sums of two vectors, two vectors of x and one of w fill the registers. */
template <class S>
A2S_INLINE void product(const TapProduct<float>& p) {
  by_height<S>(p, std::make_integer_sequence<int, S::rows>{});
}

}  // namespace
}  // namespace a2s
