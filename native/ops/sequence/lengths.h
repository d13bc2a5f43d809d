// Lengths of ragged batches, as ops read them.
#pragma once
#include "core/tensor.h"

namespace a2s {

/** Length of item b; without lengths every item is full. */
inline int64_t length_of(const Tensor& lengths, int64_t b, int64_t full) { return lengths ? lengths.as<int32_t>()[b] : full; }

}  // namespace a2s
