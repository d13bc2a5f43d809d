// Quantised latents to audio: a causal stack of transposed convolutions and residual layers. Sample s depends on
// frames 0 .. s / hop alone, so that audio may be decoded in any portions (codec/stream.h).
#pragma once
#include <optional>

#include "codec/layers.h"

namespace a2s {

class Decoder {
 public:
  /** Activation and up-sampling from C to C / 2 channels, then a residual layer. */
  struct Stage {
    int64_t rate;
    Param* alpha;
    NormConv up;
    ResLayer res_layer;
  };
  struct Layers {
    NormConv pre_conv, post_conv;
    Param* post_alpha;
    std::vector<Stage> stages;
  };

  Decoder(Declarer declare, const CodecConfig& config);

  /** x [B, GD, T] -> audio [B, T * hop] in [-1, 1], zero beyond frames[b] * hop samples.
   *  @throws Data when a sample before the limiter is not finite. */
  Var* forward(Tape& tape, Var* x, const Tensor& frames) const;

  const Layers& layers() const { return layers_; }
  /** Calls f(conv, transposed) for each convolution, in the order of NormConv::index. */
  template <class F>
  void each_conv(F&& f) const {
    f(layers_.pre_conv, false);
    for (const Stage& s : layers_.stages) {
      f(s.up, true);
      for (const auto& chain : s.res_layer.chains)
        for (const ResBlock& b : chain) f(b.input_conv, false), f(b.skip_conv, false);
    }
    f(layers_.post_conv, false);
  }
  /** The convolutions' weights by NormConv::index, folded, and packed but for transposed ones. They are made anew when parameters have
   *  changed, by one thread while no other calls this. */
  const std::vector<Tensor>& packed(const Context& ctx) const;

 private:
  struct Packed {
    Arena arena;
    std::vector<Tensor> weights;
    std::optional<uint64_t> version;  // of the parameters
  };
  Layers layers_;
  mutable Packed packed_;
};

/** @throws Data when a sample of audio [B, S], or [B, 1, S], is not finite. */
void require_finite(const Tensor& audio);

}  // namespace a2s
