#include "napi/judge.h"

#include "napi/params.h"
#include "napi/settings.h"
#include "napi/task.h"

namespace a2s::js {
namespace {

JudgeHead to_head(Settings s) {
  JudgeHead head;
  s.read("kind", head.kind, {"ctc", "speaker", "quality"});
  if (head.kind == JudgeKind::ctc) s.read("labels", head.labels);
  if (head.kind == JudgeKind::speaker) {
    s.read("dim", head.dim);
    s.read("speakers", head.speakers);
    s.read("scale", head.scale);
    s.read("margin", head.margin);
  }
  s.finish();
  return head;
}

JudgeConfig to_judge_config(const Napi::Value& value) {
  JudgeConfig c;
  Settings s("judge: config", value);
  s.read("sampleRate", c.sample_rate);
  s.read("nFft", c.n_fft);
  s.read("hopLength", c.hop_length);
  s.read("nMels", c.n_mels);
  s.read("frameStack", c.frame_stack);
  s.read("channels", c.channels);
  s.read("kernel", c.kernel);
  s.read("dilations", c.dilations);
  s.read("dropout", c.dropout);
  if (auto head = s.nested("head")) c.head = to_head(*head);
  s.finish();
  return c;
}

/** Model and batch of a request. */
struct Request {
  std::shared_ptr<Judge> judge;
  TensorRef wav, samples, targets, target_lengths, labels, quality;

  explicit Request(const Napi::CallbackInfo& info) : judge(object_of<Judge>("judge", info[0])) {
    Settings s("judge: batch", info[1]);
    s.read("wav", wav);
    s.read("samples", samples);
    s.read("targets", targets);
    s.read("targetLengths", target_lengths);
    s.read("labels", labels);
    s.read("quality", quality);
    s.finish();
  }
  JudgeBatch view() const {
    return {view_of(wav), view_of(samples), view_of(targets), view_of(target_lengths), view_of(labels), view_of(quality)};
  }
};

NamedTensors keep_answer(const Judge& judge, const JudgeAnswer& answer) {
  switch (judge.config().head.kind) {
    case JudgeKind::ctc: return {{"logits", keep(answer.value)}, {"frames", keep(answer.frames)}};
    case JudgeKind::speaker: return {{"embedding", keep(answer.value)}};
    default: return {{"quality", keep(answer.value)}};
  }
}

struct Result {
  NamedTensors tensors;
  double loss = 0;
};

}  // namespace

Napi::Value judge_new(const Napi::CallbackInfo& info) {
  const JudgeConfig config = to_judge_config(info[0]);
  const DType dtype = to_float_dtype("judge: dtype", info[1]);
  const auto seed = to_seed("judge: seed", info[2]);
  auto create = [=](Workspace&) { return std::make_shared<Judge>(config, dtype, seed); };
  return submit(info.Env(), info[3], create, make_model_value<Judge>);
}

Napi::Value judge_evaluate(const Napi::CallbackInfo& info) {
  auto run = [r = Request(info)](Workspace& w) {
    Tape tape(w.context(), w.arena, Tape::Mode::infer);
    tape.cancel = &w.cancelled;
    return keep_answer(*r.judge, evaluate(tape, *r.judge, r.view()));
  };
  return submit(info.Env(), info[2], run,
                [](Napi::Env env, NamedTensors& tensors) -> Napi::Value { return make_tensor_values(env, tensors); });
}

Napi::Value judge_train(const Napi::CallbackInfo& info) {
  double weight = 1;
  std::optional<JudgeStep> noise;
  Settings s("judge: loss", info[2]);
  s.read("weight", weight);
  if (auto n = s.nested("noise")) {
    noise.emplace();
    n->read("seed", noise->seed);
    n->read("step", noise->step);
    n->finish();
  }
  s.finish();
  auto run = [r = Request(info), weight, noise](Workspace& w) {
    Tape tape(w.context(), w.arena);
    tape.cancel = &w.cancelled;
    const JudgeTrained t = train(tape, *r.judge, r.view(), weight, noise);
    return Result{keep_answer(*r.judge, t.answer), t.loss};
  };
  return submit(info.Env(), info[3], run, [](Napi::Env env, Result& result) -> Napi::Value {
    Napi::Object object = make_tensor_values(env, result.tensors);
    object.Set("loss", result.loss);
    return object;
  });
}

}  // namespace a2s::js
