// Every op, one line each.
#include "core/op.h"
#include "ops/conv/conv.h"
#include "ops/layer_norm/layer_norm.h"
#include "ops/resample/resample.h"
#include "ops/spectral/spectral.h"

namespace a2s {

const std::vector<const Op*>& all_ops() {
  static const std::vector<const Op*> ops{
      &conv1d,
      &conv2d,
      &conv_transpose1d,
      &layer_norm,
      &stft,
      &log_stft,
      &log_mel,
      &masked_l1,
      &spectral_convergence,
      &resample,
  };
  return ops;
}

}  // namespace a2s
