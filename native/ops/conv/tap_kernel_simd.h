// tap_product in vector registers; `S` names one instruction set (see tap_kernel_avx512.cc). All of this has internal
// linkage, so that no file compiled for one instruction set can lend its code to another.
#pragma once
#include <cstring>
#include <utility>

#include "core/simd.h"
#include "ops/conv/tap_kernel.h"

namespace a2s {
namespace {

constexpr int64_t kDepth = 384;  // rows of x per pass: the panel of w stays in the L1 cache, and the sums are short

/** M rows by N vectors of y, all in registers. */
template <class S, int M, int N>
A2S_INLINE void tile(const float* w, const float* x, const int32_t* offset, int64_t R, float* y, int64_t ldy, const float* bias,
                     bool accumulate, const float* residual) {
  typename S::Vector sum[M][N];
#pragma GCC unroll 16
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) sum[m][n] = S::set(0.f);
  for (int64_t r = 0; r < R; ++r) {
    const float* row = x + offset[r];
    typename S::Vector v[N];
#pragma GCC unroll 4
    for (int n = 0; n < N; ++n) v[n] = S::load(row + n * S::lanes);
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
      typename S::Vector v = S::add(sum[m][n], accumulate ? S::load(to) : S::set(bias ? bias[m] : 0.f));
      if (residual) v = S::add(v, S::load(residual + m * ldy + n * S::lanes));
      S::store(to, v);
    }
}

/** The last columns, fewer than a full tile: the same sums in a buffer. */
template <class S, int M, int N>
void last_columns(const TapProduct<float>& p, const float* w, const int32_t* offset, int64_t R, int64_t n, const float* bias,
                  bool accumulate, const float* residual) {
  alignas(64) float buffer[M * N * S::lanes] = {};
  constexpr int64_t ld = N * S::lanes;
  const size_t bytes = static_cast<size_t>(p.N - n) * sizeof(float);
  if (accumulate)
    for (int m = 0; m < M; ++m) std::memcpy(buffer + m * ld, p.y + m * p.ldy + n, bytes);
  tile<S, M, N>(w, p.x + n, offset, R, buffer, ld, bias, accumulate, nullptr);
  if (residual)
    for (int m = 0; m < M; ++m)
      for (int64_t i = 0; i < p.N - n; ++i) buffer[m * ld + i] += residual[m * p.ldy + n + i];
  for (int m = 0; m < M; ++m) std::memcpy(p.y + m * p.ldy + n, buffer + m * ld, bytes);
}

template <class S, int M>
void panel(const TapProduct<float>& p) {
  constexpr int N = M <= 3 ? 4 : 2;  // few rows need more columns to keep enough sums in flight
  int64_t r = 0;
  do {
    const int64_t depth = p.R - r < kDepth ? p.R - r : kDepth;
    const float* w = p.w + r * M;
    const int32_t* offset = p.offset + r;
    const bool accumulate = p.accumulate || r > 0;
    const float* residual = r + depth == p.R ? p.residual : nullptr;
    int64_t n = 0;
    for (; n + N * S::lanes <= p.N; n += N * S::lanes)
      tile<S, M, N>(w, p.x + n, offset, depth, p.y + n, p.ldy, p.bias, accumulate, residual ? residual + n : nullptr);
    if (p.N - n > S::lanes) last_columns<S, M, N>(p, w, offset, depth, n, p.bias, accumulate, residual);
    else if (p.N > n) last_columns<S, M, 1>(p, w, offset, depth, n, p.bias, accumulate, residual);
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
