#include <algorithm>
#include <string>

#include "ops/prior/prior.h"

namespace a2s {
namespace {

/** p[0..n] of the beta-binomial distribution. From one value to the next by their ratio, outwards from the mean, where
 *  nothing under- or overflows, then divided by the sum: no gamma function, and rows sum to 1 by construction. */
void beta_binomial(double* p, int64_t n, double a, double e) {
  const int64_t start = static_cast<int64_t>(static_cast<double>(n) * a / (a + e));
  auto ratio = [&](int64_t x) {  // p[x + 1] / p[x]
    return static_cast<double>(n - x) / static_cast<double>(x + 1) * (static_cast<double>(x) + a) /
           (static_cast<double>(n - x - 1) + e);
  };
  p[start] = 1;
  for (int64_t x = start; x < n; ++x) p[x + 1] = p[x] * ratio(x);
  for (int64_t x = start; x > 0; --x) p[x - 1] = p[x] / ratio(x - 1);
  double sum = 0;
  for (int64_t x = 0; x <= n; ++x) sum += p[x];
  for (int64_t x = 0; x <= n; ++x) p[x] /= sum;
}

}  // namespace

void beta_binomial_prior_axes(Axes& axes, const Call& c) {
  axes.bind("T", c.integer("max_frames"));
  axes.bind("N", c.integer("max_text"));
}

void beta_binomial_prior_check(const Call& c) {
  const int64_t T = c.integer("max_frames");
  check_ints(c, 0, 0, T);
  check_ints(c, 1, 0, c.integer("max_text"));
  check_ints(c, 2, 0, T);
  if (!c.in[2]) return;
  for (int64_t b = 0; b < c.in[0].dim(0); ++b) {
    const int64_t rows = int64_t{c.in[0].as<int32_t>()[b]} + c.in[2].as<int32_t>()[b];
    if (rows > T)
      fail_shape("beta_binomial_prior: prefix: item " + std::to_string(b) +
                 ": expected prefix + frames at most max_frames = " + std::to_string(T) + ", got " +
                 std::to_string(rows));
  }
}

void beta_binomial_prior_forward(Call& c) {
  const int64_t B = c.out[0].dim(0), T = c.out[0].dim(1), N = c.out[0].dim(2);
  const int32_t *frames = c.in[0].as<int32_t>(), *text = c.in[1].as<int32_t>();
  const int32_t* prefix = c.in[2] ? c.in[2].as<int32_t>() : nullptr;
  const double scaling = c.num("scaling"), blend = c.num("blend");
  double* row = c.scratch<double>(B * N);
  c.ctx.pool.run(B, [&](int64_t b) {
    float* out = c.out[0].as<float>() + b * T * N;
    double* p = row + b * N;
    std::fill_n(out, T * N, 0.f);
    if (text[b] == 0) return;
    if (prefix) out += prefix[b] * N;
    for (int64_t y = 1; y <= frames[b]; ++y, out += N) {
      beta_binomial(p, text[b] - 1, scaling * static_cast<double>(y), scaling * static_cast<double>(frames[b] + 1 - y));
      for (int64_t x = 0; x < text[b]; ++x) out[x] = static_cast<float>(p[x] + (1 - p[x]) * blend);
    }
  });
}

}  // namespace a2s
