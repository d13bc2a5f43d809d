// Every op, one line each.
#include "core/op.h"
#include "ops/layer_norm/layer_norm.h"

namespace a2s {

const std::vector<const Op*>& all_ops() {
  static const std::vector<const Op*> ops{
      &layer_norm,
  };
  return ops;
}

}  // namespace a2s
