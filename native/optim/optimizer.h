// The optimizer of a model: gradient norm, clipping and AdamW over the flat buffers of its parameters.
#pragma once
#include "core/op.h"
#include "core/params.h"

namespace a2s {

struct AdamWSettings {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.01;
};

struct StepReport {
  double grad_norm;   // of the trainable parameters, before clipping
  bool clipped;       // the gradients were scaled down to clip_norm
  int64_t nonfinite;  // gradient elements that are NaN or infinite; not 0: nothing was changed
};

/** State beside the parameters and their moments: the number of steps taken. */
class AdamW {
 public:
  explicit AdamW(Params& params, AdamWSettings settings = {}) : params_(params), settings_(settings) {}

  /** One step on the trainable parameters with the gradients as they are; frozen ones stay as they are. Gradients
   *  longer than clip_norm are scaled to it (0: never). Gradients that are not finite change nothing and are reported.
   *  Allocates the moments on the first call and nothing after it. Throws Error(Config) on settings out of range. */
  StepReport step(Context ctx, double lr, double clip_norm = 0);

  /** Steps taken; part of a checkpoint, with the moments. */
  int64_t steps() const { return steps_; }
  void restore_steps(int64_t steps) { steps_ = steps; }

 private:
  Params& params_;
  AdamWSettings settings_;
  int64_t steps_ = 0;
};

}  // namespace a2s
