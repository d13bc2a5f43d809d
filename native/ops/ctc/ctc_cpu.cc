#include <algorithm>
#include <cmath>
#include <limits>
#include <new>
#include <string>

#include "core/math.h"
#include "ops/ctc/ctc.h"
#include "ops/ctc/lattice.h"

namespace a2s {
namespace {

template <class T>
A2S_INLINE T log_sum_exp_row(const T* x, int64_t n, T at_least) {
  T top = at_least, sum = 0;
#pragma omp simd reduction(max : top)
  for (int64_t i = 0; i < n; ++i) top = x[i] > top ? x[i] : top;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < n; ++i) sum += math::exp(x[i] - top);
  return top + std::log(sum + math::exp(at_least - top));
}
template <class T>
A2S_INLINE void softmax_row(const T* x, T lse, T scale, T* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = scale * math::exp(x[i] - lse);
}
/** log(e^at_least + sum e^x); at_least may be -inf. */
A2S_CLONES float log_sum_exp(const float* x, int64_t n, float at_least) { return log_sum_exp_row(x, n, at_least); }
double log_sum_exp(const double* x, int64_t n, double at_least) { return log_sum_exp_row(x, n, at_least); }
A2S_CLONES void scaled_softmax(const float* x, float lse, float scale, float* y, int64_t n) {
  softmax_row(x, lse, scale, y, n);
}
void scaled_softmax(const double* x, double lse, double scale, double* y, int64_t n) {
  softmax_row(x, lse, scale, y, n);
}

/** The arguments of either op as one lattice an item. */
template <class T>
struct Items {
  const Tensor& x;
  const int32_t *frames, *labels, *targets;
  int64_t B, T_, V, max_labels;
  int64_t blank = -1;
  T blank_score = -std::numeric_limits<T>::infinity();
  T* lse;

