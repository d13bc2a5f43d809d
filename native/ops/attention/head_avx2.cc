#include "ops/attention/decode_kernel.h"
#include "ops/attention/head_kernel.h"

namespace a2s::attention {
const Kernels kAvx2{forward, backward, decode<float>, decode<Bf16>};
}
