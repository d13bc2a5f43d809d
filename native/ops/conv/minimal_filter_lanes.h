// What goes into the products of minimal_filter and what comes out of them, for one line at a time.
#pragma once
#include <cstdint>

namespace a2s {

/** Runs of d positions, by turns of y[t] and of the y[t + d] that are computed with them: column n stands for t = position(n) and for t + d. */
struct Pairs {
  explicit Pairs(int64_t d);
  int64_t position(int64_t n) const { return n / d * 2 * d + n % d; }

  int64_t d;
  // In vectors, where d is not too large for them: of the columns from r < d on, how far their positions are from the first one's; and of
  // the positions from r < 2d on, their columns among those from the first one of either kind on, the second kind's after all lanes.
  static constexpr int kMostVectored = 5, kMostLanes = 16;
  bool vectored = false;
  alignas(64) int32_t positions[kMostVectored][kMostLanes], columns[2 * kMostVectored][kMostLanes];
};

/** The rows of one channel for `columns` columns, whole tiles: of x_i = x[position + i d], for each group of three taps x_0 - x_2; x_1 + x_2;
 *  x_2 - x_1; x_1 - x_3; of the rest, where it is one tap, x_0; none; none; x_1; where it is two, x_1 - x_0; x_1; none; x_2 - x_1. */
template <class T>
struct FilterInputs {
  const Pairs& pairs;
  int64_t taps, columns;
  const T* x;            // of which position(columns) + (taps + 1) d + kFilterSlack are read
  T* to[4];              // for each product its first row, `tile` columns; others follow
  int64_t tile, step;    // step: from a tile to the next one
};
constexpr int64_t kFilterSlack = 32;

/** y[t], t in [begin, end), of the columns' sums a, b, c, e: a + (b + c) and, d later, e + (b - c), to which the residual is added. */
template <class T>
struct FilterOutputs {
  const Pairs& pairs;
  int64_t begin, end;
  const T* sums[4];   // of which kFilterSlack more are read than there are
  const T* residual;  // null: none; may be y
  T* y;
};

void filter_inputs(const FilterInputs<float>& p);
void filter_inputs(const FilterInputs<double>& p);
void filter_outputs(const FilterOutputs<float>& p);
void filter_outputs(const FilterOutputs<double>& p);

}  // namespace a2s
