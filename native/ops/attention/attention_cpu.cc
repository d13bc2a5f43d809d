#include <algorithm>
#include <atomic>
#include <cmath>

#include "ops/attention/attention.h"
#include "ops/attention/head.h"
#include "ops/sequence/lengths.h"

namespace a2s {
namespace {

using attention::Head;

constexpr int64_t kChunk = 288;       // query rows of a forward piece; packing the keys again for the next piece is cheap
constexpr double kPieceFlops = 1.5e6;  // a piece of work is at least about 20 us

void check_heads(const Axes& axes, const Call& c) {
  const int64_t E = axes["E"], H = c.integer("heads");
  if (E % H)
    fail_config(std::string(c.op.name) + ": heads: expected a divisor of E=" + std::to_string(E) + ", got " + std::to_string(H));
}

void check_group(const Axes& axes, const Call& c) {
  const int64_t B = axes["B"], P = axes["P"], group = c.integer("group");
  if (B != P * group)
    fail_shape(std::string(c.op.name) + ": kv: axis P: expected B / group = " + std::to_string(B) + " / " +
               std::to_string(group) + ", got " + std::to_string(P));
}

/** What both ops and both passes share: where each head's rows lie. */
template <class T>
struct Problem {
  const Call& c;
  int64_t B, H, Tq, Tk, E, D, group = 1;
  const T *q, *k, *v;
  int64_t q_stride, kv_stride;
  Tensor q_lengths, kv_lengths, prior;
  Head<T> common;  // settings that all heads share

