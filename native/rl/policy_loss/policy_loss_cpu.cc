#include "rl/policy_loss/policy_loss.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

namespace a2s {
namespace {

enum Reduction : int64_t { grpo, dr_grpo, dapo, gspo };
enum Estimator : int64_t { none, k1, k2, k3, exact };
enum Input { logprobs, advantages, lengths, old_logprobs, ref_logprobs, entropy, kl, mask, frame_advantages };
constexpr double kInf = std::numeric_limits<double>::infinity();

/** One token's terms and their derivatives by its log-probability. */
struct Token {
  double surrogate, d_surrogate;  // min(r A, clip(r) A)
  double kl, d_kl;
  double ratio, log_ratio;
  bool low, high, supported;
};

/** The arguments of one call. All arithmetic is in f64: a few operations a token. */
template <class T>
struct Problem {
  const Call& c;
  int64_t B, K, frames, kind, estimator, max_frames;
  double low, high, kl_weight, entropy_weight;
  const T *lp, *A, *frame_A, *old, *ref, *ent, *exact_kl;
  const int32_t *len, *keep;

  explicit Problem(const Call& c) : c(c) {
    B = c.in[logprobs].dim(0), K = c.in[logprobs].dim(1), frames = c.in[logprobs].dim(2);
    kind = c.integer("kind"), estimator = c.integer("kl"), max_frames = c.integer("max_frames");
    low = c.num("clip_low") > 0 ? 1 - c.num("clip_low") : -kInf;
    high = c.num("clip_high") > 0 ? 1 + c.num("clip_high") : kInf;
    kl_weight = c.num("kl_weight"), entropy_weight = c.num("entropy_weight");
    lp = floats(logprobs), A = floats(advantages), frame_A = floats(frame_advantages);
    old = floats(old_logprobs), ref = floats(ref_logprobs);
    ent = floats(entropy), exact_kl = floats(kl);
    len = c.in[lengths].as<int32_t>(), keep = c.in[mask] ? c.in[mask].as<int32_t>() : nullptr;
  }
  const T* floats(int i) const { return c.in[i] ? c.in[i].as<T>() : nullptr; }

  bool kept(int64_t b, int64_t t) const { return t < len[b] && (!keep || keep[b * frames + t]); }
  /** Of frame t = i mod frames, for the flat index i of a token. */
  double advantage(int64_t b, int64_t i) const { return A[b] + (frame_A ? frame_A[b * frames + i % frames] : T(0)); }
  int64_t count(int64_t b) const {
    int64_t n = 0;
    for (int64_t t = 0; t < len[b]; ++t) n += kept(b, t);
    return n;
  }
  int64_t count() const {
    int64_t n = 0;
    for (int64_t b = 0; b < B; ++b) n += count(b);
    return n;
  }
  /** w_b, given the frames of the sample and of the batch. */
  double weight(int64_t n, int64_t total) const {
    if (n == 0) return 0;
    const double divisor = kind == dapo ? total : static_cast<double>(B) * (kind == dr_grpo ? max_frames : n);
    return 1 / (K * divisor);
  }

  /** Calls f(i) for the flat index of every kept token of sample b. */
  template <class F>
  void tokens(int64_t b, F&& f) const {
    for (int64_t k = 0; k < K; ++k)
      for (int64_t t = 0; t < len[b]; ++t)
        if (kept(b, t)) f((b * K + k) * frames + t);
  }
  /** Samples a task: some tens of microseconds. */
  int64_t grain() const { return std::max<int64_t>(1, 2048 / std::max<int64_t>(1, K * frames)); }

  double log_ratio(int64_t i) const { return old ? static_cast<double>(lp[i]) - old[i] : 0; }
  /** gspo: the ratio of the whole sample. */
  double sample_ratio(int64_t b, int64_t n) const {
    if (kind != gspo || n == 0) return 1;
    double sum = 0;
    tokens(b, [&](int64_t i) { sum += log_ratio(i); });
    return std::exp(sum / static_cast<double>(K * n));
  }

