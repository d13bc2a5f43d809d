// The baseline kernel, and the choice among all of them.
#include "core/cpu.h"
#include "ops/elementwise/dropout_kernel.h"

namespace a2s {

const dropout_detail::Factors dropout_detail::kBaseline = factors;

void DropoutMask::factors(uint64_t sample, uint64_t first, int64_t n, float* out) const {
  using namespace dropout_detail;
#if defined(__x86_64__)
  static const Factors best = cpu_isa() >= Isa::avx512 ? kAvx512 : cpu_isa() >= Isa::avx2 ? kAvx2 : kBaseline;
#else
  static const Factors best = kBaseline;
#endif
  best(*this, sample, first, n, out);
}

}  // namespace a2s
