// The text-to-codes model.
#pragma once
#include "napi/handle.h"
#include "tts/model.h"

namespace a2s::js {

template <>
struct HandleKind<Tts> {
  static constexpr napi_type_tag tag{0xa93c5e1f60b7d824, 0x4e8f2b6d917ac035};
  static constexpr const char* name = "Tts";
};

/** `ttsNew(config, dtype, seed, bf16)`: promise of `{model, params}`, two handles of one object. */
Napi::Value tts_new(const Napi::CallbackInfo& info);
/** `ttsEvaluate(model, batch, [part], score, token)`: promise of `{part: tensor}`. */
Napi::Value tts_evaluate(const Napi::CallbackInfo& info);
/** `ttsTrain(model, batch, loss, token)`: promise of `{loss, stats, logprobs, margins?}`; accumulates gradients. */
Napi::Value tts_train(const Napi::CallbackInfo& info);
/** `ttsGenerate(model, prompts, settings, progressId, token)`: promise of `{codes, lengths, …, times}`. */
Napi::Value tts_generate(const Napi::CallbackInfo& info);

}  // namespace a2s::js
