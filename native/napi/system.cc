#include "napi/system.h"

#include "core/cpu.h"
#include "napi/task.h"
#include "napi/values.h"

namespace a2s::js {
namespace {

const char* name_of(Isa isa) {
  switch (isa) {
    case Isa::baseline: return "baseline";
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
    case Isa::avx512bf16: return "avx512bf16";
  }
  return "baseline";
}

}  // namespace

Napi::Value info(const Napi::CallbackInfo& call) {
  auto object = Napi::Object::New(call.Env());
  object.Set("version", A2S_VERSION);
  object.Set("isa", name_of(cpu_isa()));
  object.Set("threads", Engine::get().threads());
  object.Set("compiler", __VERSION__);
  object.Set("buildType", A2S_BUILD_TYPE);
  object.Set("cuda", false);
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
