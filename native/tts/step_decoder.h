// The decoder during generation: the hidden rows of the next step for every running sample.
#pragma once
#include "nn/decode_cache.h"
#include "tts/generate.h"

namespace a2s {

/** A sample that has not ended. */
struct Running {
  int64_t sample;  // 0 .. P·group - 1
  int64_t prompt;
};

/** What all steps of a generation share. */
struct Generation {
  const Tts& tts;
  Tensor text, text_lengths;        // [P,N,C], ints [P]
  Tensor context, context_lengths;  // [P,Uc,C], ints [P]
  Tensor codes;                     // ints [B,K,frames]: what was sampled so far
  int64_t group;
  bool guided;                      // every sample has an unconditional twin
  const GenerationPrior* prior;     // null: none
  std::vector<PriorWindow> windows;  // one a sample, with a prior
  std::vector<Running> running;
  /** Rows a sample: the conditional one, then its twin. */
  int64_t width() const { return guided ? 2 : 1; }
  int64_t prompts() const { return text.dim(0); }
};

/** Attention over the text of the newest step, [running samples][N]; filled when there is a prior. */
using Attention = std::vector<std::vector<double>>;

class StepDecoder {
 public:
  virtual ~StepDecoder() = default;
  /** Hidden rows [running·width, C] of step `step`; the codes of the steps before are in Generation::codes. */
  virtual Var* step(Tape& tape, int64_t step, Attention& attention) = 0;
  /** Running sample `index` has ended; the last one takes its place. Called before Generation::running changes. */
  virtual void drop(int64_t index) = 0;
};

/** Keys and values of earlier steps are cached: each step keeps the prior of its own time. */
std::unique_ptr<StepDecoder> cached_decoder(Generation& g, Context ctx, Arena& arena, int64_t steps, std::atomic<bool>* cancel);
/** Everything is computed again in each step. */
std::unique_ptr<StepDecoder> exact_decoder(Generation& g);

}  // namespace a2s
