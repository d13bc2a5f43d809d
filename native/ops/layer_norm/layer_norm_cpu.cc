#include <algorithm>
#include <cmath>

#include "core/simd.h"
#include "ops/layer_norm/layer_norm.h"

namespace a2s {
namespace {

constexpr int64_t kRows = 32;  // rows a task; also the granularity of the weight gradient's partial sums

// A row waits for its sums, so that each step is taken by all rows before the next.

template <class T>
A2S_INLINE void normalise(const T* x, const T* w, T* y, T* mean, T* rstd, int64_t n, int64_t C, double eps) {
  for (int64_t r = 0; r < n; ++r) {
    T sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < C; ++i) sum += x[r * C + i];
    mean[r] = sum / static_cast<T>(C);
  }
  for (int64_t r = 0; r < n; ++r) {
    const T m = mean[r];
    T sq = 0;
#pragma omp simd reduction(+ : sq)
    for (int64_t i = 0; i < C; ++i) sq += (x[r * C + i] - m) * (x[r * C + i] - m);
    rstd[r] = T(1) / std::sqrt(sq / static_cast<T>(C) + static_cast<T>(eps));
  }
  for (int64_t r = 0; r < n; ++r) {
    const T m = mean[r], d = rstd[r];
    for (int64_t i = 0; i < C; ++i) y[r * C + i] = (x[r * C + i] - m) * d * w[i];
  }
}

/** dx, or what it gains where `add` is set, and what dw gains, of up to kRows rows; either may be null. */
template <class T>
A2S_INLINE void gradients(const T* x, const T* w, const T* dy, const T* mean, const T* rstd, T* dx, bool add, T* dw, int64_t n, int64_t C) {
  T a[kRows], b[kRows];  // means of dy*w and of dy*w*xhat
  for (int64_t r = 0; dx && r < n; ++r) {
    const T m = mean[r];
    T sum = 0, moment = 0;
#pragma omp simd reduction(+ : sum, moment)
    for (int64_t i = 0; i < C; ++i) {
      const T g = dy[r * C + i] * w[i];
      sum += g, moment += g * (x[r * C + i] - m);
    }
    a[r] = sum / static_cast<T>(C), b[r] = moment * rstd[r] / static_cast<T>(C);
  }
  for (int64_t r = 0; r < n; ++r) {
    const T m = mean[r], d = rstd[r];
    for (int64_t i = 0; dw && i < C; ++i) dw[i] += dy[r * C + i] * (x[r * C + i] - m) * d;
    auto own = [&](int64_t i) { return d * (dy[r * C + i] * w[i] - a[r] - (x[r * C + i] - m) * d * b[r]); };
    if (dx && add)
      for (int64_t i = 0; i < C; ++i) dx[r * C + i] += own(i);
    else if (dx)
      for (int64_t i = 0; i < C; ++i) dx[r * C + i] = own(i);
  }
}

// The same loops twice: the clones are the fast path of f32, the template is the reference in f64.
A2S_CLONES void rows_forward(const float* x, const float* w, float* y, float* m, float* r, int64_t n, int64_t C, double eps) {
  normalise(x, w, y, m, r, n, C, eps);
}
void rows_forward(const double* x, const double* w, double* y, double* m, double* r, int64_t n, int64_t C, double eps) {
  normalise(x, w, y, m, r, n, C, eps);
}
A2S_CLONES void rows_backward(const float* x, const float* w, const float* dy, const float* m, const float* r, float* dx,
                              bool add, float* dw, int64_t n, int64_t C) {
  gradients(x, w, dy, m, r, dx, add, dw, n, C);
}
void rows_backward(const double* x, const double* w, const double* dy, const double* m, const double* r, double* dx,
                   bool add, double* dw, int64_t n, int64_t C) {
  gradients(x, w, dy, m, r, dx, add, dw, n, C);
}

template <class T>
void forward(Call& c) {
  const T *x = c.in[0].as<T>(), *w = c.in[1].as<T>();
  T *y = c.out[0].as<T>(), *mean = c.saved[0].as<T>(), *rstd = c.saved[1].as<T>();
  const int64_t C = c.in[0].dim(-1), rows = c.saved[0].size();
  c.ctx.pool.ranges(rows, kRows, [&](int64_t b, int64_t e) {
    rows_forward(x + b * C, w, y + b * C, mean + b, rstd + b, e - b, C, c.num("eps"));
  });
}

template <class T>
void backward(Call& c) {
  const T *x = c.in[0].as<T>(), *w = c.in[1].as<T>(), *dy = c.dout[0].as<T>();
  const T *mean = c.saved[0].as<T>(), *rstd = c.saved[1].as<T>();
  T* dx = c.din[0] ? c.din[0].as<T>() : nullptr;
  T* dw = c.din[1] ? c.din[1].as<T>() : nullptr;
  const int64_t C = c.in[0].dim(-1), rows = c.saved[0].size(), tasks = (rows + kRows - 1) / kRows;
  T* partial = dw ? c.scratch<T>(tasks * C) : nullptr;
  c.ctx.pool.ranges(rows, kRows, [&](int64_t b, int64_t e) {
    T* p = partial ? partial + b / kRows * C : nullptr;
    if (p) std::fill_n(p, C, T(0));
    rows_backward(x + b * C, w, dy + b * C, mean + b, rstd + b, dx ? dx + b * C : nullptr, c.adds, p, e - b, C);
  });
  if (dw)
    for (int64_t t = 0; t < tasks; ++t)
      for (int64_t i = 0; i < C; ++i) dw[i] += partial[t * C + i];
}

}  // namespace

void layer_norm_forward(Call& c) { A2S_BY_DTYPE(c, forward); }
void layer_norm_backward(Call& c) { A2S_BY_DTYPE(c, backward); }

}  // namespace a2s
