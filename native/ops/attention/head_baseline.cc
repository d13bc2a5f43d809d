// The baseline kernels, and the choice among all of them.
#include "core/cpu.h"
#include "ops/attention/decode_kernel.h"
#include "ops/attention/head_kernel.h"

namespace a2s::attention {

const Kernels kBaseline{forward, backward, decode<float>, decode<Bf16>};

namespace {

const Kernels& kernels() {
#if defined(__x86_64__)
  return cpu_isa() >= Isa::avx512 ? kAvx512 : cpu_isa() >= Isa::avx2 ? kAvx2 : kBaseline;
#else
  return kBaseline;
#endif
}

}  // namespace

int64_t forward_scratch(const Head<float>& h) { return Sizes(h).forward(); }
int64_t backward_scratch(const Head<float>& h) { return Sizes(h).backward(); }
void head_forward(const Head<float>& h, float* scratch) { kernels().forward(h, scratch); }
void head_backward(const Head<float>& h, float* scratch) { kernels().backward(h, scratch); }
void decode_head(const DecodeHead<float>& h) { kernels().decode(h); }
void decode_head(const DecodeHead<Bf16>& h) { kernels().decode_bf16(h); }

}  // namespace a2s::attention
