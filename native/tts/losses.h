// Likelihoods of the targets of a batch and the losses built on them. Token tensors are [B,K·S,U] by head (as the
// cross-entropy averages them) or [B,K,U·S] by frame (as rollouts, policy and preference losses read them).
#pragma once
#include "tts/model.h"

namespace a2s {

/** Log-probabilities and entropies [B,K·S,U] of the targets under the parallel heads. uncond: the unconditional pass,
 *  for guidance. @throws Config when guidance and `uncond` do not go together. */
TokenScores score_tokens(Tape& tape, const Tts& tts, const AudioRows& audio, const Decoded& decoded, const Sampling& sampling,
                         const Decoded* uncond = nullptr, const ReferenceHeads& reference = {});
/** The same under the local transformer. */
TokenScores score_tokens_locally(Tape& tape, const Tts& tts, const AudioRows& audio, const Decoded& decoded,
                                 const Sampling& sampling, const Decoded* uncond = nullptr, const ReferenceHeads& reference = {},
                                 const Noise& noise = {});
/** The heads of a reference that has seen the same batch, for the scores' divergence from it: `local` ones or the parallel. */
ReferenceHeads read_heads(Tape& tape, const Tts& tts, const AudioRows& audio, const Decoded& decoded, const Sampling& sampling,
                          const Decoded* uncond, bool local);

/** The unconditional pass of guidance: `decoded` again, no sample with its conditions. */
Decoded decode_unconditional(Tape& tape, const Tts& tts, const Encoded& prompts, const AudioRows& audio, DecodeOptions options);

/** [B,K·S,U] by head -> [B,K,U·S] by frame. */
Var* by_frame(Tape& tape, const TtsConfig& config, Var* by_head);

/** Mean over heads of each head's mean over the batch's targets, EOS included. */
Var* cross_entropy(Tape& tape, const AudioRows& audio, const TokenScores& scores);

struct Alignment {
  std::vector<int64_t> layers = {};  // empty: every layer that attends to the text
  Tensor targets = {};               // ints [B,n]: text positions to visit, from 1; absent: all
  Tensor target_lengths = {};        // ints [B]
};
/** Forward-sum loss on the cross-attention scores of the audio steps; unconditional samples count as 0. */
Var* alignment_loss(Tape& tape, const Tts& tts, const Decoded& decoded, const Alignment& alignment = {});

/** Tensors of the policy loss, all by frame: [B,K,T'] with T' = U·S; see policy_loss. */
struct PolicyInput {
  Tensor advantages;             // [B]
  Tensor frame_advantages = {};  // [B,T'], added to the sample's
  Tensor old_logprobs = {};      // absent: the policy itself
  Tensor ref_logprobs = {};
  Tensor mask = {};              // ints [B,T'], 0: the frame does not count (the forced end of a truncated sample)
};
/** {loss [1], stats [8]}. */
std::pair<Var*, Var*> policy(Tape& tape, const Tts& tts, const AudioRows& audio, const TokenScores& scores, const PolicyInput& input,
                             AttrList attrs);

/** Pairs are the groups of two of the batch, the preferred sample first. reference [B]: the log-probability of each
 *  sample under the reference model; reward_gap [P] or absent. {loss [1], margins [P]}. */
std::pair<Var*, Var*> preference(Tape& tape, const Tts& tts, const AudioRows& audio, const TokenScores& scores,
                                 const Tensor& reference, const Tensor& reward_gap, AttrList attrs);
/** Log-probability of each sample [B]: the sum over frames and codebooks. */
Var* sample_logprobs(Tape& tape, const Tts& tts, const AudioRows& audio, const TokenScores& scores);

}  // namespace a2s