  int64_t rows(int64_t b) const { return length_of(q_lengths, b, Tq); }
  int64_t keys(int64_t b) const { return length_of(kv_lengths, b / group, Tk); }
  Head<T> head(int64_t b, int64_t h) const;
};

template <class T>
void set_common(Problem<T>& p) {
  p.D = p.E / p.H;
  p.common.width = p.D;
  p.common.columns = p.Tk;
  p.common.scale = static_cast<T>(1 / std::sqrt(static_cast<double>(p.D)));
  p.common.q_stride = p.q_stride, p.common.kv_stride = p.kv_stride, p.common.y_stride = p.E;
}

DropoutMask dropout_of(const Call& c) {
  return DropoutMask(c.num("dropout"), c.integer("seed"), static_cast<uint32_t>(c.integer("layer")));
}

enum Mask { kOuter, kQuery };
enum PriorMode { kNone, kTraining, kInference };

template <class T>
Problem<T> self_problem(const Call& c) {
  const int64_t E = c.out[0].dim(2), T_ = c.in[0].dim(1);
  const T* qkv = c.in[0].as<T>();
  Problem<T> p{c, c.in[0].dim(0), c.integer("heads"), T_, T_, E, 0, 1, qkv, qkv + E, qkv + 2 * E, 3 * E, 3 * E, c.in[1], {}, {}, {}};
  if (c.integer("mask") == kOuter) p.kv_lengths = c.in[1];
  set_common(p);
  p.common.causal = c.flag("causal"), p.common.bf16 = c.ctx.bf16;
  p.common.dropout = dropout_of(c);
  return p;
}

template <class T>
Problem<T> cross_problem(const Call& c) {
  const int64_t E = c.in[0].dim(2);
  const T *q = c.in[0].as<T>(), *kv = c.in[1].as<T>();
  Problem<T> p{c, c.in[0].dim(0), c.integer("heads"), c.in[0].dim(1), c.in[1].dim(1), E, 0, c.integer("group"), q, kv, kv + E,
               E, 2 * E, c.in[2], c.in[3], c.in[4], {}};
  set_common(p);
  const bool training = c.integer("prior_mode") == kTraining;
  p.common.prior_eps = static_cast<T>(training ? c.num("prior_eps") : double{FLT_MIN});
  p.common.strict = training && c.flag("strict");
  return p;
}

template <class T>
Head<T> Problem<T>::head(int64_t b, int64_t h) const {
  Head<T> x = common;
  x.row_end = rows(b), x.keys = keys(b);
  x.q = q + b * Tq * q_stride + h * D;
  x.k = k + b / group * Tk * kv_stride + h * D;
  x.v = v + b / group * Tk * kv_stride + h * D;
  if (prior) x.prior = prior.as<T>() + b * Tq * Tk;
  x.sample = b, x.first_element = static_cast<uint64_t>(h) * Tq * Tk;
  if (c.saved[0]) x.lse = c.saved[0].as<T>() + (b * H + h) * Tq;
  if (c.saved[1]) x.raw_lse = c.saved[1].as<T>() + (b * H + h) * Tq;
  return x;
}

template <class T>
void zero_rows(T* x, int64_t stride, int64_t begin, int64_t end, int64_t width) {
  for (int64_t r = begin; r < end; ++r) std::fill_n(x + r * stride, width, T(0));
}

/** body(i, scratch) for each i < count. The scratch belongs to a thread, not to a piece, so it stays small and in cache. */
template <class T, class F>
void each_piece(const Context& ctx, int64_t count, double flops, int64_t scratch_size, F&& body) {
  const int64_t grain = std::max<int64_t>(1, static_cast<int64_t>(kPieceFlops / std::max(1.0, flops)));
  const int64_t threads = std::min<int64_t>(ctx.pool.threads(), (count + grain - 1) / grain);
  const int64_t size = (scratch_size + 15) / 16 * 16;
  T* scratch = ctx.scratch.alloc<T>(threads * size);
  std::atomic<int64_t> next{0};
  ctx.pool.run(threads, [&](int64_t thread) {
    for (int64_t begin; (begin = next.fetch_add(grain, std::memory_order_relaxed)) < count;)
      for (int64_t i = begin; i < std::min(begin + grain, count); ++i) body(i, scratch + thread * size);
  });
}

/** The largest head of a problem, which decides the scratch. */
template <class T>
Head<T> largest_head(const Problem<T>& p) {
  Head<T> h = p.common;
  h.row_end = p.Tq, h.keys = p.Tk;
  return h;
}

/** y and, when given, probs [B, H, Tq, Tk]. */
template <class T>
void forward(const Problem<T>& p, T* y, T* probs) {
  const int64_t chunks = (p.Tq + kChunk - 1) / kChunk;
  const double flops = 4.0 * static_cast<double>(std::min(p.Tq, kChunk) * p.Tk * p.D) / (p.common.causal ? 2 : 1);
  each_piece<T>(p.c.ctx, p.B * p.H * chunks, flops, attention::forward_scratch(largest_head(p)), [&](int64_t i, T* scratch) {
    const int64_t b = i / (p.H * chunks), h = i / chunks % p.H, begin = i % chunks * kChunk, end = std::min(begin + kChunk, p.Tq);
    Head<T> head = p.head(b, h);
    const int64_t valid = std::clamp(head.row_end, begin, end);
    if (y) head.y = y + b * p.Tq * p.E + h * p.D, zero_rows(head.y, p.E, valid, end, p.D);
    if (probs) head.probs = probs + (b * p.H + h) * p.Tq * p.Tk, zero_rows(head.probs, p.Tk, valid, end, p.Tk);
    head.row_begin = begin, head.row_end = valid;
    attention::head_forward(head, scratch);
  });
}

/** dq and dk with dv may be null; samples that share their keys add in the order of the samples. */
template <class T>
void backward(const Problem<T>& p, const T* dy, T* dq, T* dk, T* dv) {
  // With shared keys each sample writes its own [Tk, dk dv] first.
  T* shares = dk && p.group > 1 ? p.c.template scratch<T>(p.B * p.Tk * 2 * p.E) : nullptr;
  const double flops = 10.0 * static_cast<double>(p.Tq * p.Tk * p.D) / (p.common.causal ? 2 : 1);
  each_piece<T>(p.c.ctx, p.B * p.H, flops, attention::backward_scratch(largest_head(p)), [&](int64_t i, T* scratch) {
    const int64_t b = i / p.H, h = i % p.H;
    Head<T> head = p.head(b, h);
    head.dy = dy + b * p.Tq * p.E + h * p.D;
    if (dq) head.dq = dq + b * p.Tq * p.q_stride + h * p.D, zero_rows(head.dq, p.q_stride, head.row_end, p.Tq, p.D);
    if (dk) {
      head.dk = (shares ? shares : dk) + b * p.Tk * p.kv_stride + h * p.D;
      head.dv = (shares ? shares + p.E : dv) + b * p.Tk * p.kv_stride + h * p.D;
      zero_rows(head.dk, p.kv_stride, head.keys, p.Tk, p.D), zero_rows(head.dv, p.kv_stride, head.keys, p.Tk, p.D);
    }
    attention::head_backward(head, scratch);
  });
  if (!shares) return;
  const int64_t width = 2 * p.E, prompt = p.Tk * width;
  p.c.ctx.pool.ranges(p.B / p.group * p.Tk, 64, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const T* from = shares + r / p.Tk * p.group * prompt + r % p.Tk * width;
      std::copy_n(from, width, dk + r * width);
      for (int64_t g = 1; g < p.group; ++g)
        for (int64_t e = 0; e < width; ++e) dk[r * width + e] += from[g * prompt + e];
    }
  });
}

