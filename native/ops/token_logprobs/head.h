// K linear heads over selected rows of a batch: one head after another, and its logits in blocks of rows that stay in a
// cache. A block is computed tile by tile; what a tile's logits are needed for happens while they are warm.
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

  /** The listed rows of x[B, T, C], one after another. */
  template <class T_>
  T_* gather(const Call& c, const T_* x, int64_t C) const {
    T_* rows = c.scratch<T_>(count * C);
    for (int64_t i = 0; i < count; ++i) std::copy_n(x + index[i] * C, C, rows + i * C);
    return rows;
  }
};

/** Checks K against w, targets and allowed, and binds it where only an attribute says it. */
void bind_heads(Axes& axes, const Call& c);

/** sum[m] += the sum of n rows of m elements, `ld` apart. */
void add_rows(const float* rows, int64_t ld, int64_t n, int64_t m, float* sum);
void add_rows(const double* rows, int64_t ld, int64_t n, int64_t m, double* sum);

constexpr int64_t kTileRows = 24;               // rows a task: two of the product's own tiles
constexpr int64_t kHeadRows = 12 * kTileRows;   // rows a block: its logits stay within a few MB
constexpr int64_t kGradientIds = 16 * 12;       // ids a task of the weight's gradient

/** The rows of each block as the second operand of the weights' gradients, packed once for all heads. */
template <class T>
class RowsByBlock {
 public:
  RowsByBlock(const Call& c, const T* rows, int64_t count, int64_t C)
      : count_(count),
        C_(C),
        room_(packed_size<T>(kHeadRows, C, c.ctx.bf16)),
        bf16_(c.ctx.bf16),
        memory_(c.scratch<T>((count + kHeadRows - 1) / kHeadRows * room_)) {
    for (int64_t begin = 0; begin < count; begin += kHeadRows)
      pack(c.ctx, block(begin).K, C, {rows + begin * C, C}, memory_ + begin / kHeadRows * room_);
  }
  Packed<T> block(int64_t begin) const {
    return {memory_ + begin / kHeadRows * room_, std::min(kHeadRows, count_ - begin), C_, bf16_};
  }

 private:
  int64_t count_, C_, room_;
  bool bf16_;
  T* memory_;
};

/** What a head's weights are packed for. */
struct Products {
  bool logits = false, row_gradients = false;
};

/** One of the heads at a time. */
template <class T>
class Head {
 public:
  Head(const Call& c, int w_arg, int b_arg, int64_t K, Products products)
      : V(c.in[w_arg].dim(0) / K),
        C(c.in[w_arg].dim(1)),
        ld(((V + 15) / 16 | 1) * 16),
        ctx_(c.ctx),
        all_w_(c.in[w_arg].as<T>()),
        all_b_(c.in[b_arg] ? c.in[b_arg].as<T>() : nullptr),
        products_(products) {}

  void select(int64_t k) {
    const T* w = all_w_ + k * V * C;
    if (products_.logits) w_ = packed(C, V, w, Use::forward, {w, C, true}, memory_);
    if (products_.row_gradients) back_w_ = packed(V, C, w, Use::backward, {w, C}, back_memory_);
    b_ = all_b_ ? all_b_ + k * V : nullptr;
  }
  /** z[n, V] = logits of rows[n, C]; rows of z are `ld` apart, as everywhere here. */
  void logits(const T* rows, int64_t n, T* z) const { gemm(ctx_, n, {rows, C}, w_, z, ld, {.bias = b_}); }
  /** drows[n, C] = or += what dz[n, V], a gradient of logits, gives to the rows. */
  void row_gradient(const T* dz, int64_t n, T* drows, bool add) const {
    gemm(ctx_, n, {dz, ld}, back_w_, drows, C, {.accumulate = add});
  }
  /** dw[V, C] += dzᵀ rows and db[V] += the sum of dz[n, V]; null: not wanted. */
  void weight_gradient(const T* dz, int64_t n, const Packed<T>& rows, T* dw, T* db) const {
    if (!dw && !db) return;
    ctx_.pool.ranges(V, kGradientIds, [&](int64_t begin, int64_t end) {
      if (dw) gemm(ctx_, end - begin, {dz + begin, ld, true}, rows, dw + begin * C, C, {.accumulate = true});
      if (db) add_rows(dz + begin, ld, n, end - begin, db + begin);
    });
  }

  const int64_t V, C;
  const int64_t ld;  // from one row of logits to the next: an odd number of lines of the cache, which rows then share evenly

 private:
  /** For all passes of a call, or in `memory`, which is taken when it is needed first. */
  Packed<T> packed(int64_t K, int64_t N, const T* w, Use use, const Matrix<T>& B, T*& memory) {
    const Packed<T> shared = shared_pack(ctx_, K, N, w, use, [&] { return B; });
    if (shared.data) return shared;
    if (!memory) memory = ctx_.scratch.template alloc<T>(packed_size<T>(K, N, ctx_.bf16));
    return pack(ctx_, K, N, B, memory);
  }

  Context ctx_;
  const T *all_w_, *all_b_, *b_ = nullptr;
  Products products_;
  T *memory_ = nullptr, *back_memory_ = nullptr;
  Packed<T> w_, back_w_;
};

}  // namespace a2s
