#include <algorithm>
#include <cmath>

#include "core/math.h"
#include "core/simd.h"
#include "ops/attention/attention.h"
#include "ops/sequence/lengths.h"

namespace a2s {
namespace {

/** One head of one sample. `p` holds `used` elements; `next` are the keys of the head that will follow. A width known at compile time keeps
 *  the query and the sum of values in registers; kWidth 0 is any width. */
template <int kWidth, class T>
A2S_INLINE void head(const T* __restrict q, const T* __restrict k, const T* __restrict v, const T* next, int64_t used, int64_t width,
                     T* __restrict p, T* __restrict y) {
  const int64_t D = kWidth ? kWidth : width;
  // The cache of a whole batch comes from the third level or from memory: values are fetched while keys are read, and the next keys while
  // values are.
  auto fetch = [](const T* row) {
    for (int64_t d = 0; d < kWidth; d += 64 / sizeof(T)) __builtin_prefetch(row + d, 0, 2);
  };
  const T scale = T(1) / std::sqrt(static_cast<T>(D));
  T top = -HUGE_VAL, sum = 0;
  for (int64_t j = 0; j < used; ++j) {
    for (int64_t d = 0; kWidth && d < D; d += 64 / sizeof(T)) {
      __builtin_prefetch(k + (j + 8) * D + d);
      __builtin_prefetch(v + j * D + d);
    }
    T s = 0;
#pragma omp simd reduction(+ : s)
    for (int64_t d = 0; d < D; ++d) s += q[d] * k[j * D + d];
    p[j] = s * scale;
    top = p[j] > top ? p[j] : top;
  }
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < used; ++j) {
    p[j] = math::exp(p[j] - top);
    sum += p[j];
  }
  T own[kWidth ? kWidth : 1], *const total = kWidth ? own : y;
  for (int64_t d = 0; d < D; ++d) total[d] = 0;
  for (int64_t j = 0; j < used; ++j, v += D) {
    fetch(next + j * D);
    for (int64_t d = 0; d < D; ++d) total[d] += p[j] * v[d];
  }
  for (int64_t d = 0; d < D; ++d) y[d] = total[d] / sum;
}

A2S_CLONES void decode_head(const float* q, const float* k, const float* v, const float* next, int64_t used, int64_t D, float* p, float* y) {
  switch (D) {
    case 16: return head<16>(q, k, v, next, used, D, p, y);
    case 32: return head<32>(q, k, v, next, used, D, p, y);
    case 64: return head<64>(q, k, v, next, used, D, p, y);
    case 128: return head<128>(q, k, v, next, used, D, p, y);
    default: return head<0>(q, k, v, next, used, D, p, y);
  }
}
void decode_head(const double* q, const double* k, const double* v, const double* next, int64_t used, int64_t D, double* p, double* y) {
  head<0>(q, k, v, next, used, D, p, y);
}

template <class T>
void forward(Call& c) {
  const int64_t R = c.in[1].dim(0), H = c.in[1].dim(1), Tmax = c.in[1].dim(2), D = c.in[1].dim(3);
  const T *q = c.in[0].as<T>(), *k = c.in[1].as<T>(), *v = c.in[2].as<T>();
  const int32_t* used = c.in[3].as<int32_t>();
  T *y = c.out[0].as<T>(), *p = c.scratch<T>(R * H * Tmax);
  int64_t rows = 0;
  for (int64_t r = 0; r < R; ++r) rows += used[r];
  const int64_t grain = std::max<int64_t>(1, (1 << 16) * R / std::max<int64_t>(1, rows * D));  // 128 Ki elements of k and v a piece
  c.ctx.pool.ranges(R * H, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T* keys = k + i * Tmax * D;
      if (const int64_t n = used[i / H]) decode_head(q + i * D, keys, v + i * Tmax * D, keys + Tmax * D, n, D, p + i * Tmax, y + i * D);
      else std::fill_n(y + i * D, D, T(0));
    }
  });
}

}  // namespace

void decode_attention_check(const Call& c) { check_ints(c, 3, 0, c.in[1].dim(2)); }
void decode_attention_forward(Call& c) { A2S_BY_DTYPE(c, forward); }

}  // namespace a2s
