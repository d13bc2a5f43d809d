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

/** What a row's gradient is made of; the last two are the gradients of its results times -1 / temperature. */
template <class T>
struct RowGradient {
  T inverse_sum, entropy, dlogprob, dentropy;
};
/** dz[V]: the gradient of logits that weigh w[V], but for the target's own share. */
template <class T>
A2S_INLINE void row_gradient(const T* w, T* dz, int64_t V, const RowGradient<T>& r) {
  if (r.dentropy == 0) {
    const T share = r.inverse_sum * r.dlogprob;
    for (int64_t v = 0; v < V; ++v) dz[v] = share * w[v];
  } else {
    for (int64_t v = 0; v < V; ++v) {
      const T p = r.inverse_sum * w[v], g = p * (r.dlogprob + r.dentropy * (math::log(p) + r.entropy));
      dz[v] = p < std::numeric_limits<T>::min() ? T(0) : g;  // 0 log 0 = 0
    }
  }
}
A2S_CLONES void gradient(const float* w, float* dz, int64_t V, const RowGradient<float>& r) { row_gradient(w, dz, V, r); }
void gradient(const double* w, double* dz, int64_t V, const RowGradient<double>& r) { row_gradient(w, dz, V, r); }

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
  Problem(const Call& c, Products products, Keep&& keep)
      : c(c),
        K(c.integer("codebooks")),
        frames(c.in[x].dim(1)),
        C(c.in[x].dim(2)),
        guidance(c.in[x_uncond] ? c.num("guidance") : 1),
        rule{c.num("temperature"), c.integer("top_k"), c.num("top_p"),
             c.in[allowed] ? c.in[allowed].as<int32_t>() : nullptr},
        head(c, w, b, K, products),
        target(c.in[targets].as<int32_t>()),
        list(c, c.in[x].dim(0), frames, c.in[lengths].as<int32_t>(),
             [&](int64_t item, int64_t t) {
               for (int64_t k = 0; k < K; ++k)
                 if (keep((item * K + k) * frames + t)) return true;
               return false;
             }),
        rows(list.gather(c, c.in[x].as<T>(), C)),
        z(c.scratch<T>(kHeadRows * head.ld)) {
    // The head is linear: mixing its rows with those without conditioning mixes the logits.
    if (guidance != 1)
      for (int64_t i = 0; i < list.count; ++i)
        guide(rows + i * C, c.in[x_uncond].as<T>() + list.index[i] * C, guidance, C);
  }

  /** For each head and block: tile(begin, n, k, z) in parallel for each tile of its rows, whose logits or their gradients z
   *  holds, then block(begin, n, k). */
  template <class Tile, class Block>
  void each(Tile&& tile, Block&& block) {
    for (int64_t k = 0; k < K; ++k) {
      head.select(k);
      for (int64_t begin = 0; begin < list.count; begin += kHeadRows) {
        const int64_t n = std::min(kHeadRows, list.count - begin);
        c.ctx.pool.ranges(n, kTileRows, [&](int64_t first, int64_t last) { tile(begin + first, last - first, k, z + first * head.ld); });
        block(begin, n, k);
      }
    }
  }
};

template <class T>
void forward(Call& c) {
  const int32_t* target = c.in[targets].as<int32_t>();
  Problem<T> p(c, {.logits = true}, [&](int64_t token) { return target[token] >= 0; });
  const int64_t V = p.head.V;
  T *logprobs = c.out[0].as<T>(), *entropy = c.out[1].as<T>();
  T *sum = c.saved[0].as<T>(), *kept = c.saved[1] ? c.saved[1].as<T>() : nullptr;
  T* weights = kept ? nullptr : c.scratch<T>(kHeadRows / kTileRows * V);
  fill_zero(c.out[0]), fill_zero(c.out[1]);
  p.each(
      [&](int64_t begin, int64_t n, int64_t k, T* z) {
        p.head.logits(p.rows + begin * p.C, n, z);
        for (int64_t i = 0; i < n; ++i, z += p.head.ld) {
          const int64_t token = p.list.token(begin + i, k, p.K);
          if (target[token] < 0) continue;
          const Distribution<T> d = distribution_of(z, z, kept ? kept + token * V : weights + begin % kHeadRows / kTileRows * V, V, p.rule);
          const T own = z[target[token]];
          logprobs[token] = own < d.cutoff ? -kInf<T> : own - d.log_norm;
          entropy[token] = d.entropy, sum[token] = d.sum;
        }
      },
      [](int64_t, int64_t, int64_t) {});
}

template <class T>
void backward(Call& c) {
  auto wanted = [&](int i) { return c.din[i] ? c.din[i].as<T>() : nullptr; };
  T *dx = wanted(x), *dx_uncond = wanted(x_uncond), *dw = wanted(w), *db = wanted(b);
  const T *dlogprobs = c.dout[0].as<T>(), *dentropy = c.dout[1].as<T>(), *logprobs = c.out[0].as<T>(), *entropy = c.out[1].as<T>();
  const T *sum = c.saved[0].as<T>(), *weights = c.saved[1].as<T>();
  const int32_t* target = c.in[targets].as<int32_t>();
  // Many rows are without gradient when their samples' groups are invalid.
  auto active = [&](int64_t token) { return target[token] >= 0 && (dlogprobs[token] != 0 || dentropy[token] != 0); };
  Problem<T> p(c, {.row_gradients = dx || dx_uncond}, active);
  const int64_t V = p.head.V, C = p.C, count = p.list.count;
  for (int i : {x, x_uncond})
    if (c.din[i]) fill_zero(c.din[i]);

  T* drows = dx || dx_uncond ? c.scratch<T>(count * C) : nullptr;
  const RowsByBlock<T> packed(c, p.rows, dw ? count : 0, C);
  const T inverse = static_cast<T>(1 / p.rule.temperature);
  p.each(
      [&](int64_t begin, int64_t n, int64_t k, T* tile) {
        for (int64_t i = 0; i < n; ++i) {
          const int64_t token = p.list.token(begin + i, k, p.K);
          T* dz = tile + i * p.head.ld;
          if (!active(token)) {
            std::fill_n(dz, V, T(0));
            continue;
          }
          const T dl = logprobs[token] == -kInf<T> ? T(0) : dlogprobs[token];
          gradient(weights + token * V, dz, V, {1 / sum[token], entropy[token], -inverse * dl, -inverse * dentropy[token]});
          dz[target[token]] += inverse * dl;
        }
        if (drows) p.head.row_gradient(tile, n, drows + begin * C, k > 0);
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
