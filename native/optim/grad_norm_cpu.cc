#include <algorithm>
#include <cmath>
#include <limits>

#include "core/simd.h"
#include "optim/grad_norm.h"

namespace a2s {
namespace {

constexpr int64_t kChunk = 1 << 15;  // elements a task and a partial sum

template <class T>
A2S_INLINE SquareSum sum_chunk(const T* x, int64_t n) {
  double sum = 0;
  int32_t finite = 0;
#pragma omp simd reduction(+ : sum, finite)
  for (int64_t i = 0; i < n; ++i) {
    const double v = x[i];
    sum += v * v;
    finite += std::fabs(x[i]) <= std::numeric_limits<T>::max();
  }
  return {sum, n - finite};
}
A2S_CLONES SquareSum chunk(const float* x, int64_t n) { return sum_chunk(x, n); }
SquareSum chunk(const double* x, int64_t n) { return sum_chunk(x, n); }

template <class T>
SquareSum sum_all(Context ctx, const T* x, int64_t n) {
  ScratchScope scope(ctx.scratch);
  const int64_t chunks = (n + kChunk - 1) / kChunk;
  SquareSum* partial = ctx.scratch.alloc<SquareSum>(chunks);
  ctx.pool.ranges(n, kChunk, [&](int64_t b, int64_t e) { partial[b / kChunk] = chunk(x + b, e - b); });
  SquareSum total;
  for (int64_t i = 0; i < chunks; ++i) total.sum += partial[i].sum, total.nonfinite += partial[i].nonfinite;
  return total;
}

template <class T>
void forward(Call& c) {
  const SquareSum s = square_sum(c.ctx, c.in[0]);
  c.out[0].as<T>()[0] = static_cast<T>(std::sqrt(s.sum));
  c.out[1].as<int32_t>()[0] = static_cast<int32_t>(std::min<int64_t>(s.nonfinite, INT32_MAX));
}

}  // namespace

SquareSum square_sum(Context ctx, const Tensor& x) {
  return x.dtype == DType::f32 ? sum_all(ctx, x.as<float>(), x.size()) : sum_all(ctx, x.as<double>(), x.size());
}

void grad_norm_forward(Call& c) { A2S_BY_DTYPE(c, forward); }

}  // namespace a2s
