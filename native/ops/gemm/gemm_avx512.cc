#include "ops/gemm/gemm_kernel.h"

namespace a2s::gemm_detail {

template <>
constinit const Kernels<float> KernelsFor<float>::avx512 = make_kernels<float, 64, 12>();
template <>
constinit const Kernels<double> KernelsFor<double>::avx512 = make_kernels<double, 64, 12>();
constinit const Bf16Kernels Bf16KernelsFor::avx512 = make_bf16_kernels<WideningStep, 64, 12>();

}  // namespace a2s::gemm_detail
