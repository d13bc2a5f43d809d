#include "ops/conv/tap_kernel.h"

#include "core/cpu.h"

namespace a2s {

void tap_product_avx2(const TapProduct<float>& p);
void tap_product_avx512(const TapProduct<float>& p);

namespace {

/** The definition; all of f64, and f32 where there are no vector kernels. */
template <class T>
void plain(const TapProduct<T>& p) {
  for (int64_t m = 0; m < p.M; ++m) {
    T* y = p.y + m * p.ldy;
    for (int64_t n = 0; n < p.N; ++n) {
      const T start = p.accumulate ? y[n] : p.bias ? p.bias[m] : T(0);
      y[n] = p.residual ? start + p.residual[m * p.ldy + n] : start;
    }
    for (int64_t r = 0; r < p.R; ++r) {
      const T w = p.w[r * p.M + m], *x = p.x + p.offset[r];
      for (int64_t n = 0; n < p.N; ++n) y[n] += w * x[n];
    }
  }
}

}  // namespace

void tap_product(const TapProduct<double>& p) { plain(p); }

void tap_product(const TapProduct<float>& p) {
#if defined(__x86_64__)
  if (cpu_isa() >= Isa::avx512) return tap_product_avx512(p);
  if (cpu_isa() >= Isa::avx2) return tap_product_avx2(p);
#endif
  plain(p);
}

template <>
int64_t tap_panel<double>() {
  return 12;
}

template <>
int64_t tap_panel<float>() {
  return cpu_isa() >= Isa::avx512 ? 12 : 6;
}

}  // namespace a2s
