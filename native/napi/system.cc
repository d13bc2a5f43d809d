#include "napi/system.h"

#include "core/cpu.h"
#include "core/device.h"
#include "napi/task.h"
#include "napi/values.h"

namespace a2s::js {
namespace {

Napi::Object cuda(Napi::Env env) {
  const Devices found = devices();
  auto names = Napi::Array::New(env, static_cast<size_t>(found.count));
  for (int i = 0; i < found.count; ++i) names.Set(static_cast<uint32_t>(i), device_name(i));
  auto object = Napi::Object::New(env);
  object.Set("devices", names);
  object.Set("missing", found.missing);
  return object;
}

}  // namespace

Napi::Value info(const Napi::CallbackInfo& call) {
  auto object = Napi::Object::New(call.Env());
  object.Set("version", A2S_VERSION);
  object.Set("isa", kIsaNames[static_cast<size_t>(cpu_isa())]);
  object.Set("threads", Engine::get().threads());
  object.Set("compiler", __VERSION__);
  object.Set("buildType", A2S_BUILD_TYPE);
  object.Set("cuda", cuda(call.Env()));
  return object;
}

Napi::Value set_threads(const Napi::CallbackInfo& call) {
  int threads = static_cast<int>(to_integer("setThreads: threads", call[0], 0, 1024, ErrorCode::Config));
  auto resize = [threads](Workspace&) {
    Engine::get().resize(threads);
    return Done{};
  };
  return submit(call.Env(), call.Env().Undefined(), resize, deliver_done);
}

}  // namespace a2s::js
