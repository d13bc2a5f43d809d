// Models and batches for the tests of the text-to-codes model: golden folders, and small random ones.
#pragma once
#include <cstdlib>
#include <filesystem>

#include "test/safetensors.h"
#include "test/test.h"
#include "tts/generate.h"
#include "tts/losses.h"

namespace a2s::test {

/** A golden folder: README.json, weights, io and gradients. */
struct TtsGolden {
  Json about;
  Golden weights, io, grads;
  explicit TtsGolden(const std::string& folder)
      : about(parse_json(read_file(folder + "/README.json"))),
        weights(read_golden(folder + "/weights.safetensors")),
        io(read_golden(folder + "/io.safetensors")),
        grads(read_golden(folder + "/grads.safetensors")) {}
};

inline std::vector<int64_t> integers(const Json* list) {
  std::vector<int64_t> out;
  if (list)
    for (const Json& v : list->items) out.push_back(static_cast<int64_t>(v.number));
  return out;
}

/** Fields that a folder does not name are those of the M generation. */
inline TtsConfig config_of(const Json& j) {
  TtsConfig c;
  auto size = [&](const char* key, int64_t fallback) { return static_cast<int64_t>(j.num(key, static_cast<double>(fallback))); };
  auto flag = [&](const char* key, bool fallback) { return j.find(key) ? j.find(key)->truthy() : fallback; };
  const std::string type = j.str("model_type"), masks = j.str("mask_convention");
  c.model_type = type == "decoder_context" ? ModelType::decoder_context : type == "multi_encoder" ? ModelType::multi_encoder : ModelType::decoder_ce;
  c.mask_convention = masks == "query" ? MaskConvention::query : masks == "strict" ? MaskConvention::strict : MaskConvention::outer;
  c.d_model = size("d_model", 0), c.d_ffn = size("d_ffn", 0), c.heads = size("heads", 1);
  c.cross_heads = size("xa_heads", 1), c.cross_head_dim = size("xa_d_head", 1);
  c.encoder_layers = size("encoder_layers", 1), c.context_layers = size("context_layers", 1), c.decoder_layers = size("decoder_layers", 1);
  c.encoder_kernel = size("encoder_kernel", 3), c.context_kernel = size("context_kernel", 3), c.decoder_kernel = size("decoder_kernel", 1);
  c.encoder_causal = flag("encoder_causal", true), c.apply_norm_to_cond = flag("apply_norm_to_cond", true);
  c.transcript_decoder_layers = integers(j.find("transcript_decoder_layers"));
  c.context_decoder_layers = integers(j.find("context_decoder_layers"));
  c.codebooks = size("codebooks", 8), c.vocab = size("vocab", 0), c.frame_stacking = size("frame_stacking", 1);
  c.bos = size("bos", 0), c.eos = size("eos", 0), c.context_bos = size("context_bos", 0), c.context_eos = size("context_eos", 0);
  c.mask = size("mask", c.context_eos + 1);
  c.text_rows = size("text_rows", 0), c.max_positions = size("max_positions", 0);
  c.local_transformer.reset();
  if (const Json* l = j.find("local_transformer"); l && l->is(Json::Type::object))
    c.local_transformer = {static_cast<int64_t>(l->num("layers", 1)), static_cast<int64_t>(l->num("heads", 1)),
                           static_cast<int64_t>(l->num("d_model", 1)), static_cast<int64_t>(l->num("d_ffn", 1)),
                           static_cast<int64_t>(l->num("max_positions", 1))};
  return c;
}

/** Values of any dtype into a tensor of `dtype` in `arena`. */
inline Tensor tensor_of(const Golden::Entry& e, DType dtype, Arena& arena) {
  Tensor t = new_tensor(arena, dtype, e.shape);
  for (int64_t i = 0; i < t.size(); ++i) {
    const double v = e.values[static_cast<size_t>(i)];
    if (dtype == DType::f32) t.as<float>()[i] = static_cast<float>(v);
    else if (dtype == DType::f64) t.as<double>()[i] = v;
    else t.as<int32_t>()[i] = static_cast<int32_t>(v);
  }
  return t;
}

inline Tensor ints_of(const std::vector<int32_t>& values, std::initializer_list<int64_t> shape, Arena& arena) {
  Tensor t = new_tensor(arena, DType::i32, shape);
  std::memcpy(t.data, values.data(), t.bytes());
  return t;
}

/** A small model; every field that matters to a test is set by it. */
inline TtsConfig small_config() {
  TtsConfig c;
  c.d_model = 16, c.d_ffn = 24, c.heads = 4, c.cross_heads = 2, c.cross_head_dim = 6;
  c.encoder_layers = 2, c.context_layers = 1, c.decoder_layers = 3;
  c.codebooks = 3, c.vocab = 21, c.frame_stacking = 1;
  c.bos = 16, c.eos = 17, c.context_bos = 18, c.context_eos = 19, c.mask = 20;
  c.text_rows = 24, c.max_positions = 64, c.mask_convention = MaskConvention::strict;
  c.local_transformer.reset();
  c.dropout = 0.1;
  return c;
}

/** Weights large enough that attention, heads and gradients are far from uniform. */
inline std::unique_ptr<Tts> lively_model(const TtsConfig& config, DType dtype, uint64_t seed = 7) {
  auto tts = std::make_unique<Tts>(config, dtype, seed);
  for (Param& p : tts->params().list()) {
    const double factor = p.init_fill == 1 ? 1 : 15;
    for (int64_t i = 0; i < p.value.size(); ++i) {
      if (dtype == DType::f32) p.value.as<float>()[i] *= static_cast<float>(factor);
      else p.value.as<double>()[i] *= factor;
    }
  }
  return tts;
}

inline int32_t random_id(uint64_t sample, int64_t position, int64_t below) {
  return static_cast<int32_t>(Rng{11, static_cast<uint32_t>(Stream::test)}.uniform(sample, static_cast<uint64_t>(position)) * static_cast<double>(below));
}

inline Prompts random_prompts(const TtsConfig& c, std::vector<int32_t> text_lengths, std::vector<int32_t> context_lengths, Arena& arena) {
  const int64_t P = static_cast<int64_t>(text_lengths.size());
  const int64_t N = *std::max_element(text_lengths.begin(), text_lengths.end()), T = *std::max_element(context_lengths.begin(), context_lengths.end());
  Prompts p{new_tensor(arena, DType::i32, {P, N}), ints_of(text_lengths, {P}, arena),
            new_tensor(arena, DType::i32, {P, c.codebooks, T}), ints_of(context_lengths, {P}, arena)};
  for (int64_t b = 0; b < P; ++b)
    for (int64_t i = 0; i < N; ++i)
      p.text.as<int32_t>()[b * N + i] = i + 1 == text_lengths[static_cast<size_t>(b)] ? static_cast<int32_t>(c.text_eos()) : random_id(static_cast<uint64_t>(b), i, c.text_eos());
  for (int64_t i = 0; i < p.context_codes.size(); ++i) p.context_codes.as<int32_t>()[i] = random_id(100, i, c.first_special());
  return p;
}

inline Tensor random_codes(const TtsConfig& c, int64_t B, int64_t T, Arena& arena) {
  Tensor codes = new_tensor(arena, DType::i32, {B, c.codebooks, T});
  for (int64_t i = 0; i < codes.size(); ++i) codes.as<int32_t>()[i] = random_id(200, i, c.first_special());
  return codes;
}

/** Everything one pass over a batch gives. */
struct Pass {
  Encoded prompts;
  AudioRows audio;
  Decoded decoded;
};
inline Pass run_pass(Tape& tape, const Tts& tts, const TtsBatch& batch) {
  check_batch(tts.config(), batch);
  Pass p;
  p.prompts = tts.encode(tape, prompt_rows(tts.config(), batch.prompts, tape.arena()));
  p.audio = audio_rows(tts.config(), batch.codes, batch.code_lengths, tape.arena(), batch.end_tokens);
  p.decoded = tts.decode(tape, p.prompts, p.audio, {.group = batch.group, .unconditional = batch.unconditional});
  return p;
}

/** The configurations that differ in what the incremental form has to get right. */
inline std::vector<std::pair<std::string, TtsConfig>> variants() {
  TtsConfig plain = small_config(), koel = small_config(), multi = small_config(), stacked = small_config();
  koel.model_type = ModelType::decoder_context, koel.context_layers = 0, koel.decoder_kernel = 3, koel.encoder_causal = false;
  koel.cross_heads = 4, koel.cross_head_dim = 4;
  multi.model_type = ModelType::multi_encoder, multi.transcript_decoder_layers = {0, 2}, multi.context_decoder_layers = {1};
  stacked.frame_stacking = 2, stacked.decoder_kernel = 3;
  stacked.local_transformer = LocalTransformerConfig{.layers = 2, .heads = 2, .d_model = 8, .d_ffn = 12, .max_positions = 8};
  return {{"plain", plain}, {"koel", koel}, {"multi", multi}, {"stacked", stacked}};
}

/** Largest |a - b|. */
inline double distance(const Tensor& a, const Tensor& b) {
  double worst = 0;
  for (int64_t i = 0; i < b.size(); ++i) worst = std::max(worst, std::fabs(element(a, i) - element(b, i)));
  return worst;
}

inline GenerateSettings settings_of(const TtsConfig& config, Sampling sampling) {
  GenerateSettings s;
  s.sampling = sampling;
  s.max_frames = 12 * config.frame_stacking;
  s.seed = 3;
  return s;
}

inline Tensor ids_from(int32_t first, int64_t count, Arena& arena) {
  Tensor t = new_tensor(arena, DType::i32, {count});
  for (int64_t i = 0; i < count; ++i) t.as<int32_t>()[i] = first + static_cast<int32_t>(i);
  return t;
}

}  // namespace a2s::test
