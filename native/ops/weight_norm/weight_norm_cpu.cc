#include <cmath>

#include "core/simd.h"
#include "ops/weight_norm/weight_norm.h"

namespace a2s {
namespace {

int64_t rows_a_task(int64_t row) { return 1 + 16384 / (row + 1); }

template <class T>
double dot(const T* a, const T* b, int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

template <class T>
void forward(Call& c) {
  const T *v = c.in[0].as<T>(), *g = c.in[1].as<T>();
  T *w = c.out[0].as<T>(), *inverse = c.saved[0].as<T>();
  const int64_t A = c.in[0].dims[0], R = c.in[0].dims[1];
  c.ctx.pool.ranges(A, rows_a_task(R), [&](int64_t begin, int64_t end) {
    for (int64_t a = begin; a < end; ++a) {
      inverse[a] = static_cast<T>(1 / std::sqrt(dot(v + a * R, v + a * R, R)));
      const T factor = g[a] * inverse[a];
      for (int64_t i = a * R; i < (a + 1) * R; ++i) w[i] = factor * v[i];
    }
  });
}

template <class T>
void backward(Call& c) {
  const T *v = c.in[0].as<T>(), *g = c.in[1].as<T>(), *inverse = c.saved[0].as<T>(), *dw = c.dout[0].as<T>();
  T *dv = c.din[0] ? c.din[0].as<T>() : nullptr, *dg = c.din[1] ? c.din[1].as<T>() : nullptr;
  const int64_t A = c.in[0].dims[0], R = c.in[0].dims[1];
  c.ctx.pool.ranges(A, rows_a_task(R), [&](int64_t begin, int64_t end) {
    for (int64_t a = begin; a < end; ++a) {
      const T along = static_cast<T>(dot(dw + a * R, v + a * R, R)) * inverse[a];  // the part of dw along v is the length's
      if (dg) dg[a] += along;
      const T factor = g[a] * inverse[a], shift = along * inverse[a];
      for (int64_t i = a * R; dv && i < (a + 1) * R; ++i) dv[i] += factor * (dw[i] - shift * v[i]);
    }
  });
}

}  // namespace

void weight_norm_forward(Call& c) { A2S_BY_DTYPE(c, forward); }
void weight_norm_backward(Call& c) { A2S_BY_DTYPE(c, backward); }

}  // namespace a2s
