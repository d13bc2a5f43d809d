// Audio to latents: a non-causal stack of residual layers and strided convolutions.
//
// Padding repeats the first and the last value of the buffer, not of the item: in a batch of unequal lengths the last
// frames of a shorter item are not what they would be alone. Encode alone, or at equal lengths, for reproducible codes.
#pragma once
#include "codec/layers.h"

namespace a2s {

class Encoder {
 public:
  Encoder(Declarer declare, const CodecConfig& config);

  /** audio [B, 1, T * hop], zero beyond an item's frames[b] * hop samples -> latents [B, GD, T], zero beyond frames[b]. */
  Var* forward(Tape& tape, Var* audio, const Tensor& frames) const;

 private:
  struct Stage {
    int64_t rate;
    ResLayer res_layer;
    NormConv down;
  };
  NormConv pre_conv_, post_conv_;
  std::vector<Stage> stages_;
  int64_t hop_;
};

}  // namespace a2s
