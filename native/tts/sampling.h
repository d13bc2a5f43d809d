// The distribution of a token: one description for the sampler and for the likelihood, so that what is scored is what was
// sampled. The arithmetic is in sampling/distribution.h.
#pragma once
#include "tts/batch.h"

namespace a2s {

struct Sampling {
  double temperature = 1;  // 0: argmax (generation only)
  int64_t top_k = 0;       // 0: all ids
  double top_p = 1;        // 1: all ids
  double guidance = 1;     // gamma of gamma·conditional + (1 - gamma)·unconditional; 1: off
  bool special_ids = false;             // whether ids that are neither codec tokens nor EOS may occur
  std::vector<int32_t> forbidden = {};  // further ids that may not occur
  int64_t min_frames = 0;               // EOS may not occur in steps that begin before this frame

  /** The plain softmax over all ids, as the cross-entropy reads it. */
  static Sampling plain() { return {.special_ids = true}; }
  bool guided() const { return guidance != 1; }
  /** The first step in which EOS may occur. */
  int64_t first_end(const TtsConfig& config) const { return (min_frames + config.frame_stacking - 1) / config.frame_stacking; }
  /** @throws Config naming the setting. */
  void validate(const TtsConfig& config) const;
};

/** ints [V], 0 = may not occur; without data when every id may. */
Tensor allowed_ids(const TtsConfig& config, const Sampling& sampling, bool eos, Arena& arena);

/** All [B,K·S,U]; 0 where there is no target. */
struct TokenScores {
  Var* logprobs = nullptr;
  Var* entropy = nullptr;
  Var* kl = nullptr;  // from a reference, where there is one
};

/** The heads of a model that others are measured against, and what they read: the rows of its own pass, guided or not. */
struct ReferenceHeads {
  Tensor x, w, b;  // shapes as in HeadRows
};

/** Rows that heads read, and the tokens that follow. */
struct HeadRows {
  Var *x, *uncond;   // [B,T,C]; uncond null without guidance
  Var *w, *b;        // [heads·V,C], [heads·V]
  Tensor targets;    // ints [B,heads,T]; -1: none
  Tensor lengths;    // ints [B]
  Tensor before;     // ints [B]: the first rows, in which EOS may not occur
  ReferenceHeads reference = {};  // without data: none
};
/** γ·conditional + (1 - γ)·unconditional, of outputs that linear heads read. */
Var* guide(Tape& tape, Var* conditional, Var* unconditional, double guidance);
TokenScores score_rows(Tape& tape, const TtsConfig& config, const Sampling& sampling, const HeadRows& rows);

}  // namespace a2s
