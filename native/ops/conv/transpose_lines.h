// Turns lines into columns: the packing step that both operands of a convolution's matrix products share.
#pragma once
#include <cstdint>

namespace a2s {

/** to[i * rows + r] = from[r * step + i] for r < rows, i < n. */
void transpose_lines(float* to, const float* from, int64_t rows, int64_t step, int64_t n);
void transpose_lines(double* to, const double* from, int64_t rows, int64_t step, int64_t n);

}  // namespace a2s
