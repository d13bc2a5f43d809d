#include <cmath>

#include "core/simd.h"
#include "optim/adamw.h"

namespace a2s {
namespace {

template <class T>
struct Buffers {
  const T *params, *grads, *exp_avg, *exp_avg_sq;
  T *new_params, *new_exp_avg, *new_exp_avg_sq;
};

template <class T>
struct Factors {
  T grad_scale, beta1, beta2, rest1, rest2, keep, step_size, root_correction, eps;
};

template <class T>
A2S_INLINE void update(const Buffers<T>& x, const Factors<T>& f, int64_t begin, int64_t end) {
#pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const T g = f.grad_scale * x.grads[i];
    const T m = f.beta1 * x.exp_avg[i] + f.rest1 * g;
    const T v = f.beta2 * x.exp_avg_sq[i] + f.rest2 * g * g;
    x.new_params[i] = x.params[i] * f.keep - f.step_size * m / (std::sqrt(v) * f.root_correction + f.eps);
    x.new_exp_avg[i] = m;
    x.new_exp_avg_sq[i] = v;
  }
}
A2S_CLONES void update_range(const Buffers<float>& x, const Factors<float>& f, int64_t b, int64_t e) {
  update(x, f, b, e);
}
void update_range(const Buffers<double>& x, const Factors<double>& f, int64_t b, int64_t e) { update(x, f, b, e); }

template <class T>
void forward(Call& c) {
  auto in = [&](int i) { return c.in[i].as<T>(); };
  auto out = [&](int i) { return c.out[i].as<T>(); };
  const Buffers<T> x{in(0), in(1), in(2), in(3), out(0), out(1), out(2)};
  const double lr = c.num("lr"), beta1 = c.num("beta1"), beta2 = c.num("beta2"), step = c.num("step");
  const Factors<T> f{static_cast<T>(c.num("grad_scale")),
                     static_cast<T>(beta1),
                     static_cast<T>(beta2),
                     static_cast<T>(1 - beta1),
                     static_cast<T>(1 - beta2),
                     static_cast<T>(1 - lr * c.num("weight_decay")),
                     static_cast<T>(lr / (1 - std::pow(beta1, step))),
                     static_cast<T>(1 / std::sqrt(1 - std::pow(beta2, step))),
                     static_cast<T>(c.num("eps"))};
  c.ctx.pool.ranges(c.in[0].size(), 1 << 15, [&](int64_t b, int64_t e) { update_range(x, f, b, e); });
}

}  // namespace

void adamw_forward(Call& c) { A2S_BY_DTYPE(c, forward); }

}  // namespace a2s
