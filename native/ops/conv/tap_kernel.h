// The inner loop of every dense convolution, forward and backward: a matrix product whose right-hand rows are read where
// they lie. Row r of the implicit matrix is x + offset[r], so that a shifted copy of a signal costs an offset and
// nothing is copied once per tap. Each y[m, n] sums over r in order, in parts of fixed length, wherever n falls in a vector:
// results do not depend on how a signal is cut into blocks. Why not the product of ops/gemm: it packs
// both operands and has panels of one height, 12; here 27 filters are three panels of 9. docs/SPEED.md has the figures.
#pragma once
#include <cstdint>

namespace a2s {

template <class T>
struct TapProduct {
  const T* w;  // [R, M]
  int64_t M;   // at most tap_panel<T>()
  const T* x;
  const int32_t* offset;  // [R]
  int64_t R;
  T* y;  // [M, N], rows ldy apart
  int64_t ldy, N;
  const T* bias = nullptr;   // [M]: where the sums start; null: 0
  bool accumulate = false;   // start from y instead
  const T* residual = nullptr;  // [M, N], rows ldy apart: added; may be y
};

/** y[m, n] = start + residual[m, n] + sum_r w[r, m] * x[offset[r] + n] */
void tap_product(const TapProduct<float>& p);
void tap_product(const TapProduct<double>& p);

/** Most rows a product may have: what fits the registers. */
template <class T>
int64_t tap_panel();

/** Rows [begin(i), begin(i + 1)) of `rows` are panel i: as few panels as fit, of equal height but for one row. */
struct Panels {
  int64_t rows, count;
  Panels(int64_t rows, int64_t most) : rows(rows), count((rows + most - 1) / most) {}
  int64_t begin(int64_t i) const { return i * rows / count; }
  int64_t height(int64_t i) const { return begin(i + 1) - begin(i); }
};

}  // namespace a2s
