#include "ops/conv/transpose_lines.h"

#include "core/cpu.h"

namespace a2s {

void transpose_lines_avx2(float* to, const float* from, int64_t rows, int64_t step, int64_t n);

namespace {

template <class T>
void plain(T* to, const T* from, int64_t rows, int64_t step, int64_t n) {
  for (int64_t i = 0; i < n; ++i)
    for (int64_t r = 0; r < rows; ++r) to[i * rows + r] = from[r * step + i];
}

}  // namespace

void transpose_lines(float* to, const float* from, int64_t rows, int64_t step, int64_t n) {
#if defined(__x86_64__)
  if (cpu_isa() >= Isa::avx2) return transpose_lines_avx2(to, from, rows, step, n);
#endif
  plain(to, from, rows, step, n);
}

void transpose_lines(double* to, const double* from, int64_t rows, int64_t step, int64_t n) { plain(to, from, rows, step, n); }

}  // namespace a2s
