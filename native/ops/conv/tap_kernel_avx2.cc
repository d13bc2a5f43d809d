#include <immintrin.h>

#include "ops/conv/tap_kernel_simd.h"

namespace a2s {
namespace {

struct Avx2 {
  using Vector = __m256;
  static constexpr int lanes = 8, rows = 6;
  static A2S_INLINE Vector load(const float* p) { return _mm256_loadu_ps(p); }
  static A2S_INLINE void store(float* p, Vector v) { _mm256_storeu_ps(p, v); }
  static A2S_INLINE Vector set(float x) { return _mm256_set1_ps(x); }
  static A2S_INLINE Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
  static A2S_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
};

}  // namespace

void tap_product_avx2(const TapProduct<float>& p) { product<Avx2>(p); }

}  // namespace a2s
