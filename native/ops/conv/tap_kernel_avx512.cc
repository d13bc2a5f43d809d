#include <immintrin.h>

#include "ops/conv/tap_kernel_simd.h"

namespace a2s {
namespace {

struct Avx512 {
  using Vector = __m512;
  using Mask = __mmask16;
  static constexpr int lanes = 16, rows = 12;
  static A2S_INLINE Vector load(const float* p) { return _mm512_loadu_ps(p); }
  static A2S_INLINE void store(float* p, Vector v) { _mm512_storeu_ps(p, v); }
  /** Of the first n lanes: none below 1, at most all. */
  static A2S_INLINE Mask first(int64_t n) { return static_cast<Mask>(n >= lanes ? 0xffff : n > 0 ? (1 << n) - 1 : 0); }
  static A2S_INLINE Vector load(const float* p, Mask m) { return _mm512_maskz_loadu_ps(m, p); }
  static A2S_INLINE void store(float* p, Mask m, Vector v) { _mm512_mask_storeu_ps(p, m, v); }
  static A2S_INLINE Vector set(float x) { return _mm512_set1_ps(x); }
  static A2S_INLINE Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
  static A2S_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
};

}  // namespace

void tap_product_avx512(const TapProduct<float>& p) { product<Avx512>(p); }

}  // namespace a2s
