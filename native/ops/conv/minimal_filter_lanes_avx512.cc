#include <immintrin.h>

#include "ops/conv/minimal_filter_lanes_simd.h"

namespace a2s {
namespace {

struct Avx512 {
  using Vector = __m512;
  using Mask = __mmask16;
  static constexpr int lanes = 16;
  static A2S_INLINE Vector load(const float* p) { return _mm512_loadu_ps(p); }
  static A2S_INLINE void store(float* p, Vector v) { _mm512_storeu_ps(p, v); }
  static A2S_INLINE Mask first(int64_t n) { return static_cast<Mask>((1 << n) - 1); }
  static A2S_INLINE Vector load(const float* p, Mask m) { return _mm512_maskz_loadu_ps(m, p); }
  static A2S_INLINE void store(float* p, Mask m, Vector v) { _mm512_mask_storeu_ps(p, m, v); }
  static A2S_INLINE __m512i index(const int32_t* p) { return _mm512_load_si512(p); }
  /** Of the lanes of a and then b those of the index. */
  static A2S_INLINE Vector pick(Vector a, __m512i index, Vector b) { return _mm512_permutex2var_ps(a, index, b); }
  static A2S_INLINE Vector add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
  static A2S_INLINE Vector subtract(Vector a, Vector b) { return _mm512_sub_ps(a, b); }
};

}  // namespace

void filter_inputs_avx512(const FilterInputs<float>& p) { inputs<Avx512>(p); }
void filter_outputs_avx512(const FilterOutputs<float>& p) { outputs<Avx512>(p); }

}  // namespace a2s
