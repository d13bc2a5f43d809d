// Quantised latents to audio: a causal stack of transposed convolutions and residual layers. Sample s depends on
// frames 0 .. s / hop alone, so that a decoder with memory (DecoderState) may be fed in any portions.
#pragma once
#include "codec/layers.h"

namespace a2s {

/** What a decoder keeps between portions: the weights as the convolutions use them, those of all but the transposed ones packed, and for
 *  each convolution the last inputs that later outputs still see (its left context; one frame for a transposed convolution). */
struct DecoderState {
  Arena arena;
  std::vector<Tensor> weights, contexts;  // by NormConv::index
  int64_t B = 0;
};

class Decoder {
 public:
  Decoder(Declarer declare, const CodecConfig& config);

  /** x [B, GD, T] -> audio [B, T * hop] in [-1, 1], zero beyond frames[b] * hop samples.
   *  With a state, x continues where the previous call ended, and `frames` must be absent.
   *  @throws Data when a sample before the limiter is not finite. */
  Var* forward(Tape& tape, Var* x, const Tensor& frames, DecoderState* state = nullptr) const;

  /** Silence before the first frame of B streams; weights are those of `like` where it is given, which must outlive the state. */
  void start(Context ctx, DecoderState& state, int64_t B, const DecoderState* like = nullptr) const;
  /** Stream b starts anew. */
  void restart(DecoderState& state, int64_t b) const;

 private:
  struct Stage {
    int64_t rate;
    Param* alpha;
    NormConv up;
    ResLayer res_layer;
  };
  Var* pre_convolve(Tape& tape, Var* x, Var* lengths, DecoderState* state) const;
  /** Of the activations of x; the residual, where there is one, is added. */
  Var* convolve(Tape& tape, const NormConv& c, Param* alpha, Var* x, Var* residual, Var* lengths, DecoderState* state) const;
  /** Of x, which begins with the context; nothing is recorded. */
  Var* convolve_packed(Tape& tape, const NormConv& c, Var* x, Var* residual, const DecoderState& state) const;
  Var* up_sample(Tape& tape, const Stage& s, Var* x, Var* lengths, DecoderState* state) const;
  Var* run_stage(Tape& tape, const Stage& s, Var* x, Var* lengths, DecoderState* state) const;
  /** From the input of a stage to audio [B, 1, S] before the limiter, in pieces of time whose activations stay in the cache. */
  Var* continue_from(Tape& tape, size_t stage, Var* x, DecoderState& state) const;
  /** Calls f(conv, transposed, channels of its input, frames of context). */
  template <class F>
  void each_conv(F&& f) const;

  NormConv pre_conv_, post_conv_;
  Param* post_alpha_;
  std::vector<Stage> stages_;
};

}  // namespace a2s
