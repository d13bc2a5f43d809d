// What the addon is and how many threads it uses.
#pragma once
#include <napi.h>

namespace a2s::js {

/** `info()`: version, instruction set, threads and build of the addon. */
Napi::Value info(const Napi::CallbackInfo& info);
/** `setThreads(n)`: a promise; 0 means one per CPU. Results do not depend on it. */
Napi::Value set_threads(const Napi::CallbackInfo& info);

}  // namespace a2s::js
