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

/** z[V]: logits on entry, on return their gradient but for the target's own share. */
template <class T>
A2S_INLINE void row_gradient(T* z, int64_t V, const SamplingRule& rule, Distribution<T> d, T dlogprob, T dentropy) {
  const T inverse = static_cast<T>(1 / rule.temperature), scale = -inverse;
  if (dentropy == 0 && !rule.truncates(V)) {
    for (int64_t v = 0; v < V; ++v) z[v] = scale * dlogprob * math::exp(z[v] * inverse - d.log_norm);
  } else {
    for (int64_t v = 0; v < V; ++v) {
      const T scaled = z[v] * inverse, l = scaled - d.log_norm;
      const T p = scaled < d.cutoff ? T(0) : math::exp(l);
      const T g = p * (dlogprob + dentropy * (l + d.entropy));
      z[v] = scale * (p == 0 ? T(0) : g);  // p = 0 with l = -inf: nothing, not NaN
    }
  }
  if (rule.allowed)
    for (int64_t v = 0; v < V; ++v) z[v] = rule.allowed[v] ? z[v] : T(0);
}
A2S_CLONES void gradient(float* z, int64_t V, const SamplingRule& rule, Distribution<float> d, float dl, float de) {
  row_gradient(z, V, rule, d, dl, de);
}
void gradient(double* z, int64_t V, const SamplingRule& rule, Distribution<double> d, double dl, double de) {
  row_gradient(z, V, rule, d, dl, de);
}

/** What forward and backward share: the rows for which keep(item, frame, codebook) holds for some codebook. */
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

  template <class Keep>
  Problem(const Call& c, bool gradient, Keep&& keep)
      : c(c),
        K(c.integer("codebooks")),
        frames(c.in[x].dim(1)),
        C(c.in[x].dim(2)),
        guidance(c.in[x_uncond] ? c.num("guidance") : 1),
        rule{c.num("temperature"), c.integer("top_k"), c.num("top_p"),
             c.in[allowed] ? c.in[allowed].as<int32_t>() : nullptr},
        head(c, w, b, K, gradient),
        target(c.in[targets].as<int32_t>()),
        list(c, c.in[x].dim(0), frames, c.in[lengths].as<int32_t>(),
             [&](int64_t item, int64_t t) {
               for (int64_t k = 0; k < K; ++k)
                 if (keep((item * K + k) * frames + t)) return true;
               return false;
             }),
        rows(list.gather(c, c.in[x].as<T>(), C)),
        z(c.scratch<T>(kHeadRows * head.V)) {
    // The head is linear: mixing its rows with those without conditioning mixes the logits.
    if (guidance != 1)
      for (int64_t i = 0; i < list.count; ++i)
        guide(rows + i * C, c.in[x_uncond].as<T>() + list.index[i] * C, guidance, C);
  }

  /** For each head and block: row(z, token, tile) in parallel, tile(begin, n, k, z) after the last row of a tile, then
   *  block(begin, n, k). */
  template <class Row, class Tile, class Block>
  void each(Row&& row, Tile&& tile, Block&& block) {
    for (int64_t k = 0; k < K; ++k) {
      head.select(k);
      for (int64_t begin = 0; begin < list.count; begin += kHeadRows) {
        const int64_t n = std::min(kHeadRows, list.count - begin);
        c.ctx.pool.ranges(n, kTileRows, [&](int64_t first, int64_t last) {
          T* logits = z + first * head.V;
          head.logits(rows + (begin + first) * C, last - first, logits);
          for (int64_t i = first; i < last; ++i) row(z + i * head.V, list.token(begin + i, k, K), first / kTileRows);
          tile(begin + first, last - first, k, logits);
        });
        block(begin, n, k);
      }
    }
  }
};

template <class T>
void forward(Call& c) {
  const int32_t* target = c.in[targets].as<int32_t>();
  Problem<T> p(c, false, [&](int64_t token) { return target[token] >= 0; });
  T *logprobs = c.out[0].as<T>(), *entropy = c.out[1].as<T>(), *lse = c.saved[0].as<T>(), *cutoff = c.saved[1].as<T>();
  T* weights = c.scratch<T>(kHeadRows / kTileRows * p.head.V);
  fill_zero(c.out[0]), fill_zero(c.out[1]);
  p.each(
      [&](T* z, int64_t token, int64_t tile) {
        if (target[token] < 0) return;
        const Distribution<T> d = distribution_of(z, z, weights + tile * p.head.V, p.head.V, p.rule);
        const T own = z[target[token]];
        logprobs[token] = own < d.cutoff ? -kInf<T> : own - d.log_norm;
        entropy[token] = d.entropy, lse[token] = d.log_norm, cutoff[token] = d.cutoff;
      },
      [](int64_t, int64_t, int64_t, T*) {}, [](int64_t, int64_t, int64_t) {});
}

template <class T>
void backward(Call& c) {
  auto wanted = [&](int i) { return c.din[i] ? c.din[i].as<T>() : nullptr; };
  T *dx = wanted(x), *dx_uncond = wanted(x_uncond), *dw = wanted(w), *db = wanted(b);
  const T *dlogprobs = c.dout[0].as<T>(), *dentropy = c.dout[1].as<T>(), *entropy = c.out[1].as<T>();
  const T *lse = c.saved[0].as<T>(), *cutoff = c.saved[1].as<T>();
  const int32_t* target = c.in[targets].as<int32_t>();
  // Many rows are without gradient when their samples' groups are invalid.
  auto active = [&](int64_t token) { return target[token] >= 0 && (dlogprobs[token] != 0 || dentropy[token] != 0); };
  Problem<T> p(c, dx || dx_uncond, active);
  const int64_t V = p.head.V, C = p.C, count = p.list.count;
  for (int i : {x, x_uncond})
    if (c.din[i]) fill_zero(c.din[i]);

  T* drows = dx || dx_uncond ? c.scratch<T>(count * C) : nullptr;
  const RowsByBlock<T> packed(c, p.rows, dw ? count : 0, C);
  p.each(
      [&](T* z, int64_t token, int64_t) {
        if (!active(token)) {
          std::fill_n(z, V, T(0));
          return;
        }
        const T inverse = static_cast<T>(1 / p.rule.temperature), own = z[target[token]] * inverse;
        const bool kept = !(own < cutoff[token]) && own != -kInf<T> && (!p.rule.allowed || p.rule.allowed[target[token]]);
        const T dl = kept ? dlogprobs[token] : T(0);
        gradient(z, V, p.rule, {cutoff[token], lse[token], entropy[token], T(0)}, dl, dentropy[token]);
        z[target[token]] += inverse * dl;
      },
      [&](int64_t begin, int64_t n, int64_t k, T* dz) {
        if (drows) p.head.row_gradient(dz, n, drows + begin * C, k > 0);
      },
      [&](int64_t begin, int64_t n, int64_t k) {
        p.head.weight_gradient(p.z, n, packed.block(begin), dw ? dw + k * V * C : nullptr, db ? db + k * V : nullptr);
      });

  const T g = static_cast<T>(p.guidance), h = static_cast<T>(1 - p.guidance);
  for (int64_t i = 0; drows && i < count; ++i)
    for (int64_t j = 0, at = p.list.index[i] * C; j < C; ++j) {
      if (dx) dx[at + j] = g * drows[i * C + j];
      if (dx_uncond) dx_uncond[at + j] = h * drows[i * C + j];
    }
}

}  // namespace

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
