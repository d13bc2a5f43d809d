#include "tts/local_transformer.h"

#include <algorithm>

#include "ops/embedding/embedding.h"
#include "ops/linear/linear.h"
#include "ops/sequence/sequence.h"

namespace a2s {
namespace {

constexpr double kInit = 0.02;

}  // namespace

/** The M steps of all samples that exist, early ones first. Those after the end of a sample have code 0, which no target sees. */
struct LocalTransformer::Steps {
  Tensor rows;         // ints [M]: row b·U + u of the decoder's output
  Tensor tokens;       // ints [M,heads-1]: what positions 1.. read, ids of the whole table
  Tensor targets;      // ints [heads,1,M]; -1: none
  Tensor places;       // ints [B,heads,U]: where a target lies in [heads,M]; -1: nowhere
  int64_t before = 0;  // steps in which EOS may not occur
  int64_t count() const { return rows.size(); }

  Steps(const TtsConfig& config, const AudioRows& audio, const Sampling& sampling, Arena& arena) {
    const int64_t B = audio.lengths.size(), U = audio.steps(), heads = config.step_tokens();
    const int64_t first_end = sampling.first_end(config);
    const int32_t* lengths = audio.lengths.as<int32_t>();
    int64_t M = 0;
    for (int64_t b = 0; b < B; ++b) M += lengths[b];
    rows = new_tensor(arena, DType::i32, {M});
    tokens = new_tensor(arena, DType::i32, {M, heads - 1});
    targets = new_tensor(arena, DType::i32, {heads, 1, M});
    places = new_tensor(arena, DType::i32, {B, heads, U});
    std::fill_n(places.as<int32_t>(), places.size(), -1);
    int64_t m = 0;
    for (int64_t u = 0; u < U; ++u)
      for (int64_t b = 0; b < B; ++b) {
        if (u >= lengths[b]) continue;
        before += u < first_end;
        rows.as<int32_t>()[m] = static_cast<int32_t>(b * U + u);
        for (int64_t k = 0; k < heads; ++k) {
          const int64_t at = (b * heads + k) * U + u;
          const int32_t token = audio.targets.as<int32_t>()[at];
          targets.as<int32_t>()[k * M + m] = token;
          if (k + 1 < heads) tokens.as<int32_t>()[m * (heads - 1) + k] = static_cast<int32_t>(k * config.vocab + std::max(token, 0));
          places.as<int32_t>()[at] = static_cast<int32_t>(k * M + m);
        }
        ++m;
      }
  }
};

LocalTransformer::LocalTransformer(Params& params, const TtsConfig& config, Param& audio_embeddings)
    : config_(config), audio_embeddings_(audio_embeddings), stack_(params, "local_transformer", config.local()) {
  const int64_t D = config.local_transformer->d_model, heads = config.step_tokens();
  if (D != config.d_model) {
    in_weight_ = &params.add("local_transformer_in_projection.weight", {D, config.d_model}, kInit);
    in_bias_ = &params.add("local_transformer_in_projection.bias", {D}, 0);
  }
  out_weight_ = &params.add_split("local_transformer_out_projections", "weight", heads, {config.vocab, D}, kInit);
  out_bias_ = &params.add_split("local_transformer_out_projections", "bias", heads, {config.vocab}, 0);
}

Var* LocalTransformer::project(Tape& tape, Var* x) const {
  return in_weight_ ? tape.apply(linear, {x, tape.param(*in_weight_), tape.param(*in_bias_)}) : x;
}

Var* LocalTransformer::embed(Tape& tape, int64_t head, const Tensor& tokens) const {
  Var* table = tape.param_rows(audio_embeddings_, head * config_.vocab, config_.vocab);
  return project(tape, tape.apply(embedding, {tape.constant(tokens), table}));
}

PackedLinear LocalTransformer::head(Context ctx, Arena& arena, int64_t head) const {
  const int64_t V = config_.vocab;
  return {ctx, arena, rows_of(out_weight_->value, head * V, V), rows_of(out_bias_->value, head * V, V)};
}

/** Outputs of all positions, position-major [heads,M,D]. */
Var* LocalTransformer::run(Tape& tape, const Steps& steps, Var* hidden, bool dropout, uint64_t seed) const {
  Arena& arena = tape.arena();
  const int64_t M = steps.count(), heads = config_.step_tokens(), C = config_.d_model, D = stack_.config().d_model;
  Var* flat = tape.view(hidden, {hidden->value.size() / C, C});
  Var* x = tape.view(tape.apply(embedding, {tape.constant(steps.rows), flat}), {M, 1, C});
  if (heads > 1) {
    Var* codes = tape.apply(embedding, {tape.constant(steps.tokens), tape.param(audio_embeddings_)});
    x = tape.apply(concat_time, {x, tape.constant(constant_ints(M, 1, arena)), codes,
                                 tape.constant(constant_ints(M, static_cast<int32_t>(heads - 1), arena))});
  }
  x = stack_.forward(tape, {.x = project(tape, x), .dropout = dropout, .seed = seed}).y;
  Tensor order = new_tensor(arena, DType::i32, {heads, M});
  for (int64_t i = 0; i < heads * M; ++i) order.as<int32_t>()[i] = static_cast<int32_t>(i % M * heads + i / M);
  return tape.apply(embedding, {tape.constant(order), tape.view(x, {M * heads, D})});
}

TokenScores LocalTransformer::score(Tape& tape, const AudioRows& audio, Var* hidden, Var* uncond, const Sampling& sampling,
                                    const ReferenceHeads& reference, bool dropout, uint64_t seed) const {
  Arena& arena = tape.arena();
  const int64_t heads = config_.step_tokens(), V = config_.vocab, D = stack_.config().d_model;
  const Steps steps(config_, audio, sampling, arena);
  const int64_t M = steps.count();
  Var* x = run(tape, steps, hidden, dropout, seed);
  Var* free = uncond ? run(tape, steps, uncond, dropout, seed) : nullptr;

  const Tensor all = constant_ints(1, static_cast<int32_t>(M), arena);
  const Tensor before = constant_ints(1, static_cast<int32_t>(steps.before), arena);
  TokenScores joined;
  auto append = [&](Var*& to, Var* part, int64_t k) {
    if (!part) return;
    part = tape.view(part, {1, M, 1});
    to = k == 0 ? part : tape.apply(concat_time, {to, tape.constant(constant_ints(1, static_cast<int32_t>(k * M), arena)), part, tape.constant(all)});
  };
  for (int64_t k = 0; k < heads; ++k) {
    auto head_rows = [&](Var* v) { return v ? tape.view(tape.rows(v, k, 1), {1, M, D}) : nullptr; };
    HeadRows rows{.x = head_rows(x), .uncond = head_rows(free), .w = tape.param_rows(*out_weight_, k * V, V),
                  .b = tape.param_rows(*out_bias_, k * V, V), .targets = rows_of(steps.targets, k, 1),
                  .lengths = all, .before = before};
    if (reference.x)
      rows.reference = {rows_of(reference.x, k, 1), rows_of(reference.w, k * V, V), rows_of(reference.b, k * V, V)};
    const TokenScores s = score_rows(tape, config_, sampling, rows);
    append(joined.logprobs, s.logprobs, k);
    append(joined.entropy, s.entropy, k);
    append(joined.kl, s.kl, k);
  }
  auto place = [&](Var* v) -> Var* {
    if (!v) return v;
    return tape.view(tape.apply(embedding, {tape.constant(steps.places), tape.view(v, {heads * M, 1})}), {audio.lengths.size(), heads, audio.steps()});
  };
  return {place(joined.logprobs), place(joined.entropy), place(joined.kl)};
}

ReferenceHeads LocalTransformer::read(Tape& tape, const AudioRows& audio, Var* hidden, Var* uncond, const Sampling& sampling) const {
  const Steps steps(config_, audio, sampling, tape.arena());
  Var* x = run(tape, steps, hidden);
  if (uncond) x = guide(tape, x, run(tape, steps, uncond), sampling.guidance);
  return {x->value, out_weight_->value, out_bias_->value};
}

}  // namespace a2s
