#include "ops/gemm/gemm_kernel.h"

namespace a2s::gemm_detail {

constexpr Kernels<float> kBaselineF32 = make_kernels<float, 16, 6>();
constexpr Kernels<double> kBaselineF64 = make_kernels<double, 16, 6>();

}  // namespace a2s::gemm_detail
