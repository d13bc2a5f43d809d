#include "ops/elementwise/dropout_kernel.h"

namespace a2s::dropout_detail {
const Factors kAvx2 = factors;
}
