#include "tts/config.h"

#include <algorithm>

namespace a2s {
namespace {

void require(bool ok, const std::string& field, const std::string& expected, const std::string& got) {
  if (!ok) fail_config("tts config: " + field + ": expected " + expected + ", got " + got);
}
void require(bool ok, const std::string& field, const std::string& expected, int64_t got) {
  require(ok, field, expected, std::to_string(got));
}

std::string list(const std::vector<int64_t>& v) { return shape_string(v); }

void check_sizes(const TtsConfig& c) {
  const std::pair<const char*, int64_t> sizes[] = {
      {"d_model", c.d_model},           {"d_ffn", c.d_ffn},
      {"heads", c.heads},               {"encoder_layers", c.encoder_layers},
      {"decoder_layers", c.decoder_layers}, {"encoder_kernel", c.encoder_kernel},
      {"context_kernel", c.context_kernel}, {"decoder_kernel", c.decoder_kernel},
      {"cross_heads", c.cross_heads},   {"cross_head_dim", c.cross_head_dim},
      {"codebooks", c.codebooks},       {"vocab", c.vocab},
      {"frame_stacking", c.frame_stacking}, {"max_positions", c.max_positions}};
  for (auto& [field, value] : sizes) require(value >= 1, field, "at least 1", value);
  require(c.text_rows >= 2, "text_rows", "at least 2", c.text_rows);
  require(c.d_model % c.heads == 0, "heads", "a divisor of d_model (" + std::to_string(c.d_model) + ")", c.heads);
  require(c.encoder_causal || c.encoder_kernel % 2, "encoder_kernel", "an odd number, because the encoder is not causal",
          c.encoder_kernel);
  require(c.context_kernel % 2, "context_kernel", "an odd number", c.context_kernel);
  require(c.dropout >= 0 && c.dropout < 1, "dropout", "a number in [0, 1)", std::to_string(c.dropout));
  require(c.cfg_dropout >= 0 && c.cfg_dropout <= 1, "cfg_dropout", "a number in [0, 1]", std::to_string(c.cfg_dropout));
}

void check_ids(const TtsConfig& c) {
  const std::pair<const char*, int64_t> ids[] = {
      {"bos", c.bos}, {"eos", c.eos}, {"context_bos", c.context_bos}, {"context_eos", c.context_eos}, {"mask", c.mask}};
  for (size_t i = 0; i < std::size(ids); ++i) {
    require(ids[i].second >= 0 && ids[i].second < c.vocab, ids[i].first, "an id below vocab (" + std::to_string(c.vocab) + ")",
            ids[i].second);
    for (size_t j = 0; j < i; ++j)
      require(ids[i].second != ids[j].second, ids[i].first, std::string("an id other than ") + ids[j].first, ids[i].second);
  }
  require(c.first_special() > 0, "vocab", "codec ids before the special ids", c.first_special());
}

void check_conditioning(const TtsConfig& c) {
  if (c.has_context_encoder()) require(c.context_layers >= 1, "context_layers", "at least 1", c.context_layers);
  else require(c.context_layers == 0, "context_layers", "0: decoder_context has no context encoder", c.context_layers);

  std::vector<int64_t> attended = c.transcript_decoder_layers;
  attended.insert(attended.end(), c.context_decoder_layers.begin(), c.context_decoder_layers.end());
  std::sort(attended.begin(), attended.end());
  if (c.model_type != ModelType::multi_encoder) {
    require(attended.empty(), "transcript_decoder_layers, context_decoder_layers", "[] for a model with one memory", list(attended));
    return;
  }
  std::vector<int64_t> every;
  for (int64_t i = 0; i < c.decoder_layers; ++i) every.push_back(i);
  require(attended == every, "transcript_decoder_layers, context_decoder_layers",
          "together each of 0.." + std::to_string(c.decoder_layers - 1) + " once", list(attended));
}

void check_local(const TtsConfig& c) {
  if (!c.local_transformer) return;
  const LocalTransformerConfig& l = *c.local_transformer;
  const std::pair<const char*, int64_t> sizes[] = {{"layers", l.layers}, {"heads", l.heads}, {"d_model", l.d_model}, {"d_ffn", l.d_ffn}};
  for (auto& [field, value] : sizes) require(value >= 1, std::string("local_transformer.") + field, "at least 1", value);
  require(l.d_model % l.heads == 0, "local_transformer.heads", "a divisor of its d_model (" + std::to_string(l.d_model) + ")", l.heads);
  require(l.max_positions >= c.step_tokens(), "local_transformer.max_positions",
          "at least codebooks * frame_stacking (" + std::to_string(c.step_tokens()) + ")", l.max_positions);
}

// First dropout site of each stack; far enough apart for a thousand layers each.
constexpr int64_t kSites = 8192;

}  // namespace

int64_t TtsConfig::first_special() const { return std::min({bos, eos, context_bos, context_eos, mask}); }

void TtsConfig::validate() const {
  check_sizes(*this);
  check_ids(*this);
  check_conditioning(*this);
  check_local(*this);
}

TransformerConfig TtsConfig::encoder() const {
  return {.layers = encoder_layers, .d_model = d_model, .d_ffn = d_ffn, .heads = heads, .kernel = encoder_kernel,
          .causal = encoder_causal, .max_positions = max_positions, .mask = mask_convention, .dropout = dropout, .site = 0};
}

TransformerConfig TtsConfig::context_encoder() const {
  return {.layers = context_layers, .d_model = d_model, .d_ffn = d_ffn, .heads = heads, .kernel = context_kernel,
          .causal = false, .max_positions = max_positions, .mask = mask_convention, .dropout = dropout, .site = kSites};
}

TransformerConfig TtsConfig::decoder() const {
  return {.layers = decoder_layers, .d_model = d_model, .d_ffn = d_ffn, .heads = heads, .kernel = decoder_kernel,
          .causal = true, .max_positions = max_positions,
          .cross = {.heads = cross_heads, .head_dim = cross_head_dim, .memory = d_model, .norm = apply_norm_to_cond},
          .mask = mask_convention, .dropout = dropout, .site = 2 * kSites};
}

TransformerConfig TtsConfig::local() const {
  const LocalTransformerConfig& l = *local_transformer;
  return {.layers = l.layers, .d_model = l.d_model, .d_ffn = l.d_ffn, .heads = l.heads, .kernel = 1, .causal = true,
          .max_positions = l.max_positions, .mask = mask_convention, .norm_out = false, .dropout = dropout, .site = 3 * kSites};
}

}  // namespace a2s