  Items(const Call& c, bool forward_sum) : x(c.in[0]), B(x.dim(0)), T_(x.dim(1)), V(x.dim(2)) {
    const Tensor& t = c.in[forward_sum ? 3 : 1];
    frames = c.in[forward_sum ? 1 : 2].as<int32_t>(), labels = c.in[forward_sum ? 2 : 3].as<int32_t>();
    targets = t ? t.as<int32_t>() : nullptr;
    max_labels = t ? t.dim(1) : V;
    lse = c.saved[0].as<T>();
    if (forward_sum) blank_score = static_cast<T>(c.num("blank_score"));
    else blank = c.integer("blank");
  }
  /** Columns that the softmax of item b runs over: all, or those of its text. */
  int64_t columns(int64_t b) const {
    if (blank >= 0) return V;
    if (!targets) return labels[b];
    const int32_t* first = targets + b * max_labels;
    return labels[b] ? *std::max_element(first, first + labels[b]) : 0;
  }
  Lattice<T> lattice(int64_t b) const {
    return {x.as<T>() + b * T_ * V,
            lse + b * T_,
            V,
            frames[b],
            labels[b],
            targets ? targets + b * max_labels : nullptr,
            blank >= 0 ? 0 : 1,
            blank,
            blank_score};
  }
  /** Memory of every item, taken before the parallel region. */
  const LatticeMemory<T>* memory(const Call& c, bool posteriors) const {
    auto* m = c.scratch<LatticeMemory<T>>(B);
    for (int64_t b = 0; b < B; ++b) new (m + b) LatticeMemory<T>(c, posteriors ? std::max(frames[b], 1) : 2, labels[b]);
    return m;
  }
};

/** Fills lse and loss[b], the loss of every item: +inf where there is no alignment. */
template <class T>
void item_losses(Call& c, const Items<T>& items, double* loss) {
  const LatticeMemory<T>* memory = items.memory(c, false);
  c.ctx.pool.run(items.B, [&](int64_t b) {
    const Lattice<T> l = items.lattice(b);
    const int64_t n = items.columns(b);
    for (int64_t t = 0; t < l.frames; ++t)
      items.lse[b * items.T_ + t] = log_sum_exp(l.scores + t * l.width, n, items.blank_score);
    loss[b] = alignment_loss(l, memory[b]);
  });
}

/** dx; weight[b] is the derivative by the loss of item b. */
template <class T>
void item_gradients(Call& c, const Items<T>& items, const double* weight) {
  if (!c.din[0]) return;
  const LatticeMemory<T>* memory = items.memory(c, true);
  c.ctx.pool.run(items.B, [&](int64_t b) {
    const Lattice<T> l = items.lattice(b);
    const int64_t n = items.columns(b), V = items.V;
    const T w = static_cast<T>(weight[b]);
    T* d = c.din[0].as<T>() + b * items.T_ * V;
    std::fill_n(d, items.T_ * V, T(0));
    const double loss = alignment_loss(l, memory[b]);
    if (std::isinf(loss)) return;
    for (int64_t t = 0; t < l.frames; ++t) scaled_softmax(l.scores + t * V, l.lse[t], w, d + t * V, n);
    subtract_posteriors(l, loss, w, d, memory[b]);
  });
}

template <class T>
double mean_loss(const Items<T>& items, const double* loss) {
  double sum = 0;
  for (int64_t b = 0; b < items.B; ++b) sum += loss[b] / std::max(items.labels[b], 1);
  return items.B ? sum / static_cast<double>(items.B) : 0;
}
/** Derivative of the mean by the loss of item b. */
template <class T>
double mean_weight(const Items<T>& items, int64_t b) {
  return 1 / (static_cast<double>(items.B) * std::max(items.labels[b], 1));
}

template <class T>
void ctc_forward(Call& c) {
  const Items<T> items(c, false);
  double* loss = c.scratch<double>(items.B);
  item_losses(c, items, loss);
  for (int64_t b = 0; b < items.B; ++b) {
    if (c.flag("zero_infinity") && std::isinf(loss[b])) loss[b] = 0;
    c.out[1].as<T>()[b] = static_cast<T>(loss[b]);
  }
  c.out[0].as<T>()[0] = static_cast<T>(mean_loss(items, loss));
}

template <class T>
void ctc_backward(Call& c) {
  const Items<T> items(c, false);
  double* weight = c.scratch<double>(items.B);
  for (int64_t b = 0; b < items.B; ++b) weight[b] = c.dout[0].as<T>()[0] * mean_weight(items, b) + c.dout[1].as<T>()[b];
  item_gradients(c, items, weight);
}

template <class T>
void forward_sum_forward(Call& c) {
  const Items<T> items(c, true);
  double* loss = c.scratch<double>(items.B);
  item_losses(c, items, loss);
  for (int64_t b = 0; b < items.B; ++b)
    if (std::isinf(loss[b])) loss[b] = 0;
  c.out[0].as<T>()[0] = static_cast<T>(mean_loss(items, loss));
}

template <class T>
void forward_sum_backward(Call& c) {
  const Items<T> items(c, true);
  double* weight = c.scratch<double>(items.B);
  for (int64_t b = 0; b < items.B; ++b) weight[b] = c.dout[0].as<T>()[0] * mean_weight(items, b);
  item_gradients(c, items, weight);
}

/** targets[b, 0 .. labels[b]-1] in [low, high] and not `blank`; the rest is padding. */
void check_targets(const Call& c, int arg, const int32_t* labels, int32_t low, int32_t high, int64_t blank) {
  const Tensor& t = c.in[arg];
  for (int64_t b = 0; b < t.dim(0); ++b)
    for (int64_t u = 0; u < labels[b]; ++u) {
      const int32_t v = t.as<int32_t>()[b * t.dim(1) + u];
      if (v < low || v > high || v == blank)
        fail_shape(std::string(c.op.name) + ": targets: item " + std::to_string(b) + ", label " + std::to_string(u) +
                   ": expected " + std::to_string(low) + " to " + std::to_string(high) +
                   (blank >= 0 ? " and not the blank " + std::to_string(blank) : "") + ", got " + std::to_string(v));
    }
}

}  // namespace

void ctc_loss_check(const Call& c) {
  const int64_t V = c.in[0].dim(2), blank = c.integer("blank");
  if (blank >= V)
    fail_config("ctc_loss: blank: expected a label below V = " + std::to_string(V) + ", got " + std::to_string(blank));
  check_ints(c, 2, 0, c.in[0].dim(1));
  check_ints(c, 3, 0, c.in[1].dim(1));
  check_targets(c, 1, c.in[3].as<int32_t>(), 0, static_cast<int32_t>(V - 1), blank);
}
void ctc_loss_forward(Call& c) { A2S_BY_DTYPE(c, ctc_forward); }
void ctc_loss_backward(Call& c) { A2S_BY_DTYPE(c, ctc_backward); }

void forward_sum_loss_check(const Call& c) {
  const int64_t N = c.in[0].dim(2);
  check_ints(c, 1, 0, c.in[0].dim(1));
  check_ints(c, 2, 0, c.in[3] ? c.in[3].dim(1) : N);
  if (c.in[3]) check_targets(c, 3, c.in[2].as<int32_t>(), 1, static_cast<int32_t>(N), -1);
}
void forward_sum_loss_forward(Call& c) { A2S_BY_DTYPE(c, forward_sum_forward); }
void forward_sum_loss_backward(Call& c) { A2S_BY_DTYPE(c, forward_sum_backward); }

}  // namespace a2s
