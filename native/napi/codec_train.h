// The codec's training form: all that lies between audio and audio, its losses, and the discriminators.
#pragma once
#include "codec/discriminators.h"
#include "napi/codec.h"

namespace a2s::js {

template <>
struct HandleKind<Discriminators> {
  static constexpr napi_type_tag tag{0x5b17c0e2f4a98d36, 0x93d2a86e4f1b70c5};
  static constexpr const char* name = "Discriminators";
};

/** `codecEvaluate(model, audio, samples?, token)`: promise of `{latent, codes, frames, dequantized, wav}`. */
Napi::Value codec_evaluate(const Napi::CallbackInfo& info);
/** `codecTrain(model, audio, samples?, loss, token)`: promise of the same and `{loss}`; gradients are accumulated. */
Napi::Value codec_train(const Napi::CallbackInfo& info);
/** `discriminatorsNew(config, dtype, seed, token)`: promise of `{model, params}`, two handles of one object. */
Napi::Value discriminators_new(const Napi::CallbackInfo& info);
/** `discriminatorsTrain(model, recorded, decoded, weight, token)`: promise of the loss; gradients are accumulated. */
Napi::Value discriminators_train(const Napi::CallbackInfo& info);

}  // namespace a2s::js
