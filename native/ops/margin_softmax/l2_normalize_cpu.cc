#include <algorithm>
#include <cmath>

#include "ops/margin_softmax/margin_softmax.h"

namespace a2s {
namespace {

constexpr int64_t kRows = 32;  // rows a task

template <class T>
double dot(const T* a, const T* b, int64_t n) {
  double sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(a[i]) * b[i];
  return sum;
}

template <class T>
void forward(Call& c) {
  const int64_t C = c.in[0].dim(-1), rows = c.saved[0].size();
  const T* x = c.in[0].as<T>();
  T *y = c.out[0].as<T>(), *inverse = c.saved[0].as<T>();
  c.ctx.pool.ranges(rows, kRows, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      inverse[r] = static_cast<T>(1 / std::max(std::sqrt(dot(x + r * C, x + r * C, C)), c.num("eps")));
      for (int64_t i = r * C; i < (r + 1) * C; ++i) y[i] = inverse[r] * x[i];
    }
  });
}

template <class T>
void backward(Call& c) {
  if (!c.din[0]) return;
  const int64_t C = c.in[0].dim(-1), rows = c.saved[0].size();
  const T *y = c.out[0].as<T>(), *inverse = c.saved[0].as<T>(), *dy = c.dout[0].as<T>();
  T* dx = c.din[0].as<T>();
  const double longest = 1 / c.num("eps");
  c.ctx.pool.ranges(rows, kRows, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      // Rows shorter than eps are scaled by a constant, the others keep to the sphere.
      const T along = inverse[r] < static_cast<T>(longest) ? static_cast<T>(dot(dy + r * C, y + r * C, C)) : T(0);
      for (int64_t i = r * C; i < (r + 1) * C; ++i) dx[i] = inverse[r] * (dy[i] - along * y[i]);
    }
  });
}

}  // namespace

void l2_normalize_forward(Call& c) { A2S_BY_DTYPE(c, forward); }
void l2_normalize_backward(Call& c) { A2S_BY_DTYPE(c, backward); }

}  // namespace a2s
