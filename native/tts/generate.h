// Sampling codes for prompts: P prompts, G samples each.
//
// Encoders and prefix run once a prompt; then every running sample advances by one step a call, and those that have ended
// leave the batch. What a sample becomes depends on the model, its prompt, the settings and its own id, and on nothing
// else in the batch.
#pragma once
#include <functional>

#include "core/team.h"
#include "tts/model.h"
#include "tts/prior_window.h"

namespace a2s {

/** When a step ends a sample: EOS in a slot of the likeliest tokens or, with `sampled`, of the sampled ones. */
struct EndRule {
  enum class Where { any, all, first };  // any codebook, every codebook, codebook 0
  Where where = Where::any;
  bool sampled = true;
};

struct GenerationPrior : PriorSettings {
  std::vector<int64_t> estimate_layers = {};  // whose attention says where the voice is; empty: all that attend to the text
  std::vector<int64_t> apply_layers = {};     // which layers are held to the window; empty: the same
  /** Whether earlier steps are computed again under the newest prior, as the reference does. Slow: no cache. */
  bool exact = false;
};

struct GenerateSettings {
  Sampling sampling = {.min_frames = 4};
  int64_t max_frames = 500;
  EndRule end = {};
  bool local = false;  // sample with the local transformer
  uint64_t seed = 0;
  std::optional<GenerationPrior> prior = {};
  std::atomic<bool>* cancel = nullptr;  // looked at in every step; @throws Cancelled
  std::function<void(int64_t step, int64_t running)> progress = {};
  Patience* patience = nullptr;  // of this call and those before; null: without end
};

/** What was sampled, B = P·G samples. Tensors lie in the caller's arena; values beyond the lengths are 0. */
struct Generated {
  Tensor codes;      // ints [B,K,T]
  Tensor lengths;    // ints [B] frames, the ending one not counted
  Tensor truncated;  // ints [B], 1: no end within max_frames
  Tensor logprobs;   // [B,K,T] nats, under the distribution each token was drawn from
  Tensor entropy;    // [B,K,T] nats
  /** What the ending frame drew: the tokens whose likelihood the end has. EOS and 0 nats where a sample was truncated. */
  Tensor end_tokens;    // ints [B,K]
  Tensor end_logprobs;  // [B,K]
  struct Times {
    double encode_ms = 0, prefill_ms = 0, decode_ms = 0, sample_ms = 0;
    int64_t steps = 0;  // decoder steps
    int64_t rows = 0;   // rows that the decoder computed in them
  } times;
};

/** sample_ids: ints [P·group], never negative: whose random numbers a sample uses.
 *  @throws Shape, Data or Config for inputs and settings that cannot be. */
Generated generate(Context ctx, Arena& arena, const Tts& tts, const Prompts& prompts, int64_t group, const Tensor& sample_ids,
                   const GenerateSettings& settings);

}  // namespace a2s
