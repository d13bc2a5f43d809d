#include "core/math.h"
#include "ops/token_logprobs/head.h"
#include "ops/token_logprobs/token_logprobs.h"

namespace a2s {
namespace {

enum Input { x, w, b, x_ref, w_ref, b_ref, lengths };

template <class T>
A2S_INLINE T row_divergence(const T* z, const T* r, int64_t V, T lse, T lse_ref) {
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t v = 0; v < V; ++v) sum += math::exp(z[v] - lse) * ((z[v] - lse) - (r[v] - lse_ref));
  return sum;
}
template <class T>
A2S_INLINE void row_gradient(T* z, const T* r, int64_t V, T lse, T lse_ref, T kl, T scale) {
  for (int64_t v = 0; v < V; ++v) {
    const T l = z[v] - lse;
    z[v] = scale * math::exp(l) * (l - (r[v] - lse_ref) - kl);
  }
}
A2S_CLONES float divergence(const float* z, const float* r, int64_t V, float lse, float lse_ref) {
  return row_divergence(z, r, V, lse, lse_ref);
}
double divergence(const double* z, const double* r, int64_t V, double lse, double lse_ref) {
  return row_divergence(z, r, V, lse, lse_ref);
}
A2S_CLONES void gradient(float* z, const float* r, int64_t V, float lse, float lse_ref, float kl, float scale) {
  row_gradient(z, r, V, lse, lse_ref, kl, scale);
}
void gradient(double* z, const double* r, int64_t V, double lse, double lse_ref, double kl, double scale) {
  row_gradient(z, r, V, lse, lse_ref, kl, scale);
}

/** Both heads over the valid frames. */
template <class T>
struct Problem {
  const Call& c;
  int64_t K, C;
  SamplingRule rule;
  Head<T> head, ref;
  FrameList list;
  T *rows, *ref_rows, *z, *r;

  Problem(const Call& c, bool gradient)
      : c(c),
        K(c.integer("codebooks")),
        C(c.in[x].dim(2)),
        rule{c.num("temperature")},
        head(c, w, b, K, {.logits = true, .row_gradients = gradient}),
        ref(c, w_ref, b_ref, K, {.logits = true}),
        list(c, c.in[x].dim(0), c.in[x].dim(1), c.in[lengths].as<int32_t>(), [](int64_t, int64_t) { return true; }),
        rows(list.gather(c, c.in[x].as<T>(), C)),
        ref_rows(list.gather(c, c.in[x_ref].as<T>(), C)),
        z(c.scratch<T>(kHeadRows * head.ld)),
        r(c.scratch<T>(kHeadRows * head.ld)) {}

  /** For each head and block: row(z, r, token, tile) in parallel, tile(begin, n, k, z) after the last row of a tile, then
   *  block(begin, n, k). */
  template <class Row, class Tile, class Block>
  void each(Row&& row, Tile&& tile, Block&& block) {
    const int64_t V = head.V, ld = head.ld;
    for (int64_t k = 0; k < K; ++k) {
      head.select(k), ref.select(k);
      for (int64_t begin = 0; begin < list.count; begin += kHeadRows) {
        const int64_t n = std::min(kHeadRows, list.count - begin);
        c.ctx.pool.ranges(n, kTileRows, [&](int64_t first, int64_t last) {
          head.logits(rows + (begin + first) * C, last - first, z + first * ld);
          ref.logits(ref_rows + (begin + first) * C, last - first, r + first * ld);
          for (int64_t i = first; i < last; ++i) {
            scale_logits(z + i * ld, V, rule);
            scale_logits(r + i * ld, V, rule);
            row(z + i * ld, r + i * ld, list.token(begin + i, k, K), first / kTileRows);
          }
          tile(begin + first, last - first, k, z + first * ld);
        });
        block(begin, n, k);
      }
    }
  }
};

template <class T>
void forward(Call& c) {
  Problem<T> p(c, false);
  const int64_t V = p.head.V;
  T *kl = c.out[0].as<T>(), *lse = c.saved[0].as<T>(), *lse_ref = c.saved[1].as<T>();
  T* scratch = c.scratch<T>(kHeadRows / kTileRows * 2 * V);
  fill_zero(c.out[0]);
  p.each(
      [&](const T* z, const T* r, int64_t token, int64_t tile) {
        T *same = scratch + tile * 2 * V, *weights = same + V;
        lse[token] = distribution_of(z, same, weights, V, {}).log_norm;
        lse_ref[token] = distribution_of(r, same, weights, V, {}).log_norm;
        kl[token] = divergence(z, r, V, lse[token], lse_ref[token]);
      },
      [](int64_t, int64_t, int64_t, T*) {}, [](int64_t, int64_t, int64_t) {});
}

template <class T>
void backward(Call& c) {
  auto wanted = [&](int i) { return c.din[i] ? c.din[i].as<T>() : nullptr; };
  T *dx = wanted(x), *dw = wanted(w), *db = wanted(b);
  Problem<T> p(c, dx);
  const int64_t V = p.head.V, C = p.C, count = p.list.count;
  T* drows = dx ? c.scratch<T>(count * C) : nullptr;
  RowsByBlock<T> packed(c, p.rows, dw ? count : 0, C);
  const T *dkl = c.dout[0].as<T>(), *kl = c.out[0].as<T>(), *lse = c.saved[0].as<T>(), *lse_ref = c.saved[1].as<T>();
  const T scale = static_cast<T>(1 / p.rule.temperature);
  p.each(
      [&](T* z, const T* r, int64_t token, int64_t) {
        gradient(z, r, V, lse[token], lse_ref[token], kl[token], scale * dkl[token]);
      },
      [&](int64_t begin, int64_t n, int64_t k, const T* dz) {
        if (drows) p.head.row_gradient(dz, n, drows + begin * C, k > 0);
      },
      [&](int64_t begin, int64_t n, int64_t k) {
        p.head.weight_gradient(p.z, n, packed.block(begin), dw ? dw + k * V * C : nullptr, db ? db + k * V : nullptr);
      });
  if (!dx) return;
  fill_zero(c.din[x]);
  for (int64_t i = 0; i < count; ++i) std::copy_n(drows + i * C, C, dx + p.list.index[i] * C);
}

}  // namespace

void token_kl_axes(Axes& axes, const Call& c) { bind_heads(axes, c); }
void token_kl_check(const Call& c) { check_ints(c, lengths, 0, c.in[x].dim(1)); }
void token_kl_forward(Call& c) { A2S_BY_DTYPE(c, forward); }
void token_kl_backward(Call& c) { A2S_BY_DTYPE(c, backward); }

}  // namespace a2s
