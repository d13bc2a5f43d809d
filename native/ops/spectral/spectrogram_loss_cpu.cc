#include <algorithm>
#include <cmath>

#include "core/simd.h"
#include "ops/sequence/lengths.h"
#include "ops/spectral/spectral.h"

namespace a2s {
namespace {

/** The valid part of each row of [B, C, T]: calls f(row, offset, valid frames), tasks of whole rows. */
template <class F>
void each_row(const Call& c, F&& f) {
  const int64_t C = c.in[0].dim(1), T = c.in[0].dim(2), rows = c.in[0].dim(0) * C;
  c.ctx.pool.ranges(rows, (int64_t{1} << 16) / std::max<int64_t>(T, 1), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) f(r, r * T, length_of(c.in[2], r / C, T));
  });
}

template <class T>
A2S_INLINE T difference(const T* a, const T* b, int64_t n) {
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += std::fabs(a[i] - b[i]);
  return sum;
}
template <class T>
A2S_INLINE void squares(const T* a, const T* b, int64_t n, double* out) {
  T difference = 0, target = 0;
#pragma omp simd reduction(+ : difference, target)
  for (int64_t i = 0; i < n; ++i) difference += (a[i] - b[i]) * (a[i] - b[i]), target += b[i] * b[i];
  out[0] = difference, out[1] = target;
}

A2S_CLONES double l1_row(const float* a, const float* b, int64_t n) { return difference(a, b, n); }
A2S_CLONES double l1_row(const double* a, const double* b, int64_t n) { return difference(a, b, n); }
A2S_CLONES void square_row(const float* a, const float* b, int64_t n, double* out) { squares(a, b, n, out); }
A2S_CLONES void square_row(const double* a, const double* b, int64_t n, double* out) { squares(a, b, n, out); }

template <class T>
void l1_forward(Call& c) {
  const T *a = c.in[0].as<T>(), *b = c.in[1].as<T>();
  const int64_t B = c.in[0].dim(0), C = c.in[0].dim(1), frames = c.in[0].dim(2);
  double* sums = c.scratch<double>(B * C);
  each_row(c, [&](int64_t r, int64_t at, int64_t n) { sums[r] = l1_row(a + at, b + at, n); });
  double loss = 0;
  for (int64_t item = 0; item < B; ++item) {
    double sum = 0;
    for (int64_t i = 0; i < C; ++i) sum += sums[item * C + i];
    const int64_t n = length_of(c.in[2], item, frames);
    loss += sum / static_cast<double>(C * std::max<int64_t>(n, 1));
  }
  c.out[0].as<T>()[0] = static_cast<T>(loss / static_cast<double>(B));
}

template <class T>
void l1_backward(Call& c) {
  const T *a = c.in[0].as<T>(), *b = c.in[1].as<T>();
  T *da = c.din[0] ? c.din[0].as<T>() : nullptr, *db = c.din[1] ? c.din[1].as<T>() : nullptr;
  const int64_t B = c.in[0].dim(0), C = c.in[0].dim(1), frames = c.in[0].dim(2);
  each_row(c, [&](int64_t, int64_t at, int64_t n) {
    const T g = c.dout[0].as<T>()[0] / static_cast<T>(B * C * std::max<int64_t>(n, 1));
    for (int64_t i = at; i < at + frames; ++i) {
      const T d = i < at + n ? g * static_cast<T>((a[i] > b[i]) - (a[i] < b[i])) : T(0);
      if (da) da[i] = d;
      if (db) db[i] = -d;
    }
  });
}

template <class T>
void convergence_forward(Call& c) {
  const T *a = c.in[0].as<T>(), *b = c.in[1].as<T>();
  const int64_t rows = c.in[0].dim(0) * c.in[0].dim(1);
  double* sums = c.scratch<double>(2 * rows);
  each_row(c, [&](int64_t r, int64_t at, int64_t n) { square_row(a + at, b + at, n, sums + 2 * r); });
  double difference = 0, target = 0;
  for (int64_t r = 0; r < rows; ++r) difference += sums[2 * r], target += sums[2 * r + 1];
  T* norms = c.saved[0].as<T>();
  norms[0] = static_cast<T>(std::sqrt(difference)), norms[1] = static_cast<T>(std::sqrt(target));
  c.out[0].as<T>()[0] = norms[0] / std::max(norms[1], static_cast<T>(c.num("floor")));
}

template <class T>
void convergence_backward(Call& c) {
  const T *a = c.in[0].as<T>(), *b = c.in[1].as<T>();
  T *da = c.din[0] ? c.din[0].as<T>() : nullptr, *db = c.din[1] ? c.din[1].as<T>() : nullptr;
  const T difference = c.saved[0].as<T>()[0], target = c.saved[0].as<T>()[1], floor = static_cast<T>(c.num("floor"));
  const T g = c.dout[0].as<T>()[0] / std::max(target, floor);
  const T by_difference = difference > 0 ? g / difference : T(0);
  const T by_target = target > floor ? g * difference / (target * target) : T(0);
  const int64_t frames = c.in[0].dim(2);
  each_row(c, [&](int64_t, int64_t at, int64_t n) {
    for (int64_t i = at; i < at + frames; ++i) {
      const T d = i < at + n ? by_difference * (a[i] - b[i]) : T(0);
      if (da) da[i] = d;
      if (db) db[i] = i < at + n ? -d - by_target * b[i] : T(0);
    }
  });
}

}  // namespace

void masked_l1_forward(Call& c) { A2S_BY_DTYPE(c, l1_forward); }
void masked_l1_backward(Call& c) { A2S_BY_DTYPE(c, l1_backward); }
void spectral_convergence_forward(Call& c) { A2S_BY_DTYPE(c, convergence_forward); }
void spectral_convergence_backward(Call& c) { A2S_BY_DTYPE(c, convergence_backward); }

}  // namespace a2s
