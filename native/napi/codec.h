// The codec and its streaming decoder.
#pragma once
#include "codec/stream.h"
#include "napi/handle.h"

namespace a2s::js {

template <>
struct HandleKind<Codec> {
  static constexpr napi_type_tag tag{0x66b1d8c37e0f9a25, 0xd0273fae94c58b1e};
  static constexpr const char* name = "Codec";
};

/** A stream with the codec it belongs to. */
struct StreamHolder {
  StreamHolder(std::shared_ptr<Codec> of, int64_t streams) : codec(std::move(of)), stream(*codec, streams) {}
  std::shared_ptr<Codec> codec;
  CodecStream stream;
};
template <>
struct HandleKind<StreamHolder> {
  static constexpr napi_type_tag tag{0x93f40ae2c86d517b, 0x5ba9e1740d32c6f8};
  static constexpr const char* name = "CodecStream";
};

/** `codecNew(config, dtype, seed, token)`: promise of `{model, params}`, two handles of one object. */
Napi::Value codec_new(const Napi::CallbackInfo& info);
/** `codecBuffers(model)`: `[{name, shape, values}]`, the constants of the published state dict. */
Napi::Value codec_buffers(const Napi::CallbackInfo& info);
/** `codecEncode(model, audio, samples?, token)`: promise of `{codes, frames}`. */
Napi::Value codec_encode(const Napi::CallbackInfo& info);
/** `codecDecode(model, codes, frames?, token)`: promise of `{wav}`. */
Napi::Value codec_decode(const Napi::CallbackInfo& info);
/** `codecStreamNew(model, streams)`: promise of a handle. */
Napi::Value codec_stream_new(const Napi::CallbackInfo& info);
/** `codecStreamDecode(stream, codes, token)`: promise of `{wav}`. */
Napi::Value codec_stream_decode(const Napi::CallbackInfo& info);
/** `codecStreamRestart(stream, index)`: a promise. */
Napi::Value codec_stream_restart(const Napi::CallbackInfo& info);

}  // namespace a2s::js
