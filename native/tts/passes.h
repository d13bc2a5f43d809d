// Whole passes over a batch: what a call from outside does in one go. Everything but the gradients, which are
// added to those of the parameters, lies in the arena.
#pragma once
#include "tts/losses.h"

namespace a2s {

/** What a pass runs on. */
struct PassContext {
  Context ctx;
  Arena& arena;
  std::atomic<bool>* cancel = nullptr;
  PassTurns* turns = nullptr;  // see Tape::turns
};

/** Which heads say how likely a token is: those of sampling, for a policy. */
enum class Heads { parallel, local };

struct ScoreSettings {
  Heads heads = Heads::parallel;
  Sampling sampling = Sampling::plain();
};

struct Evaluation {
  Tensor text;               // [P,N,C] encoded
  Tensor context;            // [P,Uc,C] encoded
  Tensor hidden;             // [B,U,C]
  Tensor logits;             // [B,U,K·S·V] of the parallel heads
  Tensor logprobs, entropy;  // [B,K,U·S] of the targets, by frame; the last frame of a sample is EOS or end_tokens
};
/** Randomness that a counter decides, so that a resumed run draws the same. */
struct StepNoise {
  uint64_t seed = 0, step = 0;
  double history = 0;      // probability that the decoder sees random codes in place of a frame
  double own_history = 0;  // most of an item's frames in whose place it sees what it would have said there itself
};

enum EvaluationPart : unsigned { want_logits = 1, want_scores = 2 };
/** A forward pass without dropout, and without other noise but that of the past where it is given. Parts that are not wanted have no
 *  data. */
Evaluation evaluate(const PassContext& pass, const Tts& tts, const TtsBatch& batch, const ScoreSettings& score, unsigned parts,
                    const StepNoise* past = nullptr);

/** A loss after its backward pass, with figures worth watching. */
struct Trained {
  double loss;
  std::vector<std::pair<const char*, double>> stats;
  Tensor logprobs;      // [B,K,U·S], as in Evaluation
  Tensor margins = {};  // [P], of a preference loss
};

/** Cross-entropy of the targets, with the alignment loss and the prior of early training. */
struct SupervisedLoss {
  double local_weight = 1;  // of the local transformer's cross-entropy, where the model has one
  double alignment_weight = 0;
  Alignment alignment = {};
  std::optional<TrainingPrior> prior = {};
  /** Dropout, and a batch without conditions now and then; absent: neither. */
  std::optional<StepNoise> noise = {};
};

/** See policy_loss for what the settings mean. */
struct PolicyLoss {
  PolicyInput input;
  ScoreSettings score;
  int64_t kind = 0, kl = 0;
  double clip_low = 0, clip_high = 0, kl_weight = 0, entropy_weight = 0;
  int64_t max_frames = 0;
  const Tts* reference = nullptr;  // for the exact KL
  double reference_guidance = 1;
};

/** See preference_loss. Pairs are the groups of two of the batch, the preferred sample first. */
struct PreferenceLoss {
  Tensor reference;        // [B] log-probability of each sample under the reference model
  Tensor reward_gap = {};  // [P]
  ScoreSettings score;
  int64_t kind = 0;
  double beta = 0.01, eta = 1, label_smoothing = 0, sft_weight = 0;
};

/** Adds weight · d loss to the gradients. @throws Shape, Data or Config for what cannot be, Cancelled between two ops. */
Trained train(const PassContext& pass, const Tts& tts, const TtsBatch& batch, const SupervisedLoss& loss, double weight);
Trained train(const PassContext& pass, const Tts& tts, const TtsBatch& batch, const PolicyLoss& loss, double weight);
Trained train(const PassContext& pass, const Tts& tts, const TtsBatch& batch, const PreferenceLoss& loss, double weight);

}  // namespace a2s
