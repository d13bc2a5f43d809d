#include <algorithm>
#include <cstring>

#include "core/simd.h"
#include "ops/conv/transpose_lines.h"

namespace a2s {
namespace {

typedef float Vector __attribute__((vector_size(32)));
typedef int32_t Index __attribute__((vector_size(32)));

/** An 8 x 8 square by three rounds of exchanges: neighbours, pairs, halves. */
A2S_INLINE void square(float* to, const float* const* from, int64_t i, int64_t rows) {
  Vector a[8], b[8];
#pragma GCC unroll 8
  for (int r = 0; r < 8; ++r) std::memcpy(&a[r], from[r] + i, sizeof(Vector));
#pragma GCC unroll 4
  for (int r = 0; r < 8; r += 2) {
    b[r] = __builtin_shuffle(a[r], a[r + 1], Index{0, 8, 2, 10, 4, 12, 6, 14});
    b[r + 1] = __builtin_shuffle(a[r], a[r + 1], Index{1, 9, 3, 11, 5, 13, 7, 15});
  }
#pragma GCC unroll 4
  for (int k = 0; k < 4; ++k) {
    const int r = k / 2 * 4 + k % 2;
    a[r] = __builtin_shuffle(b[r], b[r + 2], Index{0, 1, 8, 9, 4, 5, 12, 13});
    a[r + 2] = __builtin_shuffle(b[r], b[r + 2], Index{2, 3, 10, 11, 6, 7, 14, 15});
  }
#pragma GCC unroll 4
  for (int r = 0; r < 4; ++r) {
    b[r] = __builtin_shuffle(a[r], a[r + 4], Index{0, 1, 2, 3, 8, 9, 10, 11});
    b[r + 4] = __builtin_shuffle(a[r], a[r + 4], Index{4, 5, 6, 7, 12, 13, 14, 15});
  }
#pragma GCC unroll 8
  for (int r = 0; r < 8; ++r) std::memcpy(to + (i + r) * rows, &b[r], sizeof(Vector));
}

}  // namespace

void transpose_lines_avx2(float* to, const float* from, int64_t rows, int64_t step, int64_t n) {
  // A square over the last rows writes up to 7 elements into the columns after its own. These are written after it:
  // the squares of one run of columns go from the last rows to the first, and the runs from left to right. The last
  // columns are plain, so that nothing is written beyond them.
  const int64_t whole = std::max<int64_t>(0, n - (rows + 6) / rows) / 8 * 8;
  for (int64_t i = 0; i < whole; i += 8)
    for (int64_t r = (rows - 1) / 8 * 8; r >= 0; r -= 8) {
      const float* lines[8];
      for (int64_t k = 0; k < 8; ++k) lines[k] = from + std::min(r + k, rows - 1) * step;
      square(to + r, lines, i, rows);
    }
  for (int64_t i = whole; i < n; ++i)
    for (int64_t r = 0; r < rows; ++r) to[i * rows + r] = from[r * step + i];
}

}  // namespace a2s