template <class T>
void self_forward(Call& c) {
  forward(self_problem<T>(c), c.out[0].as<T>(), static_cast<T*>(nullptr));
}

template <class T>
void self_backward(Call& c) {
  if (!c.din[0]) return;
  const int64_t E = c.out[0].dim(2);
  T* d = c.din[0].as<T>();
  backward(self_problem<T>(c), c.dout[0].as<T>(), d, d + E, d + 2 * E);
}

template <class T>
void cross_forward(Call& c) {
  Problem<T> p = cross_problem<T>(c);
  p.common.dropout = dropout_of(c);
  forward(p, c.out[0].as<T>(), static_cast<T*>(nullptr));
}

template <class T>
void cross_backward(Call& c) {
  Problem<T> p = cross_problem<T>(c);
  p.common.dropout = dropout_of(c);
  T *dq = c.din[0] ? c.din[0].as<T>() : nullptr, *dkv = c.din[1] ? c.din[1].as<T>() : nullptr;
  backward(p, c.dout[0].as<T>(), dq, dkv, dkv ? dkv + p.E : nullptr);
}

template <class T>
void probs_forward(Call& c) {
  forward(cross_problem<T>(c), static_cast<T*>(nullptr), c.out[0].as<T>());
}

}  // namespace

void self_attention_axes(Axes& axes, const Call& c) {
  check_heads(axes, c);
  axes.bind("H", c.integer("heads"), "heads");
}
void self_attention_check(const Call& c) { check_ints(c, 1, 0, c.in[0].dim(1)); }
void self_attention_forward(Call& c) { A2S_BY_DTYPE(c, self_forward); }
void self_attention_backward(Call& c) { A2S_BY_DTYPE(c, self_backward); }
double self_attention_flops(const Call& c) {
  return 4.0 * static_cast<double>(c.out[0].size() * c.in[0].dim(1)) / (c.flag("causal") ? 2 : 1);
}

void cross_attention_axes(Axes& axes, const Call& c) {
  check_heads(axes, c);
  check_group(axes, c);
  axes.bind("H", c.integer("heads"), "heads");
}

void cross_attention_check(const Call& c) {
  const std::string name = c.op.name;
  check_ints(c, 2, 0, c.in[0].dim(1));
  check_ints(c, 3, 0, c.in[1].dim(1));
  const int64_t mode = c.integer("prior_mode");
  if (c.in[4] && mode == kNone) fail_config(name + ": prior_mode: expected training or inference with a prior, got none");
  if (!c.in[4] && mode != kNone) fail_config(name + ": prior: expected a tensor [B Tq Tk] with prior_mode, got none");
  if (c.flag("strict") && mode != kTraining)
    fail_config(name + ": strict: expected prior_mode training, got " + attention::prior_mode.choices[mode]);
  if (c.integer("mask") == kQuery && c.in[3])
    fail_config(name + ": kv_lengths: expected none with mask query, got lengths; hint: a memory's padding is masked by mask outer");
}

void cross_attention_forward(Call& c) { A2S_BY_DTYPE(c, cross_forward); }
void cross_attention_backward(Call& c) { A2S_BY_DTYPE(c, cross_backward); }
double cross_attention_flops(const Call& c) { return 4.0 * static_cast<double>(c.in[0].size() * c.in[1].dim(1)); }

void attention_probs_axes(Axes& axes, const Call& c) { cross_attention_axes(axes, c); }
void attention_probs_forward(Call& c) { A2S_BY_DTYPE(c, probs_forward); }

void attention_scores_axes(Axes& axes, const Call& c) {
  check_heads(axes, c);
  check_group(axes, c);
}

}  // namespace a2s
