#include <immintrin.h>

#include "ops/conv/tap_kernel_simd.h"

namespace a2s {
namespace {

struct Avx512 {
  using Vector = __m512;
  static constexpr int lanes = 16, rows = 12;
  static A2S_INLINE Vector load(const float* p) { return _mm512_loadu_ps(p); }
  static A2S_INLINE void store(float* p, Vector v) { _mm512_storeu_ps(p, v); }
  static A2S_INLINE Vector set(float x) { return _mm512_set1_ps(x); }
  static A2S_INLINE Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
  static A2S_INLINE Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
};

}  // namespace

void tap_product_avx512(const TapProduct<float>& p) { product<Avx512>(p); }

}  // namespace a2s
