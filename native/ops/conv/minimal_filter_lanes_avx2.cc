#include <immintrin.h>

#include "ops/conv/minimal_filter_lanes_simd.h"

namespace a2s {
namespace {

struct Avx2 {
  using Vector = __m256;
  using Mask = __m256i;
  static constexpr int lanes = 8;
  static A2S_INLINE Vector load(const float* p) { return _mm256_loadu_ps(p); }
  static A2S_INLINE void store(float* p, Vector v) { _mm256_storeu_ps(p, v); }
  static A2S_INLINE Mask first(int64_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static A2S_INLINE Vector load(const float* p, Mask m) { return _mm256_maskload_ps(p, m); }
  static A2S_INLINE void store(float* p, Mask m, Vector v) { _mm256_maskstore_ps(p, m, v); }
  static A2S_INLINE __m256i index(const int32_t* p) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(p)); }
  /** Of the lanes of a and then b those of the index. */
  static A2S_INLINE Vector pick(Vector a, __m256i index, Vector b) {
    const Vector from_b = _mm256_castsi256_ps(_mm256_cmpgt_epi32(index, _mm256_set1_epi32(7)));
    return _mm256_blendv_ps(_mm256_permutevar8x32_ps(a, index), _mm256_permutevar8x32_ps(b, index), from_b);
  }
  static A2S_INLINE Vector add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
  static A2S_INLINE Vector subtract(Vector a, Vector b) { return _mm256_sub_ps(a, b); }
};

}  // namespace

void filter_inputs_avx2(const FilterInputs<float>& p) { inputs<Avx2>(p); }
void filter_outputs_avx2(const FilterOutputs<float>& p) { outputs<Avx2>(p); }

}  // namespace a2s
