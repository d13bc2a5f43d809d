// A batch as the caller has it, and the sequences that the model reads.
#pragma once
#include "tts/config.h"

namespace a2s {

/** What is spoken and by whom; the samples of a prompt share it. All ints; values beyond the lengths are ignored. */
struct Prompts {
  Tensor text;             // [P,N] ids, the text EOS last
  Tensor text_lengths;     // [P], the text EOS included
  Tensor context_codes;    // [P,K,Tc] codes of the voice prompt, without special ids
  Tensor context_lengths;  // [P] frames
};

/** Samples [B = P·group]; sample b belongs to prompt b / group. */
struct TtsBatch {
  Prompts prompts;
  Tensor codes;               // [B,K,T] codes without BOS and EOS
  Tensor code_lengths;        // [B] frames
  int64_t group = 1;
  Tensor unconditional = {};  // [B], 1: the sample is seen without text and voice prompt; absent: none is
  Tensor end_tokens = {};     // [B,K] targets of the frame after the last, as generate drew them; absent: EOS
};

/** @throws Shape or Data naming the field, the item and what it holds. */
void check_prompts(const TtsConfig& config, const Prompts& prompts);
/** check_prompts, and every sample has at least one frame. */
void check_batch(const TtsConfig& config, const TtsBatch& batch);

/** Encoder inputs of P prompts. */
struct PromptRows {
  Tensor text, text_lengths;        // [P,N], -1 beyond the lengths
  Tensor context, context_lengths;  // [P,K,S·Uc], [P] steps: context BOS, codes, context EOS, filled up with 0 to a step
};
PromptRows prompt_rows(const TtsConfig& config, const Prompts& prompts, Arena& arena);

/** Decoder inputs and targets of B samples; U steps of S frames. */
struct AudioRows {
  Tensor input, lengths;     // [B,K,S·U], [B] steps: S frames of BOS, then the codes before the last target's step
  Tensor targets;            // [B,K·S,U] codes, then one frame of EOS or of what ended the sample; head c + i·K is codebook c of slot i; -1 beyond
  Tensor target_mask;        // the same shape, 1 where there is a target
  Tensor frame_lengths;      // [B] targets of a codebook: frames + 1
  int64_t steps() const { return targets.dim(2); }
};
/** Codes may be empty here: the sequence is then BOS alone. */
AudioRows audio_rows(const TtsConfig& config, const Tensor& codes, const Tensor& code_lengths, Arena& arena, const Tensor& end_tokens = {});

/** [P] -> [P·group], each value repeated. */
Tensor repeat(const Tensor& ints, int64_t group, Arena& arena);
/** ints [count] of one value. */
Tensor constant_ints(int64_t count, int32_t value, Arena& arena);

/** Which of `count` items train without their conditions, each with probability p (per_item) or all of them together.
 *  Counter-based: `step` and the item decide. */
Tensor draw_unconditional(double p, bool per_item, uint64_t seed, uint64_t step, int64_t count, Arena& arena);

/** Replaces frames of the decoder's input after its first step by random codes, each with probability p, in place: a model that
 *  cannot trust the frames before has to read the text. `step`, item and frame decide. */
void scramble_history(const TtsConfig& config, AudioRows& rows, double p, uint64_t seed, uint64_t step);
/** Frames of the decoder's input after its first step in whose place the model's own codes go. Every item has its own probability,
 *  drawn uniformly up to `most`; `step`, item and frame decide. */
struct OwnHistory {
  struct Frame {
    int64_t item, frame, row;  // row: of `steps`, the step that draws it
  };
  std::vector<Frame> frames;
  std::vector<int32_t> steps;  // b·U + u, ascending
};
OwnHistory choose_own_history(const TtsConfig& config, const AudioRows& rows, double most, uint64_t seed, uint64_t step);
/** Puts what the steps drew, ints [R,S·K], into the frames of the decoder's input. */
void replace_history(const TtsConfig& config, AudioRows& rows, const OwnHistory& own, const Tensor& drawn);

}  // namespace a2s
