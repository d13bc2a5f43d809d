// add, scale, gelu, tanh, clamp.
#include "core/add.h"
#include "core/math.h"
#include "core/simd.h"
#include "ops/elementwise/elementwise.h"

namespace a2s {
namespace {

constexpr int64_t kGrain = 1 << 15;

template <class T>
A2S_INLINE void gelu_loop(const T* x, T* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = math::gelu(x[i]);
}
template <class T>
A2S_INLINE void gelu_grad_loop(const T* x, const T* dy, T* dx, int64_t n) {
  for (int64_t i = 0; i < n; ++i) dx[i] = math::gelu_grad(x[i]) * dy[i];
}
template <class T>
A2S_INLINE void tanh_loop(const T* x, T* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = math::tanh(x[i]);
}
template <class T>
A2S_INLINE void tanh_grad_loop(const T* x, const T* dy, T* dx, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const T y = math::tanh(x[i]);
    dx[i] = (1 - y * y) * dy[i];
  }
}

A2S_CLONES void gelu_range(const float* x, float* y, int64_t n) { gelu_loop(x, y, n); }
void gelu_range(const double* x, double* y, int64_t n) { gelu_loop(x, y, n); }
A2S_CLONES void gelu_grad_range(const float* x, const float* dy, float* dx, int64_t n) { gelu_grad_loop(x, dy, dx, n); }
void gelu_grad_range(const double* x, const double* dy, double* dx, int64_t n) { gelu_grad_loop(x, dy, dx, n); }
A2S_CLONES void tanh_range(const float* x, float* y, int64_t n) { tanh_loop(x, y, n); }
void tanh_range(const double* x, double* y, int64_t n) { tanh_loop(x, y, n); }
A2S_CLONES void tanh_grad_range(const float* x, const float* dy, float* dx, int64_t n) { tanh_grad_loop(x, dy, dx, n); }
void tanh_grad_range(const double* x, const double* dy, double* dx, int64_t n) { tanh_grad_loop(x, dy, dx, n); }

/** to[i] = f(from[i]), from and to of one size. */
template <class T, class F>
void map(Call& c, const Tensor& from, const Tensor& to, F f) {
  const T* x = from.as<T>();
  T* y = to.as<T>();
  c.ctx.pool.ranges(from.size(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) y[i] = f(x[i]);
  });
}

template <class T>
void add_both(Call& c) {
  const T *a = c.in[0].as<T>(), *b = c.in[1].as<T>();
  T* y = c.out[0].as<T>();
  c.ctx.pool.ranges(c.out[0].size(), kGrain, [&](int64_t begin, int64_t end) {
    add_range(a + begin, b + begin, y + begin, end - begin);
  });
}

template <class T>
void copy_to_both(Call& c) {
  for (const Tensor& d : {c.din[0], c.din[1]})
    if (d) map<T>(c, c.dout[0], d, [](T g) { return g; });
}

template <class T>
void scale_by(Call& c) {
  map<T>(c, c.in[0], c.out[0], [factor = static_cast<T>(c.num("factor"))](T x) { return factor * x; });
}
template <class T>
void scale_grad(Call& c) {
  if (c.din[0]) map<T>(c, c.dout[0], c.din[0], [factor = static_cast<T>(c.num("factor"))](T g) { return factor * g; });
}

template <class T>
void gelu_all(Call& c) {
  const T* x = c.in[0].as<T>();
  T* y = c.out[0].as<T>();
  c.ctx.pool.ranges(c.in[0].size(), kGrain, [&](int64_t b, int64_t e) { gelu_range(x + b, y + b, e - b); });
}
template <class T>
void gelu_grad_all(Call& c) {
  if (!c.din[0]) return;
  const T *x = c.in[0].as<T>(), *dy = c.dout[0].as<T>();
  T* dx = c.din[0].as<T>();
  c.ctx.pool.ranges(c.in[0].size(), kGrain, [&](int64_t b, int64_t e) { gelu_grad_range(x + b, dy + b, dx + b, e - b); });
}

template <class T>
void tanh_all(Call& c) {
  const T* x = c.in[0].as<T>();
  T* y = c.out[0].as<T>();
  c.ctx.pool.ranges(c.in[0].size(), kGrain, [&](int64_t b, int64_t e) { tanh_range(x + b, y + b, e - b); });
}
template <class T>
void tanh_grad_all(Call& c) {
  if (!c.din[0]) return;
  const T *x = c.in[0].as<T>(), *dy = c.dout[0].as<T>();
  T* dx = c.din[0].as<T>();
  c.ctx.pool.ranges(c.in[0].size(), kGrain, [&](int64_t b, int64_t e) { tanh_grad_range(x + b, dy + b, dx + b, e - b); });
}

// Comparisons with NaN are false: it passes through.
template <class T>
void clamp_all(Call& c) {
  const T low = static_cast<T>(c.num("low")), high = static_cast<T>(c.num("high"));
  map<T>(c, c.in[0], c.out[0], [=](T x) { return x < low ? low : x > high ? high : x; });
}
template <class T>
void clamp_grad(Call& c) {
  if (!c.din[0]) return;
  const T low = static_cast<T>(c.num("low")), high = static_cast<T>(c.num("high"));
  const T *x = c.in[0].as<T>(), *dy = c.dout[0].as<T>();
  T* dx = c.din[0].as<T>();
  c.ctx.pool.ranges(c.in[0].size(), kGrain, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) dx[i] = x[i] >= low && x[i] <= high ? dy[i] : T(0);
  });
}

}  // namespace

void add_forward(Call& c) { A2S_BY_DTYPE(c, add_both); }
void add_backward(Call& c) { A2S_BY_DTYPE(c, copy_to_both); }
void scale_forward(Call& c) { A2S_BY_DTYPE(c, scale_by); }
void scale_backward(Call& c) { A2S_BY_DTYPE(c, scale_grad); }
void gelu_forward(Call& c) { A2S_BY_DTYPE(c, gelu_all); }
void gelu_backward(Call& c) { A2S_BY_DTYPE(c, gelu_grad_all); }
void tanh_forward(Call& c) { A2S_BY_DTYPE(c, tanh_all); }
void tanh_backward(Call& c) { A2S_BY_DTYPE(c, tanh_grad_all); }
void clamp_check(const Call& c) {
  const double low = c.num("low"), high = c.num("high");
  if (!(low <= high))
    fail_config("clamp: low: expected at most high=" + std::to_string(high) + ", got " + std::to_string(low));
}
void clamp_forward(Call& c) { A2S_BY_DTYPE(c, clamp_all); }
void clamp_backward(Call& c) { A2S_BY_DTYPE(c, clamp_grad); }

}  // namespace a2s
