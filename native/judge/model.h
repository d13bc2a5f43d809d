// A judge: a stack of dilated convolutions over the log mel spectrogram of speech, with a head that says which labels are
// spoken, who speaks, or how good it sounds.
//
//   wav [B, S] -> mel [B, frames, M] -> stacked [B, T, stack M] -> blocks [B, T, C] -> logits | embedding | quality
//
// Items of a batch do not affect each other, and no result depends on padding.
#pragma once
#include "core/tape.h"
#include "judge/config.h"

namespace a2s {

/** Randomness of a training pass. */
struct JudgeNoise {
  double dropout = 0;  // 0: none
  uint64_t seed = 0;   // below 2^53
};

class Judge {
 public:
  /** Random weights; without a seed zeros, to be loaded. @throws Config */
  Judge(const JudgeConfig& config, DType dtype, std::optional<uint64_t> seed);

  const JudgeConfig& config() const { return config_; }
  DType dtype() const { return params_.dtype(); }
  Params& params() { return params_; }

  struct Heard {
    Var* x;         // [B, T, C], zeros beyond frames[b]
    Tensor frames;  // ints [B]: config().steps(samples)
  };
  /** wav [B, S] in [-1, 1], samples ints [B], each at least hop_length. */
  Heard hear(Tape& tape, const Tensor& wav, const Tensor& samples, const JudgeNoise& noise = {}) const;

  /** ctc: logits [B, T, V]; speaker: embeddings of length 1 [B, dim]; quality: [B], not limited to a range. */
  Var* answer(Tape& tape, const Heard& heard) const;

  /** Cosines [B, speakers] of embeddings with the classes of the training speakers. */
  Var* class_cosines(Tape& tape, Var* embedding) const;

 private:
  struct Block {
    Param *norm, *conv, *conv_bias, *proj, *proj_bias;
  };
  JudgeConfig config_;
  Params params_;
  Param *frontend_, *frontend_bias_, *norm_, *head_, *head_bias_, *classes_ = nullptr;
  std::vector<Block> blocks_;

  void declare();
  void standardise_frontend();
  Var* stacked_mel(Tape& tape, const Tensor& wav, const Tensor& samples) const;
  Var* block(Tape& tape, int64_t index, Var* x, Var* frames, const JudgeNoise& noise) const;
};

}  // namespace a2s
