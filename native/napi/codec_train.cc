#include "napi/codec_train.h"

#include "codec/training.h"
#include "napi/settings.h"
#include "napi/task.h"

namespace a2s::js {
namespace {

/** Model and batch of a request. */
struct Batch {
  std::shared_ptr<Codec> codec;
  TensorRef audio, samples;

  explicit Batch(const Napi::CallbackInfo& info)
      : codec(object_of<Codec>("codec", info[0])),
        audio(object_of<OwnedTensor>("codec: wav", info[1])),
        samples(info[2].IsUndefined() ? nullptr : object_of<OwnedTensor>("codec: samples", info[2])) {}
};

CodecPass pass_of(Workspace& w) { return {w.context(), w.arena, &w.cancelled}; }

NamedTensors keep_parts(const CodecEvaluation& e) {
  return {{"latent", keep(e.latent)}, {"codes", keep(e.codes)}, {"frames", keep(e.frames)}, {"dequantized", keep(e.dequantized)}, {"wav", keep(e.wav)}};
}

struct Result {
  NamedTensors tensors;
  double loss = 0;
};

}  // namespace

Napi::Value codec_evaluate(const Napi::CallbackInfo& info) {
  auto run = [b = Batch(info)](Workspace& w) {
    return keep_parts(evaluate(pass_of(w), *b.codec, b.audio->view, view_of(b.samples)));
  };
  return submit(info.Env(), info[3], run, [](Napi::Env env, NamedTensors& tensors) -> Napi::Value { return make_tensor_values(env, tensors); });
}

Napi::Value codec_train(const Napi::CallbackInfo& info) {
  CodecLoss loss;
  double weight = 1;
  Settings s("codec: loss", info[3]);
  s.read("waveform", loss.waveform);
  s.read("mel", loss.mel);
  s.read("stft", loss.stft);
  s.read("offset", loss.offset);
  s.read("windows", loss.windows);
  s.read("weight", weight);
  CodecNoise noise;
  if (auto n = s.nested("noise")) {
    n->read("seed", noise.seed);
    n->read("step", noise.step);
    n->read("codes", noise.codes);
    n->finish();
  }
  s.finish();
  auto run = [b = Batch(info), loss, weight, noise](Workspace& w) {
    const CodecTrained t = train(pass_of(w), *b.codec, b.audio->view, view_of(b.samples), loss, weight, noise);
    return Result{keep_parts(t.parts), t.loss};
  };
  return submit(info.Env(), info[4], run, [](Napi::Env env, Result& result) -> Napi::Value {
    Napi::Object object = make_tensor_values(env, result.tensors);
    object.Set("loss", result.loss);
    return object;
  });
}

}  // namespace a2s::js
