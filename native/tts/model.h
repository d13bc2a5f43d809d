// The text-to-codes model: text encoder, context encoder, decoder with parallel heads, optional local transformer.
//
//   text  -> encoder ───────────────────────────────┐ memory
//   voice -> context encoder -> prefix ─┐           │
//   codes -> mean of embeddings ────────┴> decoder ─┴> hidden -> final_proj | local transformer -> codes of the next step
//
// Encoders run once a prompt; the samples of its group share what they give. A sample without conditions has a zero prefix
// and a zero memory, which contributes nothing.
//
// Not here: speaker vectors instead of a voice prompt, text as its context, baked voices, the masked local transformer.
#pragma once
#include <cfloat>
#include <memory>

#include "tts/batch.h"
#include "tts/local_transformer.h"

namespace a2s {

/** Randomness of one training pass; the defaults are evaluation. */
struct Noise {
  bool dropout = false;
  uint64_t seed = 0;
};

/** What the encoders say about P prompts. */
struct Encoded {
  Var* text = nullptr;             // [P,N,C]
  Var* text_lengths = nullptr;     // ints [P]
  Var* context = nullptr;          // [P,Uc,C]
  Var* context_lengths = nullptr;  // ints [P]
};

struct DecodeOptions {
  int64_t group = 1;
  Tensor unconditional = {};                  // ints [B], 1: without conditions; absent: none
  const AttentionPrior* text_prior = nullptr;  // over the text, for `prior_layers`
  std::span<const int64_t> prior_layers = {};  // empty: every layer that attends to the text
  Noise noise = {};
  bool packed = false;  // compute only rows that exist, and what samples of a prompt begin with once (PackedRows), where the decoder can
};

/** The decoder's view of B samples, U steps each. */
struct Decoded {
  Var* hidden = nullptr;   // [B,U,C], the prefix dropped
  Var* lengths = nullptr;  // ints [B] steps
  Var* start = nullptr;    // ints [B] steps of the prefix; null: there is none
  Var* text_lengths = nullptr;  // ints [B]
  std::span<LayerTrace> layers;
  int64_t group = 1;
  Tensor unconditional = {};
};

/** Beta-binomial prior that steers attention along the diagonal in early training. */
struct TrainingPrior {
  double scaling = 0.5;
  double blend = 0;         // 0: the full prior, 1: none
  double eps = FLT_MIN;     // 1e-8 in models of the first era
  bool strict = false;      // make_prior_window_strict
};

class Tts {
 public:
  /** Parameters drawn from `seed`; `bf16`: passes multiply in bf16 (Context). @throws Config when the configuration cannot be. */
  Tts(const TtsConfig& config, DType dtype, std::optional<uint64_t> seed, bool bf16 = false);

  const TtsConfig& config() const { return config_; }
  Params& params() { return params_; }
  const Params& params() const { return params_; }
  DType dtype() const { return params_.dtype(); }
  bool bf16() const { return bf16_; }
  const Transformer& decoder() const { return *decoder_; }
  /** @throws Config when the model has none. */
  const LocalTransformer& local() const;
  bool has_local() const { return local_ != nullptr; }

  Encoded encode(Tape& tape, const PromptRows& prompts, const Noise& noise = {}) const;
  Decoded decode(Tape& tape, const Encoded& prompts, const AudioRows& audio, const DecodeOptions& options) const;

  /** Mean code embedding of each step: codes ints [B,K,S·U] -> [B,U,C]. */
  Var* embed_audio(Tape& tape, const Tensor& codes) const;
  /** Parallel heads: hidden [...,C] -> logits [...,K·S·V], head-major. */
  Var* logits(Tape& tape, Var* hidden) const;
  /** Weight [K·S·V,C] and bias [K·S·V] of the parallel heads. */
  std::pair<Param*, Param*> heads() const { return {head_weight_, head_bias_}; }
  bool attends_to_text(int64_t layer) const { return text_layer_[static_cast<size_t>(layer)]; }
  /** The layers named, or with none named every decoder layer that attends to the text.
   *  @throws Config when one of them does not. */
  std::vector<int64_t> text_layers(std::span<const int64_t> named) const;

  /** The prior of a teacher-forced pass, for DecodeOptions::text_prior. */
  AttentionPrior training_prior(Tape& tape, const Encoded& prompts, const AudioRows& audio, int64_t group,
                                const TrainingPrior& settings) const;

 private:
  Var* prefix(Tape& tape, const Encoded& prompts, const DecodeOptions& options, int64_t B) const;

  TtsConfig config_;
  bool bf16_;
  Params params_;
  Param *text_embedding_, *audio_embeddings_, *head_weight_, *head_bias_;
  std::unique_ptr<Transformer> encoder_, context_encoder_, decoder_;
  std::unique_ptr<LocalTransformer> local_;
  std::vector<bool> text_layer_;
};

}  // namespace a2s
