#include "ops/gemm/gemm_kernel.h"

namespace a2s::gemm_detail {

template <>
constinit const Kernels<float> KernelsFor<float>::avx2 = make_kernels<float, 32, 6>();
template <>
constinit const Kernels<double> KernelsFor<double>::avx2 = make_kernels<double, 32, 6>();
constinit const Bf16Kernels Bf16KernelsFor::avx2 = make_bf16_kernels<WideningStep, 32, 6>();

}  // namespace a2s::gemm_detail
