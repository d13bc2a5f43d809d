// A convolution as one matrix product: row (b, t) of the left operand is the window of k frames that y[b,t] sees, laid
// out [k, C], so the weights are repacked to [O, k, C]. Without dilation the windows are overlapping stretches of the
// padded input and are read in place.
#include <algorithm>

#include "core/simd.h"
#include "ops/gemm/gemm.h"
#include "ops/linear/linear.h"
#include "ops/linear/output_gradient.h"

namespace a2s {
namespace {

struct Sizes {
  int64_t B, T, C, O, k, dilation, left;

  explicit Sizes(const Call& c)
      : B(c.in[0].dim(0)), T(c.in[0].dim(1)), C(c.in[0].dim(2)), O(c.in[1].dim(0)), k(c.in[1].dim(2)), dilation(c.integer("dilation")),
        left((k - 1) * dilation / (c.flag("causal") ? 1 : 2)) {}
};

/** The windows of x [B, T, C] whose first tap lies `left` frames before t, as rows of k*C elements. */
template <class T>
Matrix<T> windows(Call& c, const Sizes& s, const T* x, int64_t C, int64_t left) {
  const int64_t taps = s.dilation == 1 ? 1 : s.k, frames = s.dilation == 1 ? s.T + s.k - 1 : s.T;
  T* out = c.scratch<T>(s.B * frames * taps * C);
  c.ctx.pool.ranges(s.B * frames, std::max<int64_t>(1, (1 << 16) / (taps * C)), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      for (int64_t j = 0; j < taps; ++j) {
        const int64_t b = r / frames, t = r % frames + j * s.dilation - left;
        T* to = out + (r * taps + j) * C;
        if (t < 0 || t >= s.T) std::fill_n(to, C, T(0));
        else std::copy_n(x + (b * s.T + t) * C, C, to);
      }
  });
  return {out, taps * C, false, s.T, frames * taps * C};
}

/** to[j * step + i] = w[i, j] for j < k. */
template <class T>
A2S_INLINE void split(const T* __restrict w, T* __restrict to, int64_t n, int64_t k, int64_t step) {
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < k; ++j) to[j * step + i] = w[i * k + j];
}
/** w[i, j] += from[j * n + i] for j < k. */
template <class T>
A2S_INLINE void add_joined(const T* __restrict from, T* __restrict w, int64_t n, int64_t k) {
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < k; ++j) w[i * k + j] += from[j * n + i];
}
// Three taps, the usual ones, are known when vectors are made.
A2S_CLONES void split_taps(const float* w, float* to, int64_t n, int64_t k, int64_t step) {
  k == 3 ? split(w, to, n, 3, step) : split(w, to, n, k, step);
}
void split_taps(const double* w, double* to, int64_t n, int64_t k, int64_t step) { split(w, to, n, k, step); }
A2S_CLONES void add_taps(const float* from, float* w, int64_t n, int64_t k) {
  k == 3 ? add_joined(from, w, n, 3) : add_joined(from, w, n, k);
}
void add_taps(const double* from, double* w, int64_t n, int64_t k) { add_joined(from, w, n, k); }

/** to[j * step_tap + o * step_o + i] = w[o, i, j], or w[o, i, k - 1 - j]. */
template <class T>
T* repack(Call& c, const Sizes& s, int64_t step_o, bool reversed, int64_t step_tap) {
  const T* w = c.in[1].as<T>();
  T* to = c.scratch<T>(s.O * s.C * s.k);
  T* first = to + (reversed ? (s.k - 1) * step_tap : 0);
  c.ctx.pool.ranges(s.O, std::max<int64_t>(1, (1 << 14) / (s.C * s.k)), [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o)
      split_taps(w + o * s.C * s.k, first + o * step_o, s.C, s.k, reversed ? -step_tap : step_tap);
  });
  return to;
}

template <class T>
void forward(Call& c) {
  const Sizes s(c);
  const bool gelu = c.integer("act") == static_cast<int>(Activation::gelu);
  const T* w = c.in[1].as<T>();
  auto taps = [&] { return Matrix<T>{s.k == 1 ? w : repack<T>(c, s, s.k * s.C, false, s.C), s.k * s.C, true}; };
  const Matrix<T> rows = s.k == 1 ? Matrix<T>{c.in[0].as<T>(), s.C} : windows(c, s, c.in[0].as<T>(), s.C, s.left);
  gemm_weight<T>(c.ctx, s.B * s.T, s.O, s.k * s.C, rows, w, Use::forward, taps, c.out[0].as<T>(), s.O,
                 {.bias = c.in[2] ? c.in[2].as<T>() : nullptr, .gelu = gelu, .pre = gelu ? c.saved[0].as<T>() : nullptr});
}

template <class T>
void backward(Call& c) {
  const Sizes s(c);
  const T* dy = output_gradient<T>(c);
  if (c.din[0]) {
    // dx is the convolution of dy with the taps in reverse order.
    const Matrix<T> rows = s.k == 1 ? Matrix<T>{dy, s.O} : windows(c, s, dy, s.O, (s.k - 1) * s.dilation - s.left);
    const T* w = c.in[1].as<T>();
    auto taps = [&] { return Matrix<T>{s.k == 1 ? w : repack<T>(c, s, s.C, true, s.O * s.C), s.C}; };
    gemm_weight<T>(c.ctx, s.B * s.T, s.C, s.k * s.O, rows, w, Use::backward, taps, c.din[0].as<T>(), s.C);
  }
  if (!c.din[1]) return;
  T* dw = c.din[1].as<T>();
  if (s.k == 1) {
    gemm(c.ctx, s.O, s.C, s.B * s.T, {dy, s.O, true}, {c.in[0].as<T>(), s.C}, dw, s.C, {.accumulate = true});
    return;
  }
  T* by_tap = c.scratch<T>(s.O * s.k * s.C);
  gemm(c.ctx, s.O, s.k * s.C, s.B * s.T, {dy, s.O, true}, windows(c, s, c.in[0].as<T>(), s.C, s.left), by_tap, s.k * s.C);
  c.ctx.pool.ranges(s.O, std::max<int64_t>(1, (1 << 14) / (s.C * s.k)), [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) add_taps(by_tap + o * s.k * s.C, dw + o * s.C * s.k, s.C, s.k);
  });
}

}  // namespace

void conv1d_btc_axes(Axes& axes, const Call& c) {
  const int64_t k = axes["k"];
  if (c.in[1].size() == 0)
    fail_shape("conv1d_btc: w: expected at least one filter, channel and tap, got " + shape_string(c.in[1].shape()));
  if (!c.flag("causal") && k % 2 == 0)
    fail_shape("conv1d_btc: w: expected an odd number of taps unless causal, got k=" + std::to_string(k));
  axes.bind("P", c.integer("act") == static_cast<int>(Activation::gelu) ? axes["O"] : 0);
}
void conv1d_btc_forward(Call& c) { A2S_BY_DTYPE(c, forward); }
void conv1d_btc_backward(Call& c) { A2S_BY_DTYPE(c, backward); }

}  // namespace a2s
