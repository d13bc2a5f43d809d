#include "tts/model.h"

#include "ops/embedding/embedding.h"
#include "ops/linear/linear.h"
#include "ops/prior/prior.h"
#include "ops/sequence/sequence.h"

namespace a2s {
namespace {

constexpr double kInit = 0.02;

bool is_unconditional(const DecodeOptions& o, int64_t b) { return o.unconditional && o.unconditional.as<int32_t>()[b]; }

/** The sums of two lists of lengths. */
Tensor sum_lengths(const Tensor& lengths, const Tensor& more, Arena& arena) {
  Tensor sum = new_tensor(arena, DType::i32, lengths.shape());
  for (int64_t b = 0; b < sum.size(); ++b) sum.as<int32_t>()[b] = lengths.as<int32_t>()[b] + more.as<int32_t>()[b];
  return sum;
}

/** The rows of samples of `lengths` steps, T with padding. Samples of a prompt that share their conditions are alike in their first
 *  `alike` steps: those are the first such sample's. */
PackedRows packed_rows(const Tensor& lengths, const Tensor& alike, int64_t T, const DecodeOptions& o, Arena& arena) {
  const int64_t B = lengths.size();
  PackedRows packed{new_tensor(arena, DType::i32, {B * T}), new_tensor(arena, DType::i32, {B, T})};
  int32_t *rows = packed.rows.as<int32_t>(), *places = packed.places.as<int32_t>();
  int32_t count = 0;
  for (int64_t b = 0; b < B; ++b) {
    int64_t first = b / o.group * o.group;
    while (is_unconditional(o, first) != is_unconditional(o, b)) ++first;
    for (int64_t t = 0; t < T; ++t) {
      const bool exists = t < lengths.as<int32_t>()[b], shared = first < b && t < alike.as<int32_t>()[b];
      if (exists && !shared) rows[count] = static_cast<int32_t>(b * T + t);
      places[b * T + t] = !exists ? -1 : shared ? places[first * T + t] : count++;
    }
  }
  packed.rows = rows_of(packed.rows, 0, count);
  return packed;
}

/** The op works in f32 whatever the model does: its inputs are lengths. */
Var* as_dtype(Tape& tape, Var* v, DType dtype) {
  if (v->value.dtype == dtype) return v;
  Tensor wide = new_tensor(tape.arena(), dtype, v->value.shape());
  for (int64_t i = 0; i < wide.size(); ++i) wide.as<double>()[i] = v->value.as<float>()[i];
  return tape.constant(wide);
}

}  // namespace

Tts::Tts(const TtsConfig& config, DType dtype, std::optional<uint64_t> seed, bool bf16)
    : config_(config), bf16_(bf16), params_(dtype) {
  config.validate();
  if (bf16 && dtype != DType::f32) fail_config("tts: bf16: expected parameters of f32, got " + std::string(name_of(dtype)));
  const int64_t C = config.d_model, V = config.vocab, heads = config.step_tokens();
  text_embedding_ = &params_.add("text_embedding.weight", {config.text_rows, C}, kInit);
  audio_embeddings_ = &params_.add_split("audio_embeddings", "weight", heads, {V, C}, kInit);
  encoder_ = std::make_unique<Transformer>(params_, "encoder", config.encoder());
  if (config.has_context_encoder())
    context_encoder_ = std::make_unique<Transformer>(params_, "context_encoder", config.context_encoder());
  decoder_ = std::make_unique<Transformer>(params_, "decoder", config.decoder());
  head_weight_ = &params_.add("final_proj.weight", {heads * V, C}, kInit);
  head_bias_ = &params_.add("final_proj.bias", {heads * V}, 0);
  if (config.local_transformer) local_ = std::make_unique<LocalTransformer>(params_, config, *audio_embeddings_);
  params_.allocate(seed);

  text_layer_.assign(static_cast<size_t>(config.decoder_layers), config.has_prefix());
  for (int64_t i : config.transcript_decoder_layers) text_layer_[static_cast<size_t>(i)] = true;
}

const LocalTransformer& Tts::local() const {
  if (!local_) fail_config("tts: local transformer: expected a model with one, got one without");
  return *local_;
}

std::vector<int64_t> Tts::text_layers(std::span<const int64_t> named) const {
  std::vector<int64_t> layers(named.begin(), named.end());
  for (int64_t i : layers)
    if (i < 0 || i >= config_.decoder_layers || !attends_to_text(i))
      fail_config("tts: layers: expected decoder layers that attend to the text, got " + std::to_string(i));
  for (int64_t i = 0; named.empty() && i < config_.decoder_layers; ++i)
    if (attends_to_text(i)) layers.push_back(i);
  return layers;
}

Var* Tts::embed_audio(Tape& tape, const Tensor& codes) const {
  return tape.apply(codebook_embedding, {tape.constant(codes), tape.param(*audio_embeddings_)},
                    {{"stack", double(config_.frame_stacking)}});
}

Var* Tts::logits(Tape& tape, Var* hidden) const {
  return tape.apply(linear, {hidden, tape.param(*head_weight_), tape.param(*head_bias_)});
}

Encoded Tts::encode(Tape& tape, const PromptRows& prompts, const Noise& noise) const {
  Encoded e;
  e.text_lengths = tape.constant(prompts.text_lengths);
  e.context_lengths = tape.constant(prompts.context_lengths);
  Var* text = tape.apply(embedding, {tape.constant(prompts.text), tape.param(*text_embedding_)});
  e.text = encoder_->forward(tape, {.x = text, .lengths = e.text_lengths, .dropout = noise.dropout, .seed = noise.seed}).y;
  e.context = embed_audio(tape, prompts.context);
  if (context_encoder_)
    e.context = context_encoder_
                    ->forward(tape, {.x = e.context, .lengths = e.context_lengths, .dropout = noise.dropout, .seed = noise.seed})
                    .y;
  return e;
}

Var* Tts::prefix(Tape& tape, const Encoded& prompts, const DecodeOptions& o, int64_t B) const {
  const Tensor& context = prompts.context->value;
  const int64_t U = context.dim(1), C = context.dim(2);
  Tensor rows = tape.alloc(DType::i32, {B, U});
  for (int64_t b = 0; b < B; ++b)
    for (int64_t t = 0; t < U; ++t)
      rows.as<int32_t>()[b * U + t] = is_unconditional(o, b) ? -1 : static_cast<int32_t>(b / o.group * U + t);
  return tape.apply(embedding, {tape.constant(rows), tape.view(prompts.context, {context.dim(0) * U, C})});
}

Decoded Tts::decode(Tape& tape, const Encoded& prompts, const AudioRows& audio, const DecodeOptions& o) const {
  const int64_t B = audio.lengths.size(), P = prompts.text_lengths->value.size();
  if (B != P * o.group)
    fail_shape("tts: samples: expected " + std::to_string(P) + " prompts of " + std::to_string(o.group) + ", got " + std::to_string(B));
  Arena& arena = tape.arena();
  Decoded d;
  d.group = o.group;
  d.unconditional = o.unconditional;
  d.lengths = tape.constant(audio.lengths);
  d.text_lengths = tape.constant(repeat(prompts.text_lengths->value, o.group, arena));

  Var *x = embed_audio(tape, audio.input), *total = d.lengths;
  if (config_.has_prefix()) {
    d.start = tape.constant(repeat(prompts.context_lengths->value, o.group, arena));
    x = tape.apply(concat_time, {prefix(tape, prompts, o, B), d.start, x, d.lengths});
    total = tape.constant(sum_lengths(d.start->value, d.lengths->value, arena));
  }
  Tensor attending = new_tensor(arena, DType::i32, {B});
  bool any = false;
  for (int64_t b = 0; b < B; ++b) {
    attending.as<int32_t>()[b] = is_unconditional(o, b) ? 0 : total->value.as<int32_t>()[b];
    any |= !is_unconditional(o, b);
  }

  const Memory text{prompts.text, prompts.text_lengths}, context{prompts.context, prompts.context_lengths};
  const size_t L = static_cast<size_t>(config_.decoder_layers);
  std::vector<const Memory*> memory(L, nullptr);
  std::vector<const AttentionPrior*> prior(L, nullptr);
  for (size_t i = 0; any && i < L; ++i) memory[i] = text_layer_[i] ? &text : &context;
  if (any && o.text_prior)
    for (int64_t i : text_layers(o.prior_layers)) prior[static_cast<size_t>(i)] = o.text_prior;
  StackInput in{.x = x, .lengths = total, .cross_lengths = tape.constant(attending), .group = o.group, .memory = memory, .prior = prior,
                .dropout = o.noise.dropout, .seed = o.noise.seed};
  PackedRows packed;
  if (o.packed && config_.decoder_kernel == 1) {
    const Tensor one = constant_ints(B, 1, arena);  // the step of BOS
    packed = packed_rows(total->value, d.start ? sum_lengths(d.start->value, one, arena) : one, x->value.dim(1), o, arena);
    if (packed.rows.size() < packed.places.size()) in.packed = &packed;
  }
  StackOutput out = decoder_->forward(tape, in);
  d.layers = out.layers;
  d.hidden = d.start ? tape.apply(slice_time, {out.y, d.start, d.lengths}, {{"frames", double(audio.steps())}}) : out.y;
  return d;
}

AttentionPrior Tts::training_prior(Tape& tape, const Encoded& prompts, const AudioRows& audio, int64_t group,
                                   const TrainingPrior& s) const {
  Arena& arena = tape.arena();
  const bool prefixed = config_.has_prefix();
  Var* text = tape.constant(repeat(prompts.text_lengths->value, group, arena));
  Var* start = prefixed ? tape.constant(repeat(prompts.context_lengths->value, group, arena)) : nullptr;
  const int64_t steps = audio.steps() + (prefixed ? prompts.context->value.dim(1) : 0);
  AttentionPrior prior{.mode = AttentionPrior::Mode::training, .eps = s.eps, .strict = s.strict};
  Var* rows = tape.apply(beta_binomial_prior, {tape.constant(audio.lengths), text, start},
                         {{"max_frames", double(steps)},
                          {"max_text", double(prompts.text->value.dim(1))},
                          {"scaling", s.scaling},
                          {"blend", s.blend}});
  prior.rows = as_dtype(tape, rows, dtype());
  return prior;
}

}  // namespace a2s
