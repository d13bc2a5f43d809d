#include <immintrin.h>

#include "ops/conv/tap_kernel_simd.h"

namespace a2s {
namespace {

struct Avx2 {
  using Vector = __m256;
  using Mask = __m256i;
  static constexpr int lanes = 8, rows = 6;
  static A2S_INLINE Vector load(const float* p) { return _mm256_loadu_ps(p); }
  static A2S_INLINE void store(float* p, Vector v) { _mm256_storeu_ps(p, v); }
  /** Of the first n lanes: none below 1, at most all. */
  static A2S_INLINE Mask first(int64_t n) {
    const int count = n >= lanes ? lanes : n > 0 ? static_cast<int>(n) : 0;
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static A2S_INLINE Vector load(const float* p, Mask m) { return _mm256_maskload_ps(p, m); }
  static A2S_INLINE void store(float* p, Mask m, Vector v) { _mm256_maskstore_ps(p, m, v); }
  static A2S_INLINE Vector set(float x) { return _mm256_set1_ps(x); }
  static A2S_INLINE Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
  static A2S_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
};

}  // namespace

void tap_product_avx2(const TapProduct<float>& p) { product<Avx2>(p); }

}  // namespace a2s
