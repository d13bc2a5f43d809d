#include "napi/codec_train.h"

#include "codec/training.h"
#include "napi/params.h"
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

DiscriminatorConfig to_discriminator_config(const Napi::Value& value) {
  DiscriminatorConfig c;
  std::vector<int64_t> windows;
  std::vector<double> edges;
  Settings s("discriminators: config", value);
  s.read("periods", c.periods);
  s.read("periodChannels", c.period_channels);
  s.read("windows", windows);
  s.read("bandEdges", edges);
  s.read("bandChannels", c.band_channels);
  s.finish();
  c.resolutions.clear(), c.bands.clear();
  for (int64_t w : windows) c.resolutions.push_back({w, w / 4, w});
  for (size_t i = 1; i < edges.size(); ++i) c.bands.push_back({edges[i - 1], edges[i]});
  return c;
}

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
  s.read("adversarial", loss.adversarial);
  s.read("features", loss.features);
  s.read("offset", loss.offset);
  s.read("windows", loss.windows);
  s.read("weight", weight);
  CodecStep step;
  s.read("frozenEncoder", step.frozen_encoder);
  if (auto n = s.nested("noise")) {
    n->read("seed", step.noise.seed);
    n->read("step", step.noise.step);
    n->read("codes", step.noise.codes);
    n->finish();
  }
  std::shared_ptr<Discriminators> judges;
  if (auto given = s.take("discriminators"); !given.IsUndefined()) judges = object_of<Discriminators>("codec: discriminators", given);
  s.finish();
  auto run = [b = Batch(info), loss, weight, step, judges](Workspace& w) mutable {
    step.discriminators = judges.get();
    const CodecTrained t = train(pass_of(w), *b.codec, b.audio->view, view_of(b.samples), loss, weight, step);
    return Result{keep_parts(t.parts), t.loss};
  };
  return submit(info.Env(), info[4], run, [](Napi::Env env, Result& result) -> Napi::Value {
    Napi::Object object = make_tensor_values(env, result.tensors);
    object.Set("loss", result.loss);
    return object;
  });
}

Napi::Value discriminators_new(const Napi::CallbackInfo& info) {
  const DiscriminatorConfig config = to_discriminator_config(info[0]);
  const DType dtype = to_float_dtype("discriminators: dtype", info[1]);
  const auto seed = to_seed("discriminators: seed", info[2]);
  auto create = [=](Workspace&) { return std::make_shared<Discriminators>(config, dtype, seed); };
  return submit(info.Env(), info[3], create, make_model_value<Discriminators>);
}

Napi::Value discriminators_train(const Napi::CallbackInfo& info) {
  const double weight = to_number("discriminators: weight", info[3]);
  auto run = [judges = object_of<Discriminators>("discriminators", info[0]),
              recorded = object_of<OwnedTensor>("discriminators: recorded", info[1]),
              decoded = object_of<OwnedTensor>("discriminators: decoded", info[2]), weight](Workspace& w) {
    return train(pass_of(w), *judges, recorded->view, decoded->view, weight);
  };
  return submit(info.Env(), info[4], run, [](Napi::Env env, double& loss) -> Napi::Value { return Napi::Number::New(env, loss); });
}

}  // namespace a2s::js
