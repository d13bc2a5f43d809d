#include <limits>
#include <string>

#include "core/math.h"
#include "ops/token_logprobs/head.h"
#include "ops/token_logprobs/token_logprobs.h"

namespace a2s {
namespace {

enum Input { x, w, b, targets, lengths, x_uncond, allowed };

template <class T>
constexpr T kInf = std::numeric_limits<T>::infinity();

/** z[V]: scaled logits on entry, on return the gradient of the logits but for the target's own share. */
template <class T>
A2S_INLINE void row_gradient(T* z, int64_t V, Distribution<T> d, T dlogprob, T dentropy, T scale) {
  for (int64_t v = 0; v < V; ++v) {
    const T l = z[v] - d.log_norm;
    const T p = z[v] < d.cutoff ? T(0) : math::exp(l);
    const T g = p * (dlogprob + dentropy * (l + d.entropy));
    z[v] = -scale * (p == 0 ? T(0) : g);  // p = 0 with l = -inf: nothing, not NaN
  }
}
A2S_CLONES void gradient(float* z, int64_t V, Distribution<float> d, float dl, float de, float scale) {
  row_gradient(z, V, d, dl, de, scale);
}
void gradient(double* z, int64_t V, Distribution<double> d, double dl, double de, double scale) {
  row_gradient(z, V, d, dl, de, scale);
}

/** What forward and backward share. */
template <class T>
struct Problem {
  const Call& c;
  int64_t K, frames, C;
  double guidance;
  SamplingRule rule;
  Head<T> head;
  const int32_t* target;
  FrameList list;
  T *rows, *z;

  explicit Problem(const Call& c)
      : c(c),
        K(c.integer("codebooks")),
        frames(c.in[x].dim(1)),
        C(c.in[x].dim(2)),
        guidance(c.in[x_uncond] ? c.num("guidance") : 1),
        rule{c.num("temperature"), c.integer("top_k"), c.num("top_p"),
             c.in[allowed] ? c.in[allowed].as<int32_t>() : nullptr},
        head(c, w, b, K),
        target(c.in[targets].as<int32_t>()),
        list(c, c.in[x].dim(0), frames, c.in[lengths].as<int32_t>(),
             [this](int64_t item, int64_t t) {
               for (int64_t k = 0; k < K; ++k)
                 if (target[(item * K + k) * frames + t] >= 0) return true;
               return false;
             }),
        rows(c.scratch<T>(kHeadRows * C)),
        z(c.scratch<T>(kHeadRows * head.V)) {}

