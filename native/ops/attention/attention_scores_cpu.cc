#include <cmath>

#include "ops/attention/attention.h"
#include "ops/gemm/gemm.h"

namespace a2s {
namespace {

// The mean over heads of q.k is one product over all E columns.
double factor_of(const Call& c) {
  const double H = c.num("heads"), D = static_cast<double>(c.in[0].dim(2)) / H;
  return 1 / (H * std::sqrt(D));
}

template <class T>
void multiply(Context ctx, T* x, int64_t n, T factor) {
  ctx.pool.ranges(n, 1 << 15, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) x[i] *= factor;
  });
}

template <class T>
void forward(Call& c) {
  const int64_t B = c.in[0].dim(0), Tq = c.in[0].dim(1), E = c.in[0].dim(2), Tk = c.in[1].dim(1), group = c.integer("group");
  const T *q = c.in[0].as<T>(), *kv = c.in[1].as<T>();
  T* scores = c.out[0].as<T>();
  for (int64_t b = 0; b < B; ++b)
    gemm(c.ctx, Tq, Tk, E, {q + b * Tq * E, E}, {kv + b / group * Tk * 2 * E, 2 * E, true}, scores + b * Tq * Tk, Tk);
  multiply(c.ctx, scores, c.out[0].size(), static_cast<T>(factor_of(c)));
}

template <class T>
void backward(Call& c) {
  const int64_t B = c.in[0].dim(0), Tq = c.in[0].dim(1), E = c.in[0].dim(2), Tk = c.in[1].dim(1), group = c.integer("group");
  const T *q = c.in[0].as<T>(), *kv = c.in[1].as<T>(), *d = c.dout[0].as<T>();
  if (c.din[0]) {
    T* dq = c.din[0].as<T>();
    for (int64_t b = 0; b < B; ++b)
      gemm(c.ctx, Tq, E, Tk, {d + b * Tq * Tk, Tk}, {kv + b / group * Tk * 2 * E, 2 * E}, dq + b * Tq * E, E);
    multiply(c.ctx, dq, c.din[0].size(), static_cast<T>(factor_of(c)));
  }
  if (c.din[1]) {
    T* dkv = c.din[1].as<T>();
    fill_zero(c.din[1]);
    for (int64_t b = 0; b < B; ++b)
      gemm(c.ctx, Tk, E, Tq, {d + b * Tq * Tk, Tk, true}, {q + b * Tq * E, E}, dkv + b / group * Tk * 2 * E, 2 * E, {.accumulate = true});
    multiply(c.ctx, dkv, c.din[1].size(), static_cast<T>(factor_of(c)));
  }
}

}  // namespace

void attention_scores_forward(Call& c) { A2S_BY_DTYPE(c, forward); }
void attention_scores_backward(Call& c) { A2S_BY_DTYPE(c, backward); }

}  // namespace a2s
