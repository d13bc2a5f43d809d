// Judges: speech in, labels, speakers or quality out.
#pragma once
#include "judge/passes.h"
#include "napi/handle.h"

namespace a2s::js {

template <>
struct HandleKind<Judge> {
  static constexpr napi_type_tag tag{0x2e8d41b7f6035ca9, 0xa19c7e36048bd5f2};
  static constexpr const char* name = "Judge";
};

/** `judgeNew(config, dtype, seed, token)`: promise of `{model, params}`, two handles of one object. */
Napi::Value judge_new(const Napi::CallbackInfo& info);
/** `judgeEvaluate(model, batch, token)`: promise of `{logits, frames}`, `{embedding}` or `{quality}`. */
Napi::Value judge_evaluate(const Napi::CallbackInfo& info);
/** `judgeTrain(model, batch, settings, token)`: promise of the same and `{loss}`; gradients are accumulated. */
Napi::Value judge_train(const Napi::CallbackInfo& info);

}  // namespace a2s::js
