#include "ops/gemm/gemm_kernel.h"

namespace a2s::gemm_detail {

constexpr Kernels<float> kAvx512F32 = make_kernels<float, 64, 12>();
constexpr Kernels<double> kAvx512F64 = make_kernels<double, 64, 12>();

}  // namespace a2s::gemm_detail
