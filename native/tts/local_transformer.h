// The local transformer: the tokens of one decoder step, one after another.
//
//   position 0 reads the decoder's output, position k the embedding of token k-1 (each through the input projection, where
//   the widths differ); head k reads position k. Token k is codebook k mod K of slot k / K.
#pragma once
#include "nn/decode_cache.h"
#include "tts/sampling.h"

namespace a2s {

class LocalTransformer {
 public:
  LocalTransformer(Params& params, const TtsConfig& config, Param& audio_embeddings);

  /** Log-probabilities and entropies [B,K·S,U] of the targets, each given the tokens before it in its step.
   *  hidden [B,U,C]; uncond: the same without conditions, for guidance; reference: `read` of another model, for the divergence. */
  TokenScores score(Tape& tape, const AudioRows& audio, Var* hidden, Var* uncond, const Sampling& sampling,
                    const ReferenceHeads& reference, bool dropout, uint64_t seed) const;
  /** The heads and what they read at every step, as `score` takes a reference: rows [K·S,M,D]. */
  ReferenceHeads read(Tape& tape, const AudioRows& audio, Var* hidden, Var* uncond, const Sampling& sampling) const;

  /** Draws the tokens of R steps, one head after another: `pick(k, x)` takes the output x [R,D] of position k and returns the tokens
   *  ints [R] of head k. hidden [R,C]; the cache, of this stack, has room for R rows. The tape must be in infer mode. */
  template <class F>
  void unroll(Tape& tape, DecodeCache& cache, Var* hidden, F&& pick) const {
    cache.clear();
    Var* x = project(tape, hidden);
    for (int64_t k = 0, n = config_.step_tokens(); k < n; ++k) {
      const Tensor tokens = pick(k, cache.step(tape, x));
      if (k + 1 < n) x = embed(tape, k, tokens);
    }
  }
  /** Logits [R,V] of head k from its position's output [R,D], for generation. */
  PackedLinear head(Context ctx, Arena& arena, int64_t head) const;
  const Transformer& stack() const { return stack_; }

 private:
  /** Input of position k + 1: tokens ints [R] of head k -> [R,D]. */
  Var* embed(Tape& tape, int64_t head, const Tensor& tokens) const;
  Var* project(Tape& tape, Var* x) const;
  struct Steps;
  Var* run(Tape& tape, const Steps& steps, Var* hidden, bool dropout = false, uint64_t seed = 0) const;

  const TtsConfig config_;
  Param& audio_embeddings_;
  Param *in_weight_ = nullptr, *in_bias_ = nullptr;
  Transformer stack_;
  Param *out_weight_, *out_bias_;
};

}  // namespace a2s
