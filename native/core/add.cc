#include "core/add.h"

#include "core/simd.h"

namespace a2s {

A2S_CLONES void add_range(const float* a, const float* b, float* sum, int64_t n) {
  for (int64_t i = 0; i < n; ++i) sum[i] = a[i] + b[i];
}
void add_range(const double* a, const double* b, double* sum, int64_t n) {
  for (int64_t i = 0; i < n; ++i) sum[i] = a[i] + b[i];
}

}  // namespace a2s
