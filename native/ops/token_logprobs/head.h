// K linear heads over selected rows of a batch, one head and one block of rows at a time.
#pragma once
#include <algorithm>

#include "ops/gemm/gemm.h"

namespace a2s {

/** Frames of a batch, as flat indices b * T + t. */
struct FrameList {
  int64_t* index;
  int64_t count = 0;
  int64_t T;

  /** Those with t < lengths[b] for which keep(b, t). */
  template <class F>
  FrameList(const Call& c, int64_t B, int64_t T, const int32_t* lengths, F&& keep)
      : index(c.scratch<int64_t>(B * T)), T(T) {
    for (int64_t b = 0; b < B; ++b)
      for (int64_t t = 0; t < lengths[b]; ++t)
        if (keep(b, t)) index[count++] = b * T + t;
  }
  /** Position of (frame i, codebook k) in a [B, K, T] tensor. */
  int64_t token(int64_t i, int64_t k, int64_t K) const { return (index[i] / T * K + k) * T + index[i] % T; }
};

/** Checks K against w, targets and allowed, and binds it where only an attribute says it. */
void bind_heads(Axes& axes, const Call& c);

constexpr int64_t kHeadRows = 256;  // rows a block: logits of one head stay within a few MB

/** Rows a task of per-row work over V logits. */
inline int64_t row_grain(int64_t V) { return std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(1, V)); }

template <class T>
struct Head {
  Context ctx;
  const T *w, *b;
  int64_t V, C;

  Head(const Call& c, int w_arg, int b_arg, int64_t K)
      : ctx(c.ctx),
        w(c.in[w_arg].as<T>()),
        b(c.in[b_arg] ? c.in[b_arg].as<T>() : nullptr),
        V(c.in[w_arg].dim(0) / K),
        C(c.in[w_arg].dim(1)) {}

  /** z[n, V] = logits of head k for rows[n, C]. */
  void logits(const T* rows, int64_t n, int64_t k, T* z) const {
    gemm(ctx, n, V, C, {rows, C}, {w + k * V * C, C, true}, z, V, {.bias = b ? b + k * V : nullptr});
  }
};

/** Where the gradients of logits go. */
template <class T>
struct HeadGradient {
  const Head<T>& head;
  T *dw, *db;  // null: not wanted
  T* drows;    // [kHeadRows, C], null: not wanted

  /** From dz[n, V], the gradient of head k's logits: drows is assigned by the block's `first` head, then added to. */
  void add(const T* rows, const T* dz, int64_t n, int64_t k, bool first) const {
    const int64_t V = head.V, C = head.C;
    if (drows) gemm(head.ctx, n, C, V, {dz, V}, {head.w + k * V * C, C}, drows, C, {.accumulate = !first});
    if (dw) gemm(head.ctx, V, C, n, {dz, V, true}, {rows, C}, dw + k * V * C, C, {.accumulate = true});
    if (!db) return;
    head.ctx.pool.ranges(V, 256, [&](int64_t begin, int64_t end) {
      for (int64_t i = 0; i < n; ++i)
        for (int64_t v = begin; v < end; ++v) db[k * V + v] += dz[i * V + v];
    });
  }
};

/** rows[i] = x[index[i]] */
template <class T>
void gather_rows(const T* x, const int64_t* index, int64_t n, int64_t C, T* rows) {
  for (int64_t i = 0; i < n; ++i) std::copy_n(x + index[i] * C, C, rows + i * C);
}

}  // namespace a2s
