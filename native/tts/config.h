// Dimensions and ids of the text-to-codes model.
#pragma once
#include <optional>

#include "nn/transformer.h"

namespace a2s {

/** How the voice prompt reaches the decoder. */
enum class ModelType {
  decoder_ce,       // through the context encoder, then in front of the audio
  decoder_context,  // embedded, in front of the audio
  multi_encoder,    // through the context encoder, then as a second memory of some decoder layers
};

/** Predicts the codebooks of a step one after another from the decoder's output. */
struct LocalTransformerConfig {
  int64_t layers = 2, heads = 12, d_model = 768, d_ffn = 3072, max_positions = 18;
};

/** The defaults are the released multilingual model with its zero-shot context encoder. */
struct TtsConfig {
  ModelType model_type = ModelType::decoder_ce;
  int64_t d_model = 768, d_ffn = 3072, heads = 12;
  int64_t encoder_layers = 6, context_layers = 1, decoder_layers = 12;
  int64_t encoder_kernel = 3, context_kernel = 3, decoder_kernel = 1;
  bool encoder_causal = true;
  int64_t cross_heads = 1, cross_head_dim = 128;
  bool apply_norm_to_cond = true;
  /** multi_encoder: which decoder layers attend to the text and which to the voice prompt. */
  std::vector<int64_t> transcript_decoder_layers = {}, context_decoder_layers = {};
  int64_t codebooks = 8, vocab = 2024, frame_stacking = 2;
  int64_t bos = 2016, eos = 2017, context_bos = 2018, context_eos = 2019, mask = 2020;
  int64_t text_rows = 3359;       // the last row is the text EOS
  int64_t max_positions = 2048;   // in decoder steps
  MaskConvention mask_convention = MaskConvention::outer;
  std::optional<LocalTransformerConfig> local_transformer = LocalTransformerConfig{};
  double dropout = 0.1;
  double cfg_dropout = 0.1;  // probability of training without conditions

  /** K·S: tokens that one decoder step predicts; head c + i·K is codebook c of slot i. */
  int64_t step_tokens() const { return codebooks * frame_stacking; }
  int64_t text_eos() const { return text_rows - 1; }
  /** Whether the voice prompt stands in front of the audio. */
  bool has_prefix() const { return model_type != ModelType::multi_encoder; }
  bool has_context_encoder() const { return model_type != ModelType::decoder_context; }
  /** The first id that is no codec token. */
  int64_t first_special() const;
  /** @throws Config naming the first field that cannot be. */
  void validate() const;

  TransformerConfig encoder() const;
  TransformerConfig context_encoder() const;
  TransformerConfig decoder() const;
  TransformerConfig local() const;
};

}  // namespace a2s
