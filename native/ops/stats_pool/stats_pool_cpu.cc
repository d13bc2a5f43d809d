#include <algorithm>
#include <cmath>

#include "core/simd.h"
#include "ops/stats_pool/stats_pool.h"

namespace a2s {
namespace {

template <class T>
A2S_INLINE void pool_item(const T* x, T* mean, T* deviation, int64_t n, int64_t C, T eps) {
  const T share = T(1) / static_cast<T>(n);
  std::fill_n(mean, 2 * C, T(0));
  for (int64_t t = 0; t < n; ++t)
    for (int64_t i = 0; i < C; ++i) mean[i] += x[t * C + i];
  for (int64_t i = 0; i < C; ++i) mean[i] *= share;
  for (int64_t t = 0; t < n; ++t)
    for (int64_t i = 0; i < C; ++i) deviation[i] += (x[t * C + i] - mean[i]) * (x[t * C + i] - mean[i]);
  for (int64_t i = 0; i < C; ++i) deviation[i] = std::sqrt(deviation[i] * share + eps);
}
A2S_CLONES void run_item(const float* x, float* m, float* s, int64_t n, int64_t C, float eps) { pool_item(x, m, s, n, C, eps); }
void run_item(const double* x, double* m, double* s, int64_t n, int64_t C, double eps) { pool_item(x, m, s, n, C, eps); }

template <class T>
void forward(Call& c) {
  const int64_t B = c.in[0].dim(0), N = c.in[0].dim(1), C = c.in[0].dim(2);
  const T* x = c.in[0].as<T>();
  T* y = c.out[0].as<T>();
  c.ctx.pool.run(B, [&](int64_t b) {
    run_item(x + b * N * C, y + b * 2 * C, y + b * 2 * C + C, c.in[1].as<int32_t>()[b], C, static_cast<T>(c.num("eps")));
  });
}

template <class T>
void backward(Call& c) {
  if (!c.din[0]) return;
  const int64_t B = c.in[0].dim(0), N = c.in[0].dim(1), C = c.in[0].dim(2);
  c.ctx.pool.run(B, [&](int64_t b) {
    const T *x = c.in[0].as<T>() + b * N * C, *mean = c.out[0].as<T>() + b * 2 * C, *deviation = mean + C;
    const T *dmean = c.dout[0].as<T>() + b * 2 * C, *ddeviation = dmean + C;
    T* dx = c.din[0].as<T>() + b * N * C;
    const int64_t n = c.in[1].as<int32_t>()[b];
    const T share = T(1) / static_cast<T>(n);
    // Where a channel is constant and eps 0, the deviation has no slope to follow: 0.
    for (int64_t t = 0; t < n; ++t)
      for (int64_t i = 0; i < C; ++i) {
        const T slope = deviation[i] > 0 ? ddeviation[i] / deviation[i] : T(0);
        dx[t * C + i] = share * (dmean[i] + slope * (x[t * C + i] - mean[i]));
      }
    std::fill_n(dx + n * C, (N - n) * C, T(0));
  });
}

}  // namespace

void stats_pool_forward(Call& c) { A2S_BY_DTYPE(c, forward); }
void stats_pool_backward(Call& c) { A2S_BY_DTYPE(c, backward); }

}  // namespace a2s
