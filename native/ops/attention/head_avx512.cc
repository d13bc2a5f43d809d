#include "ops/attention/head_kernel.h"

namespace a2s::attention {
const Kernels kAvx512{forward, backward};
}
