#include <algorithm>

#include "ops/squared_error/squared_error.h"

namespace a2s {
namespace {

int64_t length_of(const Call& c, int64_t b) { return c.in[2] ? c.in[2].as<int32_t>()[b] : c.in[0].dim(1); }

double valid_samples(const Call& c) {
  int64_t sum = 0;
  for (int64_t b = 0; b < c.in[0].dim(0); ++b) sum += length_of(c, b);
  return static_cast<double>(std::max<int64_t>(sum, 1));
}

template <class T>
void forward(Call& c) {
  const int64_t B = c.in[0].dim(0), S = c.in[0].dim(1);
  const T *x = c.in[0].as<T>(), *y = c.in[1].as<T>();
  double* sums = c.scratch<double>(B);
  c.ctx.pool.run(B, [&](int64_t b) {
    double sum = 0;
    for (int64_t s = 0; s < length_of(c, b); ++s) {
      const double d = static_cast<double>(x[b * S + s]) - static_cast<double>(y[b * S + s]);
      sum += d * d;
    }
    sums[b] = sum;
  });
  double total = 0;
  for (int64_t b = 0; b < B; ++b) total += sums[b];
  c.out[0].as<T>()[0] = static_cast<T>(total / valid_samples(c));
}

template <class T>
void backward(Call& c) {
  const int64_t B = c.in[0].dim(0), S = c.in[0].dim(1);
  const T *x = c.in[0].as<T>(), *y = c.in[1].as<T>();
  const T scale = static_cast<T>(2 * static_cast<double>(c.dout[0].as<T>()[0]) / valid_samples(c));
  T* da = c.din[0] ? c.din[0].as<T>() : nullptr;
  T* db = c.din[1] ? c.din[1].as<T>() : nullptr;
  c.ctx.pool.run(B, [&](int64_t b) {
    const int64_t n = length_of(c, b);
    for (int64_t i = b * S; i < (b + 1) * S; ++i) {
      const T g = i - b * S < n ? scale * (x[i] - y[i]) : T(0);
      if (da) da[i] = g;
      if (db) db[i] = -g;
    }
  });
}

}  // namespace

void squared_error_forward(Call& c) { A2S_BY_DTYPE(c, forward); }
void squared_error_backward(Call& c) { A2S_BY_DTYPE(c, backward); }

}  // namespace a2s
