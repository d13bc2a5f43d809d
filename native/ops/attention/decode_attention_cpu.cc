#include <algorithm>
#include <cmath>

#include "core/math.h"
#include "core/simd.h"
#include "ops/attention/attention.h"
#include "ops/sequence/lengths.h"

namespace a2s {
namespace {

/** Elements of keys and values from which on threads share them, and of a piece: small, as who is done waits for the other's last one. */
constexpr int64_t kShared = 1 << 18, kPiece = 1 << 14;

enum Input { q, k, v, used, prefix_k, prefix_v, prefix_used, prefix_of };

/** Keys and values of one head in consecutive steps. */
template <class T>
struct Steps {
  const T *k = nullptr, *v = nullptr;
  int64_t count = 0;
};

/** One head of one sample over the steps of its prefix, then its own. `p` holds as many elements; `next` are the keys of the sample that will
 *  follow. A width known at compile time keeps the query and the sum of values in registers; kWidth 0 is any width. */
template <int kWidth, class T>
A2S_INLINE void head(const T* __restrict q, const Steps<T>& prefix, const Steps<T>& own, const T* next, int64_t width, T* __restrict p,
                     T* __restrict y) {
  const int64_t D = kWidth ? kWidth : width, used = prefix.count + own.count;
  const T scale = T(1) / std::sqrt(static_cast<T>(D));
  T top = -HUGE_VAL, sum = 0;
  // The cache of a whole batch comes from the third level or from memory: keys are fetched ahead and the values meanwhile, then the next
  // sample's keys while values are read.
  constexpr int64_t kLine = 64 / sizeof(T);
  auto scores = [&](const Steps<T>& of, T* to) {
    for (int64_t j = 0; j < of.count; ++j) {
      for (int64_t d = 0; d < kWidth; d += kLine) {
        __builtin_prefetch(of.k + (j + 8) * D + d);
        __builtin_prefetch(of.v + j * D + d);
      }
      T s = 0;
#pragma omp simd reduction(+ : s)
      for (int64_t d = 0; d < D; ++d) s += q[d] * of.k[j * D + d];
      to[j] = s * scale;
      top = to[j] > top ? to[j] : top;
    }
  };
  scores(prefix, p), scores(own, p + prefix.count);
#pragma omp simd reduction(+ : sum)
  for (int64_t j = 0; j < used; ++j) {
    p[j] = math::exp(p[j] - top);
    sum += p[j];
  }
  T registers[kWidth ? kWidth : 1], *const total = kWidth ? registers : y;
  for (int64_t d = 0; d < D; ++d) total[d] = 0;
  auto add = [&](const T* v, T weight) {
    for (int64_t d = 0; d < D; ++d) total[d] += weight * v[d];
  };
  for (int64_t j = 0; j < prefix.count; ++j) add(prefix.v + j * D, p[j]);
  for (int64_t j = 0; j < own.count; ++j) {
    for (int64_t d = 0; d < kWidth; d += kLine) __builtin_prefetch(next + j * D + d, 0, 2);
    add(own.v + j * D, p[prefix.count + j]);
  }
  for (int64_t d = 0; d < D; ++d) y[d] = total[d] / sum;
}

A2S_CLONES void decode_head(const float* q, const Steps<float>& prefix, const Steps<float>& own, const float* next, int64_t D, float* p, float* y) {
  switch (D) {
    case 16: return head<16>(q, prefix, own, next, D, p, y);
    case 32: return head<32>(q, prefix, own, next, D, p, y);
    case 64: return head<64>(q, prefix, own, next, D, p, y);
    case 128: return head<128>(q, prefix, own, next, D, p, y);
    default: return head<0>(q, prefix, own, next, D, p, y);
  }
}
void decode_head(const double* q, const Steps<double>& prefix, const Steps<double>& own, const double* next, int64_t D, double* p, double* y) {
  head<0>(q, prefix, own, next, D, p, y);
}

template <class T>
void forward(Call& c) {
  const int64_t R = c.in[k].dim(0), H = c.in[k].dim(1), Tmax = c.in[k].dim(2), D = c.in[k].dim(3), Tp = c.in[prefix_k] ? c.in[prefix_k].dim(2) : 0;
  const T *queries = c.in[q].as<T>(), *keys = c.in[k].as<T>(), *values = c.in[v].as<T>();
  const int32_t* own_used = c.in[used].as<int32_t>();
  T *y = c.out[0].as<T>(), *p = c.scratch<T>(R * H * (Tp + Tmax));
  auto prefix = [&](int64_t r, int64_t h) {
    if (!Tp) return Steps<T>{};
    const int64_t s = c.in[prefix_of].as<int32_t>()[r], at = (s * H + h) * Tp * D;
    return Steps<T>{c.in[prefix_k].as<T>() + at, c.in[prefix_v].as<T>() + at, c.in[prefix_used].as<int32_t>()[s]};
  };
  int64_t steps = 0;
  for (int64_t r = 0; r < R; ++r) steps += own_used[r] + prefix(r, 0).count;
  const int64_t elements = 2 * steps * D * H, grain = elements < kShared ? H * R : std::max<int64_t>(1, kPiece * H * R / elements);
  // All samples of a head, then the next head: the prefixes that they share stay in the cache.
  c.ctx.pool.ranges(H * R, grain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t r = i % R, h = i / R, at = r * H + h, step = Tmax * D;
      const Steps<T> before = prefix(r, h), own{keys + at * step, values + at * step, own_used[r]};
      if (before.count + own.count) decode_head(queries + at * D, before, own, own.k + H * step, D, p + at * (Tp + Tmax), y + at * D);
      else std::fill_n(y + at * D, D, T(0));
    }
  });
}

}  // namespace

void decode_attention_check(const Call& c) {
  check_ints(c, used, 0, c.in[k].dim(2));
  const bool given = static_cast<bool>(c.in[prefix_k]);
  for (int i : {prefix_v, prefix_used, prefix_of})
    if (static_cast<bool>(c.in[i]) != given)
      fail_config(std::string(c.op.name) + ": " + c.op.inputs[i].name + ": expected " +
                  (given ? "a tensor with prefix_k, got none" : "none without prefix_k, got one"));
  if (!given) return;
  check_ints(c, prefix_used, 0, c.in[prefix_k].dim(2));
  check_ints(c, prefix_of, 0, c.in[prefix_k].dim(0) - 1);
}
void decode_attention_forward(Call& c) { A2S_BY_DTYPE(c, forward); }

}  // namespace a2s
