#include "ops/conv/minimal_filter_lanes.h"

#include <algorithm>

#include "core/cpu.h"

namespace a2s {

void filter_inputs_avx2(const FilterInputs<float>& p);
void filter_inputs_avx512(const FilterInputs<float>& p);
void filter_outputs_avx2(const FilterOutputs<float>& p);
void filter_outputs_avx512(const FilterOutputs<float>& p);

Pairs::Pairs(int64_t d) : d(d) {
  if (d > kMostVectored || cpu_isa() < Isa::avx2) return;
  const int64_t lanes = cpu_isa() >= Isa::avx512 ? 16 : 8;
  vectored = true;
  for (int64_t r = 0; r < 2 * d; ++r)
    for (int64_t i = 0; i < lanes; ++i) {
      const int64_t far = position(r + i) - r, t = r + i, n = t / (2 * d) * d + t % d;
      if (r < d) positions[r][i] = static_cast<int32_t>(far), vectored = vectored && far < 2 * lanes;
      columns[r][i] = static_cast<int32_t>(t % (2 * d) < d ? n - std::min(r, d) : lanes + n - std::max<int64_t>(0, r - d));
    }
}

namespace {

template <class T>
void plain(const FilterInputs<T>& p) {
  const int64_t d = p.pairs.d, whole = p.taps / 3;
  for (int64_t n = 0; n < p.columns; ++n) {
    const T* x = p.x + p.pairs.position(n);
    const int64_t at = n / p.tile * p.step + n % p.tile;
    auto put = [&](int sum, int64_t row, T value) { p.to[sum][at + row * p.tile] = value; };
    for (int64_t g = 0; g < whole; ++g, x += 3 * d) {
      put(0, g, x[0] - x[2 * d]), put(1, g, x[d] + x[2 * d]);
      put(2, g, x[2 * d] - x[d]), put(3, g, x[d] - x[3 * d]);
    }
    if (p.taps % 3 == 1) put(0, whole, x[0]), put(3, whole, x[d]);
    if (p.taps % 3 == 2) put(0, whole, x[d] - x[0]), put(1, whole, x[d]), put(3, whole, x[2 * d] - x[d]);
  }
}

template <class T>
void plain(const FilterOutputs<T>& p) {
  const int64_t d = p.pairs.d;
  const auto& [a, b, c, e] = p.sums;
  for (int64_t t = p.begin; t < p.end; ++t) {
    const int64_t n = t / (2 * d) * d + t % d;
    const T y = t % (2 * d) < d ? a[n] + (b[n] + c[n]) : e[n] + (b[n] - c[n]);
    p.y[t] = p.residual ? y + p.residual[t] : y;
  }
}

}  // namespace

void filter_inputs(const FilterInputs<double>& p) { plain(p); }
void filter_outputs(const FilterOutputs<double>& p) { plain(p); }

void filter_inputs(const FilterInputs<float>& p) {
#if defined(__x86_64__)
  if (p.pairs.vectored) return cpu_isa() >= Isa::avx512 ? filter_inputs_avx512(p) : filter_inputs_avx2(p);
#endif
  plain(p);
}

void filter_outputs(const FilterOutputs<float>& p) {
#if defined(__x86_64__)
  if (p.pairs.vectored) return cpu_isa() >= Isa::avx512 ? filter_outputs_avx512(p) : filter_outputs_avx2(p);
#endif
  plain(p);
}

}  // namespace a2s
