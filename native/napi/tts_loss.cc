#include "napi/tts_loss.h"

#include "napi/tts.h"

namespace a2s::js {

void LossRequest::hold(Settings& s, const char* key, Tensor& view) {
  TensorRef tensor;
  s.read(key, tensor);
  if (!tensor) return;
  view = tensor->view;
  held_.push_back(std::move(tensor));
}

void LossRequest::read(Settings& s, SupervisedLoss& loss) {
  s.read("localWeight", loss.local_weight);
  s.read("alignmentWeight", loss.alignment_weight);
  s.read("alignmentLayers", loss.alignment.layers);
  hold(s, "alignmentTargets", loss.alignment.targets);
  hold(s, "alignmentTargetLengths", loss.alignment.target_lengths);
  if (auto p = s.nested("prior")) {
    TrainingPrior& prior = loss.prior.emplace();
    p->read("scaling", prior.scaling);
    p->read("blend", prior.blend);
    p->read("eps", prior.eps);
    p->read("strict", prior.strict);
    p->finish();
  }
  if (auto n = s.nested("noise")) loss.noise = to_step_noise(*n);
}

void LossRequest::read(Settings& s, PolicyLoss& loss) {
  hold(s, "advantages", loss.input.advantages);
  hold(s, "frameAdvantages", loss.input.frame_advantages);
  hold(s, "oldLogprobs", loss.input.old_logprobs);
  hold(s, "refLogprobs", loss.input.ref_logprobs);
  hold(s, "mask", loss.input.mask);
  read_score(s, loss.score);
  s.read("algorithm", loss.kind, {"grpo", "dr_grpo", "dapo", "gspo"});
  s.read("clipLow", loss.clip_low);
  s.read("clipHigh", loss.clip_high);
  s.read("kl", loss.kl, {"none", "k1", "k2", "k3", "exact"});
  s.read("klWeight", loss.kl_weight);
  s.read("entropyWeight", loss.entropy_weight);
  s.read("maxFrames", loss.max_frames);
  if (auto reference = s.take("reference"); !reference.IsUndefined())
    reference_ = object_of<Tts>(s.name("reference"), reference);
  loss.reference = reference_.get();
  s.read("referenceGuidance", loss.reference_guidance);
}

void LossRequest::read(Settings& s, PreferenceLoss& loss) {
  hold(s, "reference", loss.reference);
  hold(s, "rewardGap", loss.reward_gap);
  read_score(s, loss.score);
  s.read("algorithm", loss.kind, {"dpo", "ipo", "rpo", "rpo_sq"});
  s.read("beta", loss.beta);
  s.read("eta", loss.eta);
  s.read("labelSmoothing", loss.label_smoothing);
  s.read("sftWeight", loss.sft_weight);
}

LossRequest::LossRequest(const Napi::Value& value) {
  Settings s("tts: loss", value);
  const std::string kind = to_text(s.name("kind"), s.take("kind"));
  if (kind == "supervised") loss_.emplace<SupervisedLoss>();
  else if (kind == "policy") loss_.emplace<PolicyLoss>();
  else if (kind == "preference") loss_.emplace<PreferenceLoss>();
  else fail_config(s.name("kind") + ": expected supervised, policy or preference, got \"" + kind + "\"");
  std::visit([&](auto& loss) { read(s, loss); }, loss_);
  s.read("weight", weight_);
  s.finish();
}

Trained LossRequest::train(const PassContext& pass, const Tts& tts, const TtsBatch& batch) const {
  return std::visit([&](const auto& loss) { return a2s::train(pass, tts, batch, loss, weight_); }, loss_);
}

}  // namespace a2s::js
