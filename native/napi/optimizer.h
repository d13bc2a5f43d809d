// AdamW over the parameters of a model.
#pragma once
#include <napi.h>

namespace a2s::js {

/** `optimizerNew(params, settings)`: a handle. */
Napi::Value optimizer_new(const Napi::CallbackInfo& info);
/** `optimizerStep(optimizer, {lr, clipNorm}, token)`: promise of `{gradNorm, clipped, nonFinite}`. */
Napi::Value optimizer_step(const Napi::CallbackInfo& info);
/** `optimizerSteps(optimizer)`: promise of the number of steps taken. */
Napi::Value optimizer_steps(const Napi::CallbackInfo& info);
/** `optimizerRestore(optimizer, steps)`: a promise. */
Napi::Value optimizer_restore(const Napi::CallbackInfo& info);

}  // namespace a2s::js