  /** The block's rows. The head is linear: mixing its rows with those without conditioning mixes the logits. */
  void gather(int64_t begin, int64_t n) const {
    gather_rows(c.in[x].as<T>(), list.index + begin, n, C, rows);
    if (guidance != 1)
      for (int64_t i = 0; i < n; ++i)
        guide(rows + i * C, c.in[x_uncond].as<T>() + list.index[begin + i] * C, guidance, C);
  }
};

template <class T>
void forward(Call& c) {
  const Problem<T> p(c);
  T *logprobs = c.out[0].as<T>(), *entropy = c.out[1].as<T>(), *lse = c.saved[0].as<T>(), *cutoff = c.saved[1].as<T>();
  const int64_t V = p.head.V, grain = row_grain(V);
  T* weights = c.scratch<T>((kHeadRows + grain - 1) / grain * V);
  fill_zero(c.out[0]), fill_zero(c.out[1]);
  for (int64_t begin = 0; begin < p.list.count; begin += kHeadRows) {
    const int64_t n = std::min(kHeadRows, p.list.count - begin);
    p.gather(begin, n);
    for (int64_t k = 0; k < p.K; ++k) {
      p.head.logits(p.rows, n, k, p.z);
      c.ctx.pool.ranges(n, grain, [&](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i) {
          const int64_t token = p.list.token(begin + i, k, p.K);
          if (p.target[token] < 0) continue;
          T* z = p.z + i * V;
          scale_logits(z, V, p.rule);
          const Distribution<T> d = distribution_of(z, weights + first / grain * V, V, p.rule);
          const T own = z[p.target[token]];
          logprobs[token] = own < d.cutoff ? -kInf<T> : own - d.log_norm;
          entropy[token] = d.entropy, lse[token] = d.log_norm, cutoff[token] = d.cutoff;
        }
      });
    }
  }
}

template <class T>
void backward(Call& c) {
  const Problem<T> p(c);
  auto wanted = [&](int i) { return c.din[i] ? c.din[i].as<T>() : nullptr; };
  T *dx = wanted(x), *dx_uncond = wanted(x_uncond);
  for (int i : {x, x_uncond})
    if (c.din[i]) fill_zero(c.din[i]);
  T* drows = dx || dx_uncond ? c.scratch<T>(kHeadRows * p.C) : nullptr;
  const HeadGradient<T> sink{p.head, wanted(w), wanted(b), drows};
  const T *dlogprobs = c.dout[0].as<T>(), *dentropy = c.dout[1].as<T>(), *entropy = c.out[1].as<T>();
  const T *lse = c.saved[0].as<T>(), *cutoff = c.saved[1].as<T>();
  const int64_t V = p.head.V;
  const T scale = static_cast<T>(1 / p.rule.temperature);
  for (int64_t begin = 0; begin < p.list.count; begin += kHeadRows) {
    const int64_t n = std::min(kHeadRows, p.list.count - begin);
    auto active = [&](int64_t i, int64_t k) {
      const int64_t token = p.list.token(begin + i, k, p.K);
      return p.target[token] >= 0 && (dlogprobs[token] != 0 || dentropy[token] != 0);
    };
    bool gathered = false;
    for (int64_t k = 0; k < p.K; ++k) {
      // Whole blocks are without gradient when their samples' groups are invalid.
      bool any = false;
      for (int64_t i = 0; i < n && !any; ++i) any = active(i, k);
      if (!any) continue;
      if (!gathered) p.gather(begin, n);
      p.head.logits(p.rows, n, k, p.z);
      c.ctx.pool.ranges(n, row_grain(V), [&](int64_t first, int64_t last) {
        for (int64_t i = first; i < last; ++i) {
          T* z = p.z + i * V;
          if (!active(i, k)) {
            std::fill_n(z, V, T(0));
            continue;
          }
          const int64_t token = p.list.token(begin + i, k, p.K);
          scale_logits(z, V, p.rule);
          const T own = z[p.target[token]];
          const bool kept = !(own < cutoff[token]) && own != -kInf<T>;
          const T dl = kept ? dlogprobs[token] : T(0);
          gradient(z, V, {cutoff[token], lse[token], entropy[token]}, dl, dentropy[token], scale);
          z[p.target[token]] += scale * dl;
        }
      });
      sink.add(p.rows, p.z, n, k, !gathered);
      gathered = true;
    }
    if (!gathered || !drows) continue;
    const T g = static_cast<T>(p.guidance), h = static_cast<T>(1 - p.guidance);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0, at = p.list.index[begin + i] * p.C; j < p.C; ++j) {
        if (dx) dx[at + j] = g * drows[i * p.C + j];
        if (dx_uncond) dx_uncond[at + j] = h * drows[i * p.C + j];
      }
  }
}

}  // namespace

void bind_heads(Axes& axes, const Call& c) {
  const int64_t K = c.integer("codebooks"), KV = axes["KV"];
  auto expect = [&](const char* what, int64_t want, int64_t got) {
    if (want != got)
      fail_shape(std::string(c.op.name) + ": " + what + ": expected " + std::to_string(want) + ", got " +
                 std::to_string(got));
  };
  if (KV % K)
    fail_shape(std::string(c.op.name) + ": w: axis KV: expected a multiple of codebooks = " + std::to_string(K) +
               ", got " + std::to_string(KV));
  if (axes.find("K") >= 0) expect("targets: axis K (codebooks)", K, axes["K"]);
  else axes.bind("K", K);
  if (axes.find("V") >= 0) expect("allowed: axis V (KV / codebooks)", KV / K, axes["V"]);
}

void token_logprobs_axes(Axes& axes, const Call& c) { bind_heads(axes, c); }

void token_logprobs_check(const Call& c) {
  check_ints(c, lengths, 0, c.in[x].dim(1));
  check_ints(c, targets, INT32_MIN, c.in[w].dim(0) / c.integer("codebooks") - 1);
  check_allowed(c, c.in[allowed]);
  check_guidance(c, c.in[x_uncond], "x_uncond");
}

void token_logprobs_forward(Call& c) { A2S_BY_DTYPE(c, forward); }
void token_logprobs_backward(Call& c) { A2S_BY_DTYPE(c, backward); }

}  // namespace a2s
