// Plain objects to the losses of the text-to-codes model.
#pragma once
#include <variant>

#include "napi/tts_settings.h"

namespace a2s::js {

/** A loss with the tensors it reads, held until it has run. */
class LossRequest {
 public:
  explicit LossRequest(const Napi::Value& value);
  Trained train(const PassContext& pass, const Tts& tts, const TtsBatch& batch) const;

 private:
  void read(Settings& s, SupervisedLoss& loss);
  void read(Settings& s, PolicyLoss& loss);
  void read(Settings& s, PreferenceLoss& loss);
  void hold(Settings& s, const char* key, Tensor& view);

  std::variant<SupervisedLoss, PolicyLoss, PreferenceLoss> loss_;
  double weight_ = 1;
  std::vector<TensorRef> held_;
  std::shared_ptr<Tts> reference_;
};

}  // namespace a2s::js
