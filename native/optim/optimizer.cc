#include "optim/optimizer.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "optim/adamw.h"
#include "optim/grad_norm.h"

namespace a2s {
namespace {

/** Calls f(begin, end) for each stretch of the flat buffers between frozen parameters. */
template <class F>
void trainable_stretches(const Params& params, F&& f) {
  int64_t begin = 0;
  for (const Param& p : params.list()) {
    if (p.trainable) continue;
    if (p.offset > begin) f(begin, p.offset);
    begin = p.offset + p.value.size();
  }
  if (params.flat_size() > begin) f(begin, params.flat_size());
}

Tensor stretch(void* buffer, DType dtype, int64_t begin, int64_t end) {
  return make_tensor(static_cast<char*>(buffer) + begin * static_cast<int64_t>(size_of(dtype)), dtype, {end - begin});
}

}  // namespace

StepReport AdamW::step(Context ctx, double lr, double clip_norm) {
  if (!(clip_norm >= 0)) fail_config("optimizer: clip_norm: expected at least 0, got " + std::to_string(clip_norm));
  const DType dtype = params_.dtype();
  SquareSum squares;
  trainable_stretches(params_, [&](int64_t begin, int64_t end) {
    const SquareSum s = square_sum(ctx, stretch(params_.grads(), dtype, begin, end));
    squares.sum += s.sum, squares.nonfinite += s.nonfinite;
  });
  const double norm = std::sqrt(squares.sum);
  if (squares.nonfinite) return {norm, false, squares.nonfinite};
  const double scale = clip_norm > 0 ? std::min(1.0, clip_norm / (norm + 1e-6)) : 1;

  params_.allocate_moments();
  trainable_stretches(params_, [&](int64_t begin, int64_t end) {
    Call c(adamw, ctx);
    void* buffers[] = {params_.values(), params_.grads(), params_.exp_avg(), params_.exp_avg_sq()};
    for (int i = 0; i < 4; ++i) c.in[i] = stretch(buffers[i], dtype, begin, end);
    c.out[0].data = c.in[0].data, c.out[1].data = c.in[2].data, c.out[2].data = c.in[3].data;
    c.set("lr", lr), c.set("beta1", settings_.beta1), c.set("beta2", settings_.beta2), c.set("eps", settings_.eps);
    c.set("weight_decay", settings_.weight_decay), c.set("grad_scale", scale);
    c.set("step", static_cast<double>(steps_ + 1));
    prepare(c);
    run_forward(c);
  });
  params_.changed();
  ++steps_;
  return {norm, scale < 1, 0};
}

}  // namespace a2s
