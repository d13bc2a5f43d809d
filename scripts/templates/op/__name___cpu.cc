#include "ops/__name__/__name__.h"

namespace a2s {
namespace {

constexpr int64_t kRows = 32;  // rows a task, whatever the number of threads: sums keep their order

template <class T>
void forward(Call& c) {
  const T *x = c.in[0].as<T>(), *w = c.in[1].as<T>();
  T* y = c.out[0].as<T>();
  const int64_t C = c.in[1].size();
  if (C == 0) return;
  c.ctx.pool.ranges(c.in[0].size() / C, kRows, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row)
      for (int64_t i = 0; i < C; ++i) y[row * C + i] = x[row * C + i] * w[i];
  });
}

template <class T>
void backward(Call& c) {
  const T *w = c.in[1].as<T>(), *dy = c.dout[0].as<T>();
  T* dx = c.din[0] ? c.din[0].as<T>() : nullptr;
  const int64_t C = c.in[1].size();
  if (C == 0) return;
  c.ctx.pool.ranges(c.in[0].size() / C, kRows, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end && dx; ++row)
      for (int64_t i = 0; i < C; ++i) dx[row * C + i] = dy[row * C + i] * w[i];
  });
  // The gradient of w is yours to write, dw[c] += sum over rows of dy[.,c] * x[.,c]: until then "finite differences" fails.
}

}  // namespace

void __name___forward(Call& c) { A2S_BY_DTYPE(c, forward); }
void __name___backward(Call& c) { A2S_BY_DTYPE(c, backward); }

}  // namespace a2s
