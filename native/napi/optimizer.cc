#include "napi/optimizer.h"

#include "napi/params.h"
#include "napi/settings.h"
#include "napi/task.h"
#include "optim/optimizer.h"

namespace a2s::js {
namespace {

/** Keeps the model alive whose parameters it changes. */
struct Optimizer {
  std::shared_ptr<Params> params;
  AdamW adamw;
};

}  // namespace

template <>
struct HandleKind<Optimizer> {
  static constexpr napi_type_tag tag{0x2f9ad0735b8c4e16, 0xb1087c4de6f3529a};
  static constexpr const char* name = "Optimizer";
};

namespace {

std::shared_ptr<Optimizer> optimizer_of(const Napi::Value& value) { return object_of<Optimizer>("optimizer", value); }

}  // namespace

Napi::Value optimizer_new(const Napi::CallbackInfo& info) {
  AdamWSettings settings;
  Settings s("optimizer", info[1]);
  s.read("beta1", settings.beta1);
  s.read("beta2", settings.beta2);
  s.read("eps", settings.eps);
  s.read("weightDecay", settings.weight_decay);
  s.finish();
  std::shared_ptr<Params> params = object_of<Params>("optimizer: params", info[0]);
  // The moments, as large as values and gradients together, live in the model's buffers.
  int64_t bytes = bytes_of(*params);
  return make_handle(info.Env(), std::make_shared<Optimizer>(params, AdamW(*params, settings)), bytes);
}

Napi::Value optimizer_step(const Napi::CallbackInfo& info) {
  double lr = 0, clip_norm = 0;
  Settings s("optimizer", info[1]);
  s.read("lr", lr);
  s.read("clipNorm", clip_norm);
  s.finish();
  auto step = [optimizer = optimizer_of(info[0]), lr, clip_norm](Workspace& w) {
    return optimizer->adamw.step(w.context(), lr, clip_norm);
  };
  return submit(info.Env(), info[2], step, [](Napi::Env env, const StepReport& report) -> Napi::Value {
    auto object = Napi::Object::New(env);
    object.Set("gradNorm", report.grad_norm);
    object.Set("clipped", report.clipped);
    object.Set("nonFinite", static_cast<double>(report.nonfinite));
    return object;
  });
}

Napi::Value optimizer_steps(const Napi::CallbackInfo& info) {
  return submit(
      info.Env(), info.Env().Undefined(), [optimizer = optimizer_of(info[0])](Workspace&) { return optimizer->adamw.steps(); },
      [](Napi::Env env, int64_t steps) -> Napi::Value { return Napi::Number::New(env, static_cast<double>(steps)); });
}

Napi::Value optimizer_restore(const Napi::CallbackInfo& info) {
  int64_t steps = to_integer("optimizer: steps", info[1], 0, int64_t{1} << 53, ErrorCode::Checkpoint);
  auto restore = [optimizer = optimizer_of(info[0]), steps](Workspace&) {
    optimizer->adamw.restore_steps(steps);
    return Done{};
  };
  return submit(info.Env(), info.Env().Undefined(), restore, deliver_done);
}

}  // namespace a2s::js
