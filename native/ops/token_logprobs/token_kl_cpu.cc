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

/** Both heads over the valid frames, in blocks. */
template <class T>
struct Problem {
  const Call& c;
  int64_t K, C;
  SamplingRule rule;
  Head<T> head, ref;
  FrameList list;
  T *rows, *ref_rows, *z, *r;

  explicit Problem(const Call& c)
      : c(c),
        K(c.integer("codebooks")),
        C(c.in[x].dim(2)),
        rule{c.num("temperature")},
        head(c, w, b, K),
        ref(c, w_ref, b_ref, K),
        list(c, c.in[x].dim(0), c.in[x].dim(1), c.in[lengths].as<int32_t>(), [](int64_t, int64_t) { return true; }),
        rows(c.scratch<T>(kHeadRows * C)),
        ref_rows(c.scratch<T>(kHeadRows * C)),
        z(c.scratch<T>(kHeadRows * head.V)),
        r(c.scratch<T>(kHeadRows * head.V)) {}

  /** For each block and head k: row(z, r, token, task) for each row in parallel, then done(begin, n, k). */
  template <class Row, class Done>
  void each(Row&& row, Done&& done) const {
    const int64_t V = head.V, grain = row_grain(V);
    for (int64_t begin = 0; begin < list.count; begin += kHeadRows) {
      const int64_t n = std::min(kHeadRows, list.count - begin);
      gather_rows(c.in[x].as<T>(), list.index + begin, n, C, rows);
      gather_rows(c.in[x_ref].as<T>(), list.index + begin, n, C, ref_rows);
      for (int64_t k = 0; k < K; ++k) {
        head.logits(rows, n, k, z);
        ref.logits(ref_rows, n, k, r);
        c.ctx.pool.ranges(n, grain, [&](int64_t first, int64_t last) {
          for (int64_t i = first; i < last; ++i) {
            scale_logits(z + i * V, V, rule);
            scale_logits(r + i * V, V, rule);
            row(z + i * V, r + i * V, list.token(begin + i, k, K), first / grain);
          }
        });
        done(begin, n, k);
      }
    }
  }
};

template <class T>
void forward(Call& c) {
  const Problem<T> p(c);
  const int64_t V = p.head.V;
  T *kl = c.out[0].as<T>(), *lse = c.saved[0].as<T>(), *lse_ref = c.saved[1].as<T>();
  T* weights = c.scratch<T>((kHeadRows + row_grain(V) - 1) / row_grain(V) * V);
  fill_zero(c.out[0]);
  p.each(
      [&](const T* z, const T* r, int64_t token, int64_t task) {
        lse[token] = distribution_of(z, weights + task * V, V, p.rule).log_norm;
        lse_ref[token] = distribution_of(r, weights + task * V, V, p.rule).log_norm;
        kl[token] = divergence(z, r, V, lse[token], lse_ref[token]);
      },
      [](int64_t, int64_t, int64_t) {});
}

template <class T>
void backward(Call& c) {
  const Problem<T> p(c);
  auto wanted = [&](int i) { return c.din[i] ? c.din[i].as<T>() : nullptr; };
  if (c.din[x]) fill_zero(c.din[x]);
  T* drows = c.din[x] ? c.scratch<T>(kHeadRows * p.C) : nullptr;
  const HeadGradient<T> sink{p.head, wanted(w), wanted(b), drows};
  const T *dkl = c.dout[0].as<T>(), *kl = c.out[0].as<T>(), *lse = c.saved[0].as<T>(), *lse_ref = c.saved[1].as<T>();
  const T scale = static_cast<T>(1 / p.rule.temperature);
  p.each(
      [&](T* z, const T* r, int64_t token, int64_t) {
        gradient(z, r, p.head.V, lse[token], lse_ref[token], kl[token], scale * dkl[token]);
      },
      [&](int64_t begin, int64_t n, int64_t k) {
        sink.add(p.rows, p.z, n, k, k == 0);
        if (!drows || k + 1 < p.K) return;
        for (int64_t i = 0; i < n; ++i)
          std::copy_n(drows + i * p.C, p.C, c.din[x].as<T>() + p.list.index[begin + i] * p.C);
      });
}

}  // namespace

void token_kl_axes(Axes& axes, const Call& c) { bind_heads(axes, c); }
void token_kl_check(const Call& c) { check_ints(c, lengths, 0, c.in[x].dim(1)); }
void token_kl_forward(Call& c) { A2S_BY_DTYPE(c, forward); }
void token_kl_backward(Call& c) { A2S_BY_DTYPE(c, backward); }

}  // namespace a2s
