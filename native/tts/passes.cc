#include "tts/passes.h"

#include <algorithm>

#include "ops/elementwise/elementwise.h"
#include "ops/embedding/embedding.h"
#include "sampling/sample_tokens.h"

namespace a2s {
namespace {

/** Encoders and decoder over one batch. */
struct Forward {
  Encoded prompts;
  AudioRows audio;
  Decoded decoded;
};

/** A decoder's past as it was not: `drawn` are the model's own codes, in the order of `own`. */
struct History {
  const StepNoise& noise;
  OwnHistory own = {};
  Tensor drawn = {};
};

struct ForwardOptions {
  Noise noise = {};
  const TrainingPrior* prior = nullptr;
  const History* history = nullptr;
  bool traced = false;  // a loss reads the decoder's traces
};

Forward forward(Tape& tape, const Tts& tts, const TtsBatch& batch, const ForwardOptions& o = {}) {
  check_batch(tts.config(), batch);
  Forward f;
  f.prompts = tts.encode(tape, prompt_rows(tts.config(), batch.prompts, tape.arena()), o.noise);
  f.audio = audio_rows(tts.config(), batch.codes, batch.code_lengths, tape.arena(), batch.end_tokens);
  if (o.history) {
    const StepNoise& n = o.history->noise;
    replace_history(tts.config(), f.audio, o.history->own, o.history->drawn);
    scramble_history(tts.config(), f.audio, n.history, n.seed, n.step);
  }
  AttentionPrior rows;
  if (o.prior) rows = tts.training_prior(tape, f.prompts, f.audio, batch.group, *o.prior);
  f.decoded = tts.decode(tape, f.prompts, f.audio,
                         {.group = batch.group, .unconditional = batch.unconditional, .text_prior = o.prior ? &rows : nullptr,
                          .noise = o.noise, .packed = !o.noise.dropout && !o.prior && !o.traced});
  return f;
}

/** The pass of guidance, where `sampling` wants one. */
std::optional<Decoded> free_of(Tape& tape, const Tts& tts, const TtsBatch& batch, const Forward& f, const Sampling& sampling, const Noise& noise = {}) {
  if (!sampling.guided()) return {};
  return decode_unconditional(tape, tts, f.prompts, f.audio, {.group = batch.group, .noise = noise, .packed = !noise.dropout});
}

TokenScores score(Tape& tape, const Tts& tts, const TtsBatch& batch, const Forward& f, const ScoreSettings& s, const Noise& noise = {},
                  const ReferenceHeads& reference = {}) {
  const std::optional<Decoded> uncond = free_of(tape, tts, batch, f, s.sampling, noise);
  const Decoded* guide = uncond ? &*uncond : nullptr;
  return s.heads == Heads::local ? score_tokens_locally(tape, tts, f.audio, f.decoded, s.sampling, guide, reference, noise)
                                 : score_tokens(tape, tts, f.audio, f.decoded, s.sampling, guide, reference);
}

/** What a reference's heads read over the batch, guided as its `sampling` says. */
ReferenceHeads read_reference(const PassContext& pass, const Tts& tts, const TtsBatch& batch, const ScoreSettings& s) {
  Tape tape(pass.ctx, pass.arena, Tape::Mode::infer);
  tape.cancel = pass.cancel;
  const Forward f = forward(tape, tts, batch);
  const std::optional<Decoded> uncond = free_of(tape, tts, batch, f, s.sampling);
  return read_heads(tape, tts, f.audio, f.decoded, s.sampling, uncond ? &*uncond : nullptr, s.heads == Heads::local);
}

/** What the model would say in these steps after the true frames before them, ints [R,S·K]; never a special id. */
Tensor draw_own(const PassContext& pass, const Tts& tts, const TtsBatch& batch, const StepNoise& noise, const TrainingPrior* prior,
                const std::vector<int32_t>& steps) {
  const TtsConfig& config = tts.config();
  const int64_t R = static_cast<int64_t>(steps.size()), n = config.step_tokens(), D = config.d_model;
  Tensor drawn = new_tensor(pass.arena, DType::i32, {R, n});
  ScratchScope scope(pass.arena);
  Tape tape(pass.ctx, pass.arena, Tape::Mode::infer);
  tape.cancel = pass.cancel;
  Var* all = forward(tape, tts, batch, {.prior = prior}).decoded.hidden;
  Tensor picked = new_tensor(pass.arena, DType::i32, {R});
  std::copy(steps.begin(), steps.end(), picked.as<int32_t>());
  Var* hidden = tape.apply(embedding, {tape.constant(picked), tape.view(all, {all->value.size() / D, D})});
  const Tensor allowed = allowed_ids(config, {}, false, pass.arena);
  /** One token for each row of logits [rows,V]; row i is head `first` + i % per of step i / per. */
  auto draw = [&](Var* logits, int64_t per, int64_t first) {
    Tensor ids = tape.alloc(DType::i32, {R * per});
    for (int64_t i = 0; i < ids.size(); ++i) ids.as<int32_t>()[i] = steps[static_cast<size_t>(i / per)];
    Var* tokens = tape.apply(sample_tokens, {tape.view(logits, {ids.size(), config.vocab}), nullptr, tape.constant(allowed), tape.constant(ids)},
                             {{"seed", double(noise.seed)}, {"position", double((noise.step * n + first) / per)}, {"rows_per_sample", double(per)}});
    return tokens->value;
  };
  if (!tts.has_local()) {
    std::memcpy(drawn.data, draw(tts.logits(tape, hidden), n, 0).data, drawn.bytes());
    return drawn;
  }
  const LocalTransformer& local = tts.local();
  DecodeCache cache(local.stack(), tts.dtype(), pass.ctx, pass.arena, R, n);
  local.unroll(tape, cache, hidden, [&](int64_t k, Var* x) {
    const Tensor tokens = draw(local.head(pass.ctx, pass.arena, k).apply(tape, x), 1, k);
    for (int64_t i = 0; i < R; ++i) drawn.as<int32_t>()[i * n + k] = tokens.as<int32_t>()[i];
    return tokens;
  });
  return drawn;
}

/** @throws Config for a probability that is none. */
History history_of(const PassContext& pass, const Tts& tts, const TtsBatch& batch, const StepNoise& noise, const TrainingPrior* prior) {
  for (auto [name, p] : {std::pair{"history", noise.history}, {"ownHistory", noise.own_history}})
    if (!(p >= 0 && p <= 1)) fail_config(std::string("tts: noise: ") + name + ": expected 0 to 1, got " + std::to_string(p));
  if (noise.own_history == 0) return {.noise = noise};
  check_batch(tts.config(), batch);
  const AudioRows rows = audio_rows(tts.config(), batch.codes, batch.code_lengths, pass.arena, batch.end_tokens);
  History h{noise, choose_own_history(tts.config(), rows, noise.own_history, noise.seed, noise.step)};
  if (!h.own.frames.empty()) h.drawn = draw_own(pass, tts, batch, noise, prior, h.own.steps);
  return h;
}

void backward(Tape& tape, Var* loss, double weight) {
  Tensor seed = new_tensor(tape.arena(), loss->value.dtype, loss->value.shape());
  if (seed.dtype == DType::f32) seed.as<float>()[0] = static_cast<float>(weight);
  else seed.as<double>()[0] = weight;
  tape.backward(loss, seed);
}

/** Noise of one step. Dropout draws from (seed, sample, position) alone, so the step enters its seed. */
Noise dropout_noise(const StepNoise& noise) {
  const auto words = Rng{noise.seed, static_cast<uint32_t>(Stream::dropout)}.words(noise.step, 0);
  return {true, (uint64_t{words[0]} << 20) ^ words[1]};  // below 2^53, as seeds of ops are
}

bool all_unconditional(const TtsBatch& batch) {
  if (!batch.unconditional) return false;
  const int32_t* off = batch.unconditional.as<int32_t>();
  return std::all_of(off, off + batch.unconditional.size(), [](int32_t v) { return v != 0; });
}

void check_weight(const char* name, double weight) {
  if (!(weight >= 0)) fail_config(std::string("supervised loss: ") + name + ": expected at least 0, got " + std::to_string(weight));
}

Var* plus(Tape& tape, Var* sum, Var* term, double weight) {
  return tape.apply(add, {sum, weight == 1 ? term : tape.apply(scale, {term}, {{"factor", weight}})});
}

}  // namespace

Evaluation evaluate(const PassContext& pass, const Tts& tts, const TtsBatch& batch, const ScoreSettings& settings, unsigned parts,
                    const StepNoise* past) {
  std::optional<History> history;
  if (past) history.emplace(history_of(pass, tts, batch, *past, nullptr));
  Tape tape(pass.ctx, pass.arena, Tape::Mode::infer);
  tape.cancel = pass.cancel;
  const Forward f = forward(tape, tts, batch, {.history = history ? &*history : nullptr});
  Evaluation e{.text = f.prompts.text->value, .context = tape.apply(mask_rows, {f.prompts.context, f.prompts.context_lengths})->value, .hidden = f.decoded.hidden->value};
  if (parts & want_logits) e.logits = tape.apply(mask_rows, {tts.logits(tape, f.decoded.hidden), f.decoded.lengths})->value;
  if (parts & want_scores) {
    const TokenScores scores = score(tape, tts, batch, f, settings);
    e.logprobs = by_frame(tape, tts.config(), scores.logprobs)->value;
    e.entropy = by_frame(tape, tts.config(), scores.entropy)->value;
  }
  return e;
}

Trained train(const PassContext& pass, const Tts& tts, const TtsBatch& given, const SupervisedLoss& s, double weight) {
  check_weight("local_weight", s.local_weight);
  check_weight("alignment_weight", s.alignment_weight);
  if (s.alignment_weight == 0 && (!s.alignment.layers.empty() || s.alignment.targets))
    fail_config("supervised loss: alignment_weight: expected a weight for the layers or targets given, got 0");
  Tape tape(pass.ctx, pass.arena);
  tape.cancel = pass.cancel, tape.turns = pass.turns;
  TtsBatch batch = given;
  Noise noise;
  if (s.noise) {
    noise = dropout_noise(*s.noise);
    if (!batch.unconditional)
      batch.unconditional = draw_unconditional(tts.config().cfg_dropout, false, s.noise->seed, s.noise->step,
                                               batch.code_lengths.size(), pass.arena);
  }
  const TrainingPrior* prior = s.prior ? &*s.prior : nullptr;
  std::optional<History> history;
  if (s.noise) history.emplace(history_of(pass, tts, batch, *s.noise, prior));
  const Forward f = forward(tape, tts, batch, {.noise = noise, .prior = prior, .history = history ? &*history : nullptr,
                                                .traced = s.alignment_weight > 0});
  const TokenScores scores = score(tape, tts, batch, f, {}, noise);
  Var *ce = cross_entropy(tape, f.audio, scores), *loss = ce, *local = nullptr, *alignment = nullptr;
  if (tts.has_local() && s.local_weight > 0) {
    local = cross_entropy(tape, f.audio, score(tape, tts, batch, f, {.heads = Heads::local}, noise));
    loss = plus(tape, loss, local, s.local_weight);
  }
  if (s.alignment_weight > 0 && !all_unconditional(batch)) {
    alignment = alignment_loss(tape, tts, f.decoded, s.alignment);
    loss = plus(tape, loss, alignment, s.alignment_weight);
  }
  backward(tape, loss, weight);

  Trained t{number(loss->value), {{"crossEntropy", number(ce->value)}}, by_frame(tape, tts.config(), scores.logprobs)->value};
  if (local) t.stats.emplace_back("localCrossEntropy", number(local->value));
  if (alignment) t.stats.emplace_back("alignment", number(alignment->value));
  return t;
}

Trained train(const PassContext& pass, const Tts& tts, const TtsBatch& batch, const PolicyLoss& s, double weight) {
  ReferenceHeads reference;
  if (s.reference) {
    ScoreSettings of = s.score;
    of.sampling.guidance = s.reference_guidance;
    reference = read_reference(pass, *s.reference, batch, of);
  }
  Tape tape(pass.ctx, pass.arena);
  tape.cancel = pass.cancel, tape.turns = pass.turns;
  const Forward f = forward(tape, tts, batch);
  const TokenScores scores = score(tape, tts, batch, f, s.score, {}, reference);
  const auto [loss, stats] = policy(tape, tts, f.audio, scores, s.input,
                                    {{"kind", double(s.kind)},
                                     {"clip_low", s.clip_low},
                                     {"clip_high", s.clip_high},
                                     {"kl", double(s.kl)},
                                     {"kl_weight", s.kl_weight},
                                     {"entropy_weight", s.entropy_weight},
                                     {"max_frames", double(s.max_frames)}});
  backward(tape, loss, weight);

  constexpr const char* names[] = {"meanRatio", "maxLogprobGap", "clippedBelow", "clippedAbove", "kl", "entropy", "tokens", "outsideSupport"};
  Trained t{number(loss->value), {}, by_frame(tape, tts.config(), scores.logprobs)->value};
  for (int64_t i = 0; i < stats->value.size(); ++i) t.stats.emplace_back(names[i], number(stats->value, i));
  return t;
}

Trained train(const PassContext& pass, const Tts& tts, const TtsBatch& batch, const PreferenceLoss& s, double weight) {
  if (!s.reference || s.reference.size() != batch.code_lengths.size())
    fail_shape("preference: reference: expected [" + std::to_string(batch.code_lengths.size()) + "], got " +
               (s.reference ? shape_string(s.reference.shape()) : "none"));
  Tape tape(pass.ctx, pass.arena);
  tape.cancel = pass.cancel, tape.turns = pass.turns;
  const Forward f = forward(tape, tts, batch);
  const TokenScores scores = score(tape, tts, batch, f, s.score);
  const auto [loss, margins] = preference(tape, tts, f.audio, scores, s.reference, s.reward_gap,
                                          {{"kind", double(s.kind)},
                                           {"beta", s.beta},
                                           {"eta", s.eta},
                                           {"label_smoothing", s.label_smoothing},
                                           {"sft_weight", s.sft_weight}});
  backward(tape, loss, weight);

  const int64_t pairs = margins->value.size();
  double kept = 0;
  for (int64_t p = 0; p < pairs; ++p) kept += number(margins->value, p) > 0;
  return {number(loss->value), {{"accuracy", pairs ? kept / static_cast<double>(pairs) : 0}},
          by_frame(tape, tts.config(), scores.logprobs)->value, margins->value};
}

}  // namespace a2s
