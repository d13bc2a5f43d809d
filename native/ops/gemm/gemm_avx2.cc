#include "ops/gemm/gemm_kernel.h"

namespace a2s::gemm_detail {

constexpr Kernels<float> kAvx2F32 = make_kernels<float, 32, 6>();
constexpr Kernels<double> kAvx2F64 = make_kernels<double, 32, 6>();

}  // namespace a2s::gemm_detail
