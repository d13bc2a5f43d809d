// The sum of two ranges.
#pragma once
#include <cstdint>

namespace a2s {

/** sum[i] = a[i] + b[i] for i < n; sum may be a or b. */
void add_range(const float* a, const float* b, float* sum, int64_t n);
void add_range(const double* a, const double* b, double* sum, int64_t n);

}  // namespace a2s