  Token token(int64_t i, double advantage, double sample_ratio) const {
    Token x{};
    x.supported = lp[i] != -std::numeric_limits<T>::infinity();
    x.log_ratio = log_ratio(i);
    x.ratio = kind == gspo ? sample_ratio : std::exp(x.log_ratio);
    if (!x.supported && old) x.ratio = 0;
    const double plain = x.ratio * advantage, clipped = std::min(std::max(x.ratio, low), high) * advantage;
    const bool cut = clipped < plain;
    x.surrogate = cut ? clipped : plain;
    x.d_surrogate = cut ? 0 : plain;  // d r / d lp = r; gspo: r / (K n_b) from each of K n_b equal terms
    x.low = cut && x.ratio < low, x.high = cut && x.ratio > high;
    if (estimator == exact) x.kl = exact_kl[i];
    else if (estimator != none && x.supported) {
      const double d = static_cast<double>(ref[i]) - lp[i];
      if (estimator == k1) x.kl = -d, x.d_kl = 1;
      else if (estimator == k2) x.kl = d * d / 2, x.d_kl = -d;
      else x.d_kl = -std::expm1(d), x.kl = -x.d_kl - d;
    }
    return x;
  }
};

/** A term that is only measured must not reach the loss, even when it is infinite. */
double weighted(double weight, double term) { return weight == 0 ? 0 : weight * term; }

struct Sums {
  double loss, ratio, max_log_ratio, low, high, kl, entropy, tokens, unsupported;
};

template <class T>
Sums sum_sample(const Problem<T>& p, int64_t b, int64_t total) {
  Sums s{};
  const int64_t n = p.count(b);
  const double ratio = p.sample_ratio(b, n);
  p.tokens(b, [&](int64_t i) {
    const double A = p.advantage(b, i);
    const Token x = p.token(i, A, ratio);
    const double entropy = p.ent ? p.ent[i] : 0;
    if (A != 0) s.loss += weighted(p.kl_weight, x.kl) - weighted(p.entropy_weight, entropy) - x.surrogate;
    s.low += x.low, s.high += x.high, s.kl += x.kl, s.entropy += entropy, s.tokens += 1;
    if (!x.supported) return void(s.unsupported += 1);
    s.ratio += x.ratio;
    s.max_log_ratio = std::max(s.max_log_ratio, std::fabs(x.log_ratio));
  });
  s.loss *= p.weight(n, total);
  return s;
}

template <class T>
void forward(Call& c) {
  const Problem<T> p(c);
  const int64_t total = p.count();
  Sums* each = c.scratch<Sums>(p.B);
  c.ctx.pool.ranges(p.B, p.grain(), [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) each[b] = sum_sample(p, b, total);
  });
  Sums s{};
  for (int64_t b = 0; b < p.B; ++b) {
    s.loss += each[b].loss, s.ratio += each[b].ratio, s.low += each[b].low, s.high += each[b].high;
    s.kl += each[b].kl, s.entropy += each[b].entropy, s.tokens += each[b].tokens, s.unsupported += each[b].unsupported;
    s.max_log_ratio = std::max(s.max_log_ratio, each[b].max_log_ratio);
  }
  const double n = std::max(s.tokens, 1.0), inside = std::max(s.tokens - s.unsupported, 1.0);
  c.out[0].as<T>()[0] = static_cast<T>(s.loss);
  const double stats[8] = {s.ratio / inside, s.max_log_ratio, s.low / n, s.high / n,
                           s.kl / n,         s.entropy / n,   s.tokens,  s.unsupported};
  std::copy_n(stats, 8, c.out[1].as<T>());
}

template <class T>
void backward(Call& c) {
  const Problem<T> p(c);
  const int64_t total = p.count();
  const double dloss = c.dout[0].as<T>()[0];
  auto gradient = [&](int i) { return c.din[i] ? c.din[i].as<T>() : nullptr; };
  T *dlp = gradient(logprobs), *dent = gradient(entropy), *dkl = gradient(kl);
  c.ctx.pool.ranges(p.B, p.grain(), [&](int64_t begin, int64_t end) {
    for (T* g : {dlp, dent, dkl})
      if (g) std::fill(g + begin * p.K * p.frames, g + end * p.K * p.frames, T(0));
    for (int64_t b = begin; b < end; ++b) {
      const int64_t n = p.count(b);
      const double w = dloss * p.weight(n, total), ratio = p.sample_ratio(b, n);
      p.tokens(b, [&](int64_t i) {
        const double A = p.advantage(b, i);
        if (A == 0) return;
        const Token x = p.token(i, A, ratio);
        if (dlp) dlp[i] = static_cast<T>(w * (weighted(p.kl_weight, x.d_kl) - x.d_surrogate));
        if (dent) dent[i] = static_cast<T>(-w * p.entropy_weight);
        if (dkl && p.estimator == exact) dkl[i] = static_cast<T>(w * p.kl_weight);
      });
    }
  });
}

template <class T>
void check_values(const Call& c) {
  for (const int input : {advantages, frame_advantages}) {
    if (!c.in[input]) continue;
    const T* A = c.in[input].as<T>();
    const int64_t each = c.in[input].size() / std::max<int64_t>(1, c.in[input].dim(0));
    for (int64_t i = 0; i < c.in[input].size(); ++i)
      if (!std::isfinite(A[i]))
        fail(ErrorCode::Data, std::string("policy_loss: ") + c.op.inputs[static_cast<size_t>(input)].name + ": sample " +
                                  std::to_string(i / each) + ": expected a finite number, got " + std::to_string(A[i]));
  }
}

}  // namespace

void policy_loss_check(const Call& c) {
  check_ints(c, lengths, 0, c.in[logprobs].dim(2));
  A2S_BY_DTYPE(c, check_values);
  auto need = [](bool ok, const char* what) {
    if (!ok) fail_config(std::string("policy_loss: ") + what);
  };
  const int64_t estimator = c.integer("kl");
  const bool sampled = estimator != none && estimator != exact;
  need(c.in[old_logprobs] || (c.num("clip_low") == 0 && c.num("clip_high") == 0),
       "clip_low, clip_high: expected 0 without old_logprobs (the ratio is 1), got a limit");
  need(sampled == bool(c.in[ref_logprobs]),
       sampled ? "ref_logprobs: expected a tensor for kl k1, k2 or k3, got none"
               : "ref_logprobs: expected none unless kl is k1, k2 or k3, got a tensor");
  need((estimator == exact) == bool(c.in[kl]), estimator == exact
                                                   ? "kl: expected a tensor for kl exact, got none"
                                                   : "kl: expected none unless kl is exact, got a tensor");
  need(estimator != none || c.num("kl_weight") == 0, "kl_weight: expected 0 with kl none, got a weight");
  need(c.in[entropy] || c.num("entropy_weight") == 0, "entropy_weight: expected 0 without entropy, got a weight");
  need(!c.in[frame_advantages] || c.integer("kind") != gspo, "frame_advantages: expected none for kind gspo, got a tensor");
  if (c.integer("kind") == dr_grpo)
    need(c.integer("max_frames") > 0, "max_frames: expected at least 1 for kind dr_grpo, got 0");
  else need(c.integer("max_frames") == 0, "max_frames: expected 0 unless kind is dr_grpo, got a limit");
}

void policy_loss_forward(Call& c) { A2S_BY_DTYPE(c, forward); }
void policy_loss_backward(Call& c) { A2S_BY_DTYPE(c, backward); }

}  // namespace a2s
