// The codec's training form: all that lies between audio and audio, and its losses.
#pragma once
#include "napi/codec.h"

namespace a2s::js {

/** `codecEvaluate(model, audio, samples?, token)`: promise of `{latent, codes, frames, dequantized, wav}`. */
Napi::Value codec_evaluate(const Napi::CallbackInfo& info);
/** `codecTrain(model, audio, samples?, loss, token)`: promise of the same and `{loss}`; gradients are accumulated. */
Napi::Value codec_train(const Napi::CallbackInfo& info);

}  // namespace a2s::js
