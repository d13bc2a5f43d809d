#include "ops/attention/head_kernel.h"

namespace a2s::attention {
const Kernels kAvx2{forward, backward};
}
