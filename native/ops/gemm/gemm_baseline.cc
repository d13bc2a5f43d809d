#include "ops/gemm/gemm_kernel.h"

namespace a2s::gemm_detail {

template <>
constinit const Kernels<float> KernelsFor<float>::baseline = make_kernels<float, 16, 6>();
template <>
constinit const Kernels<double> KernelsFor<double>::baseline = make_kernels<double, 16, 6>();
constinit const Bf16Kernels Bf16KernelsFor::baseline = make_bf16_kernels<WideningStep, 16, 6>();

}  // namespace a2s::gemm_detail
