#include <immintrin.h>

#include "ops/gemm/gemm_kernel.h"

namespace a2s::gemm_detail {
namespace {

/** Pairs of bf16: two products a lane. */
struct PairStep {
  static constexpr int size = 2, a_step = 1;
  template <class V, int kRows>
  static inline __attribute__((always_inline)) void run(const float* a, int64_t, const Bf16* panel, V (&sum)[kRows][2]) {
    const auto b0 = (__m512bh)_mm512_loadu_si512(panel), b1 = (__m512bh)_mm512_loadu_si512(panel + 32);
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
      const auto x = (__m512bh)_mm512_set1_ps(a[i * kRowStride]);
      sum[i][0] = _mm512_dpbf16_ps(sum[i][0], x, b0);
      sum[i][1] = _mm512_dpbf16_ps(sum[i][1], x, b1);
    }
  }
};

}  // namespace

constinit const Bf16Kernels Bf16KernelsFor::avx512bf16 = make_bf16_kernels<PairStep, 64, 12>();

}  // namespace a2s::gemm_detail
