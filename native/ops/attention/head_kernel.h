// The f32 kernels of one head, compiled once per instruction set. A block of query rows keeps its whole score rows in
// scratch, [kBlock, keys]: sequences are short enough for that, and it makes every softmax one exact pass. All products
// are one register tile with strides, so P, its transpose and the packed keys are read in place. Over 300 lines because
// both passes share the tile, the packing and the arithmetic of a row.
#pragma once
#include <cfloat>

#include "ops/attention/head.h"
#include "ops/attention/vectors.h"
#include "ops/elementwise/transpose4.h"

namespace a2s::attention {

constexpr int64_t kBlock = 48;  // query rows whose scores are held at once; a multiple of every kRows
constexpr int64_t kPanel = 32;  // widest panel of packed keys

namespace {

// Two vectors wide and kRows high: kRows * 2 + 3 registers.
constexpr int kRows = kLanes == 16 ? 8 : kLanes == 8 ? 6 : 4, kColumns = 2 * kLanes;

/** An operand in memory: element (i, j) at p + i * row + j * col. */
struct Strided {
  const float* p;
  int64_t row, col;
};

/** C[kRows, kVectors * kLanes] = or += A[kRows, K] B[K, ..], the columns of B adjacent. */
template <int kVectors>
A2S_INLINE void tile(int64_t K, const Strided& A, const float* b, int64_t ldb, float* c, int64_t ldc, bool add) {
  Vec sum[kRows][kVectors] = {};
  const float* a = A.p;
#pragma GCC unroll 2
  for (int64_t k = 0; k < K; ++k, a += A.col, b += ldb) {
    Vec x[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) x[v] = *reinterpret_cast<const Vec*>(b + v * kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) sum[i][v] += a[i * A.row] * x[v];
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) {
      Vec* out = reinterpret_cast<Vec*>(c + i * ldc + v * kLanes);
      *out = add ? *out + sum[i][v] : sum[i][v];
    }
}

/** C[kRows, N] = or += A B. Columns j of B start at b.p + j * b.col, its rows are b.row apart; N is whole vectors. */
void tile_row(int64_t N, int64_t K, const Strided& A, const Strided& B, float* c, int64_t ldc, bool add) {
  for (int64_t j = 0; j < N; j += kColumns) {
    const float* b = B.p + j * B.col;
    if (N - j > kLanes) tile<2>(K, A, b, B.row, c + j, ldc, add);
    else tile<1>(K, A, b, B.row, c + j, ldc, add);
  }
}

/** A head reads `width` columns of long rows; the next head to be computed reads those after them. */
A2S_INLINE void prefetch_next_head(const float* row, int64_t width) {
  for (int64_t d = 0; d < width; d += 16) __builtin_prefetch(row + width + d);
}

/** rows x width of x, times `factor`, to rows of `padded` with zeros to the right, and zero rows up to `all`. */
void copy_rows(const float* x, int64_t stride, int64_t rows, int64_t all, int64_t width, float factor, float* out) {
  const int64_t padded = round_up(width, kLanes);
  for (int64_t r = 0; r < all; ++r) {
    const int64_t n = r < rows ? width : 0;
    prefetch_next_head(x + r * stride, n);
    for (int64_t d = 0; d < n; ++d) out[r * padded + d] = x[r * stride + d] * factor;
    for (int64_t d = n; d < padded; ++d) out[r * padded + d] = 0;
  }
}

/** Panels of kColumns rows of x, each transposed: element d of row j at out[(j / kColumns * width + d) * kColumns + j % kColumns]. */
void pack_transposed(const float* x, int64_t stride, int64_t rows, int64_t width, float* out) {
  for (int64_t j0 = 0; j0 < rows; j0 += kColumns, out += width * kColumns)
    for (int64_t j = 0; j < kColumns; j += 4) {
      const float* from = x + (j0 + j) * stride;
      for (int i = 0; i < 4 && j0 + j + i < rows; ++i) prefetch_next_head(from + i * stride, width);
      int64_t d = 0;
      for (; j0 + j + 4 <= rows && d + 4 <= width; d += 4) transpose4(from + d, stride, out + d * kColumns + j, kColumns);
      for (; d < width; ++d)
        for (int64_t i = 0; i < 4; ++i) out[d * kColumns + j + i] = j0 + j + i < rows ? from[i * stride + d] : 0.f;
    }
}

/** Keys or values as a cache in bf16 would keep them. */
void round_all(float* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) x[i] = widened(to_bf16(x[i]));
}

// ---- rows of scores; n is whole vectors, what lies beyond the keys is -inf -----------------------------------------

/** The largest of each of kCount rows, side by side: a row alone is short enough to be waiting for itself. */
template <int kCount>
A2S_INLINE void rows_max(const float* s, int64_t ld, int64_t n, float* to) {
  auto larger = [](auto a, auto b) { return a > b ? a : b; };
  Vec top[kCount];
  for (int i = 0; i < kCount; ++i) top[i] = load(s + i * ld);
  for (int64_t j = kLanes; j < n; j += kLanes)
#pragma GCC unroll 8
    for (int i = 0; i < kCount; ++i) top[i] = larger(load(s + i * ld + j), top[i]);
  for (int i = 0; i < kCount; ++i) to[i] = reduce<kLanes>(top[i], larger);
}

A2S_INLINE float row_sum(const float* s, int64_t n) {
  Vec sum = load(s);
  for (int64_t j = kLanes; j < n; j += kLanes) sum += load(s + j);
  return total(sum);
}

A2S_INLINE int64_t keys_of(const Head<float>& h, int64_t i) { return h.causal ? least(i + 1, h.keys) : h.keys; }

/** Columns of the scores of the tile row that begins with row i: the keys that its last row sees, in whole vectors. */
A2S_INLINE int64_t columns_of(const Head<float>& h, int64_t i) { return round_up(keys_of(h, i + kRows - 1), kLanes); }

/** -inf from `keys` on, which are few enough to lie in the last two vectors, and zeros in the vector after those: as far as any tile reads. */
A2S_INLINE void end_row(float* s, int64_t keys, int64_t n) {
  static const float kIndex[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  for (int64_t j = most(0, n - 2 * kLanes); j < n; j += kLanes)
    store(s + j, load(kIndex) < static_cast<float>(keys - j) ? load(s + j) : Vec{} - HUGE_VALF);
  store(s + n, Vec{});
}

constexpr float kLogFloor = -87.33654475f;  // log(FLT_MIN)

/** Scores to log-scores under the prior; `raw_lse` is that of the scores where a clamp makes it matter, else 0. */
void add_prior(const Head<float>& h, int64_t i, int64_t keys, float raw_lse, float* s) {
  const float *prior = h.prior + i * h.columns, low = h.strict ? kLogFloor : -HUGE_VALF;
#pragma omp simd
  for (int64_t j = 0; j < keys; ++j) {
    const float x = s[j] - raw_lse + math::log(prior[j] + h.prior_eps);
    s[j] = x < low ? low : x;
  }
}

/** Pieces of a head's scratch, padded for the widest kernels: the same for every instruction set. */
struct Sizes {
  int64_t ld;      // row length of the scores, off a multiple of 4 KiB
  int64_t packed;  // keys or values, transposed
  int64_t rows;    // keys, values or gradients as rows
  int64_t block;   // rows of one block
  int64_t scores;  // scores of one block

  explicit Sizes(const Head<float>& h) : ld(round_up(h.keys, kPanel) + 16) {
    const int64_t width = round_up(h.width, 16);
    packed = width * ld, rows = ld * width, block = kBlock * width, scores = kBlock * ld;
  }
  int64_t forward() const { return packed + rows + 2 * block + scores + ld; }
  int64_t backward() const { return 2 * packed + 3 * rows + 3 * block + 2 * scores + 3 * ld; }
};

/** Takes a head's scratch piece by piece. */
struct Work : Sizes {
  int64_t width;  // D in whole vectors
  float* next;

  Work(const Head<float>& h, float* scratch) : Sizes(h), width(round_up(h.width, kLanes)), next(scratch) {}
  float* take(int64_t n) {
    float* p = next;
    next += n;
    return p;
  }
};

/** s = x · packedᵀ for the block of `rows` rows from i0 on; each tile row stops after the last key that it sees. */
void block_scores(const Head<float>& h, int64_t i0, int64_t rows, const float* x, const Work& w, const float* packed, float* s) {
  for (int64_t r = 0; r < rows; r += kRows) {
    tile_row(columns_of(h, i0 + r), h.width, {x + r * w.width, w.width, 1}, {packed, kColumns, h.width}, s + r * w.ld, w.ld, false);
  }
}

/** out[rows, width] = block · x, where x[keys, width] are values or keys. */
void block_times_rows(const Head<float>& h, int64_t i0, int64_t rows, const float* s, const Work& w, const float* x, float* out) {
  for (int64_t r = 0; r < rows; r += kRows)
    tile_row(w.width, keys_of(h, i0 + r + kRows - 1), {s + r * w.ld, w.ld, 1}, {x, w.width, 1}, out + r * w.width, w.width, false);
}

/** out[keys, width] += blockᵀ · x, where x[rows, width] are queries or gradients. */
void add_transposed_times(const Head<float>& h, int64_t i0, int64_t rows, const float* s, const Work& w, const float* x, float* out) {
  const int64_t keys = keys_of(h, i0 + rows - 1);
  for (int64_t j = 0; j < keys; j += kRows) {
    const int64_t first = h.causal ? most(0, j - i0) : 0;  // earlier rows do not see key j
    tile_row(w.width, rows - first, {s + first * w.ld + j, 1, w.ld}, {x + first * w.width, w.width, 1}, out + j * w.width, w.width, true);
  }
}

void fill(float* p, int64_t begin, int64_t end, float value) {
  for (int64_t j = begin; j < end; ++j) p[j] = value;
}

/** The result of rows that see no key. */
void zero_rows(const Head<float>& h, float* x, int64_t stride, int64_t width) {
  for (int64_t i = h.row_begin; x && i < h.row_end; ++i) fill(x + i * stride, 0, width, 0);
}

// ---- forward ------------------------------------------------------------------------------------------------------

/** Of each row of a block: the largest log-score and the sum of the exponentials above it. */
struct Sums {
  float top[kBlock], sum[kBlock];
};

/** Makes the scores of row i, of n columns, log-scores. */
void finish_scores(const Head<float>& h, int64_t i, int64_t n, float* s, float* spare) {
  const int64_t keys = keys_of(h, i);
  end_row(s, keys, n);
  if (!h.prior) return;
  float raw = 0;
  if (h.strict) {
    rows_max<1>(s, 0, n, &raw);
    raw += math::log(row_exp(s, n, raw, spare));
    if (h.raw_lse) h.raw_lse[i] = raw;
  }
  add_prior(h, i, keys, raw, s);
}

/** Log-scores of row i to dropped-out, unnormalised probabilities; returns the sum before dropout. */
float forward_row(const Head<float>& h, int64_t i, int64_t n, float top, float* s, float* factor) {
  const int64_t keys = keys_of(h, i);
  const float sum = row_exp(s, n, top, s);
  if (h.probs) {
    float* out = h.probs + i * h.columns;
    for (int64_t j = 0; j < keys; ++j) out[j] = s[j] / sum;
    fill(out, keys, h.columns, 0);
  }
  if (h.dropout) {
    h.dropout.factors(h.sample, h.first_element + i * h.columns, keys, factor);
    for (int64_t j = 0; j < keys; ++j) s[j] *= factor[j];
  }
  return sum;
}

/** All rows of a block, a tile row at a time. */
void forward_rows(const Head<float>& h, int64_t i0, int64_t rows, const Work& w, float* s, float* factor, Sums* of) {
  for (int64_t first = 0; first < rows; first += kRows) {
    const int64_t n = columns_of(h, i0 + first), end = least(first + kRows, rows);
    for (int64_t r = first; r < end; ++r) finish_scores(h, i0 + r, n, s + r * w.ld, factor);
    rows_max<kRows>(s + first * w.ld, w.ld, n, of->top + first);
    for (int64_t r = first; r < end; ++r) of->sum[r] = forward_row(h, i0 + r, n, of->top[r], s + r * w.ld, factor);
  }
}

void forward(const Head<float>& h, float* scratch) {
  if (h.keys == 0) {
    zero_rows(h, h.y, h.y_stride, h.width);
    zero_rows(h, h.probs, h.columns, h.columns);
    return;
  }
  Work w(h, scratch);
  float *packed = w.take(w.packed), *values = w.take(w.rows), *q = w.take(w.block), *y = w.take(w.block);
  float *s = w.take(w.scores), *factor = w.take(w.ld);
  pack_transposed(h.k, h.kv_stride, h.keys, h.width, packed);
  if (h.y) copy_rows(h.v, h.kv_stride, h.keys, h.keys, h.width, 1, values);
  if (h.bf16) round_all(packed, round_up(h.keys, kColumns) * h.width);
  if (h.bf16 && h.y) round_all(values, h.keys * w.width);
  for (int64_t i0 = h.row_begin; i0 < h.row_end; i0 += kBlock) {
    const int64_t rows = least(kBlock, h.row_end - i0), all = round_up(rows, kRows);
    copy_rows(h.q + i0 * h.q_stride, h.q_stride, rows, all, h.width, h.scale, q);
    block_scores(h, i0, all, q, w, packed, s);
    Sums of;
    forward_rows(h, i0, rows, w, s, factor, &of);
    for (int64_t r = 0; h.lse && r < rows; ++r) h.lse[i0 + r] = of.top[r] + math::log(of.sum[r]);
    if (!h.y) continue;
    block_times_rows(h, i0, all, s, w, values, y);
    for (int64_t r = 0; r < rows; ++r) {
      const float share = 1 / of.sum[r];
      for (int64_t d = 0; d < h.width; ++d) h.y[(i0 + r) * h.y_stride + d] = y[r * w.width + d] * share;
    }
  }
}

// ---- backward -----------------------------------------------------------------------------------------------------

/** Spare rows of one head's backward. */
struct Spare {
  float *factor, *raw, *open;
};

/** Scores s and d = dy . v of row i, of n columns, to the weights of the values (in s) and the gradients of the scores (in d). */
void backward_row(const Head<float>& h, int64_t i, int64_t n, float* s, float* d, const Spare& spare) {
  const int64_t keys = keys_of(h, i);
  const bool strict = h.prior && h.strict;
  const float lse = h.lse[i];
  end_row(s, keys, n);
  store(d + n, Vec{});
  if (strict) row_exp(s, n, h.raw_lse[i], spare.raw);
  if (h.prior) add_prior(h, i, keys, strict ? h.raw_lse[i] : 0, s);
  if (strict)
    for (int64_t j = 0; j < n; ++j) spare.open[j] = s[j] > kLogFloor ? 1.f : 0.f;
  if (h.dropout) {
    h.dropout.factors(h.sample, h.first_element + i * h.columns, keys, spare.factor);
    for (int64_t j = 0; j < keys; ++j) d[j] *= spare.factor[j];
  }
  Vec dot{};
  for (int64_t j = 0; j < n; j += kLanes) {
    const Vec p = exp_of(load(s + j) - lse);
    store(s + j, p);
    dot += p * load(d + j);
  }
  const float mean = total(dot);
  for (int64_t j = 0; j < n; j += kLanes) store(d + j, load(s + j) * (load(d + j) - mean));
  if (strict) {  // a clamped log-score has no gradient, and then the log-softmax under it has one
    for (int64_t j = 0; j < n; ++j) d[j] *= spare.open[j];
    const float sum = row_sum(d, n);
    for (int64_t j = 0; j < n; ++j) d[j] -= spare.raw[j] * sum;
  }
  if (h.dropout)
    for (int64_t j = 0; j < keys; ++j) s[j] *= spare.factor[j];
}

void backward(const Head<float>& h, float* scratch) {
  if (h.keys == 0) return zero_rows(h, h.dq, h.q_stride, h.width);
  Work w(h, scratch);
  float *packed_keys = w.take(w.packed), *packed_values = w.take(w.packed), *keys = w.take(w.rows);
  float *q = w.take(w.block), *dy = w.take(w.block), *dq = w.take(w.block);
  float *s = w.take(w.scores), *d = w.take(w.scores), *dk = w.take(w.rows), *dv = w.take(w.rows);
  const Spare spare{w.take(w.ld), w.take(w.ld), w.take(w.ld)};
  pack_transposed(h.k, h.kv_stride, h.keys, h.width, packed_keys);
  pack_transposed(h.v, h.kv_stride, h.keys, h.width, packed_values);
  copy_rows(h.k, h.kv_stride, h.keys, h.keys, h.width, 1, keys);
  if (h.bf16) {
    for (float* x : {packed_keys, packed_values}) round_all(x, round_up(h.keys, kColumns) * h.width);
    round_all(keys, h.keys * w.width);
  }
  fill(dk, 0, w.rows, 0), fill(dv, 0, w.rows, 0);
  for (int64_t i0 = h.row_begin; i0 < h.row_end; i0 += kBlock) {
    const int64_t rows = least(kBlock, h.row_end - i0), all = round_up(rows, kRows);
    copy_rows(h.q + i0 * h.q_stride, h.q_stride, rows, all, h.width, h.scale, q);
    copy_rows(h.dy + i0 * h.y_stride, h.y_stride, rows, all, h.width, 1, dy);
    block_scores(h, i0, all, q, w, packed_keys, s);
    block_scores(h, i0, all, dy, w, packed_values, d);
    for (int64_t r = 0; r < rows; ++r)
      backward_row(h, i0 + r, columns_of(h, i0 + r / kRows * kRows), s + r * w.ld, d + r * w.ld, spare);
    if (h.dq) {
      block_times_rows(h, i0, all, d, w, keys, dq);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < h.width; ++c) h.dq[(i0 + r) * h.q_stride + c] = dq[r * w.width + c] * h.scale;
    }
    if (h.dk) {
      add_transposed_times(h, i0, rows, s, w, dy, dv);
      add_transposed_times(h, i0, rows, d, w, q, dk);
    }
  }
  if (!h.dk) return;
  for (int64_t j = 0; j < h.keys; ++j)
    for (int64_t c = 0; c < h.width; ++c) {
      h.dk[j * h.kv_stride + c] = dk[j * w.width + c];
      h.dv[j * h.kv_stride + c] = dv[j * w.width + c];
    }
}

}  // namespace
}  // namespace a2s::attention
