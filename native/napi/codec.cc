#include "napi/codec.h"

#include "codec/passes.h"
#include "napi/params.h"
#include "napi/settings.h"
#include "napi/task.h"

namespace a2s::js {
namespace {

CodecConfig to_codec_config(const Napi::Value& value) {
  CodecConfig c;
  Settings s("codec: config", value);
  int64_t latent = -1;
  s.read("sampleRate", c.sample_rate);
  s.read("encoderChannels", c.encoder_channels);
  s.read("decoderChannels", c.decoder_channels);
  s.read("downSampleRates", c.down_sample_rates);
  s.read("upSampleRates", c.up_sample_rates);
  s.read("latent", latent);
  s.read("groups", c.groups);
  s.read("levels", c.levels);
  s.read("resKernels", c.res_kernels);
  s.read("resDilations", c.res_dilations);
  s.finish();
  if (latent != -1 && latent != c.latent())
    fail_config("codec: config: latent: expected " + std::to_string(c.latent()) + ", got " + std::to_string(latent));
  return c;
}

std::shared_ptr<Codec> codec_of(const Napi::Value& value) { return object_of<Codec>("codec", value); }

TensorRef optional_tensor(const std::string& where, const Napi::Value& value) {
  return value.IsUndefined() ? nullptr : object_of<OwnedTensor>(where, value);
}

CodecPass pass_of(Workspace& w) { return {w.context(), w.arena, &w.cancelled}; }

Napi::Value deliver(Napi::Env env, NamedTensors& tensors) { return make_tensor_values(env, tensors); }

}  // namespace

Napi::Value codec_new(const Napi::CallbackInfo& info) {
  const CodecConfig config = to_codec_config(info[0]);
  const DType dtype = to_float_dtype("codec: dtype", info[1]);
  const auto seed = to_seed("codec: seed", info[2]);
  auto create = [=](Workspace&) { return std::make_shared<Codec>(config, dtype, seed); };
  return submit(info.Env(), info[3], create, make_model_value<Codec>);
}

Napi::Value codec_buffers(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::vector<Codec::Buffer> buffers = codec_of(info[0])->buffers();
  auto list = Napi::Array::New(env, buffers.size());
  for (size_t i = 0; i < buffers.size(); ++i) {
    auto object = Napi::Object::New(env);
    object.Set("name", buffers[i].name);
    object.Set("shape", from_shape(env, buffers[i].shape));
    auto values = Napi::Int32Array::New(env, buffers[i].values.size());
    std::copy(buffers[i].values.begin(), buffers[i].values.end(), values.Data());
    object.Set("values", values);
    list.Set(static_cast<uint32_t>(i), object);
  }
  return list;
}

Napi::Value codec_encode(const Napi::CallbackInfo& info) {
  auto encode = [codec = codec_of(info[0]), audio = object_of<OwnedTensor>("codec: audio", info[1]),
                 samples = optional_tensor("codec: samples", info[2])](Workspace& w) {
    const CodedBatch coded = encode_batch(pass_of(w), *codec, audio->view, view_of(samples));
    return NamedTensors{{"codes", keep(coded.codes)}, {"frames", keep(coded.frames)}};
  };
  return submit(info.Env(), info[3], encode, deliver);
}

Napi::Value codec_decode(const Napi::CallbackInfo& info) {
  auto decode = [codec = codec_of(info[0]), codes = object_of<OwnedTensor>("codec: codes", info[1]),
                 frames = optional_tensor("codec: frames", info[2])](Workspace& w) {
    return NamedTensors{{"wav", keep(decode_batch(pass_of(w), *codec, codes->view, view_of(frames)))}};
  };
  return submit(info.Env(), info[3], decode, deliver);
}

Napi::Value codec_stream_new(const Napi::CallbackInfo& info) {
  const int64_t streams = to_integer("codec stream: streams", info[1], 1, 65536, ErrorCode::Config);
  auto start = [codec = codec_of(info[0]), streams](Workspace&) {
    return std::make_shared<StreamHolder>(codec, streams);
  };
  return submit(info.Env(), info[2], start, [](Napi::Env env, std::shared_ptr<StreamHolder>& holder) -> Napi::Value {
    const int64_t bytes = static_cast<int64_t>(holder->stream.bytes());
    return make_handle(env, std::move(holder), bytes);
  });
}

Napi::Value codec_stream_decode(const Napi::CallbackInfo& info) {
  auto decode = [holder = object_of<StreamHolder>("codec stream", info[0]),
                 codes = object_of<OwnedTensor>("codec stream: codes", info[1])](Workspace& w) {
    // The tape has no flag: a portion is not cancelled half-way, where some layers would be ahead of others.
    Tape tape(w.context(), w.arena, Tape::Mode::infer);
    return NamedTensors{{"wav", keep(holder->stream.feed(tape, codes->view))}};
  };
  return submit(info.Env(), info[2], decode, deliver);
}

Napi::Value codec_stream_restart(const Napi::CallbackInfo& info) {
  const int64_t index = to_integer("codec stream: index", info[1], 0, 65535, ErrorCode::Config);
  auto restart = [holder = object_of<StreamHolder>("codec stream", info[0]), index](Workspace&) {
    holder->stream.restart(index);
    return Done{};
  };
  return submit(info.Env(), info.Env().Undefined(), restart, deliver_done);
}

}  // namespace a2s::js
