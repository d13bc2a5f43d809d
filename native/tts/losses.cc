#include "tts/losses.h"

#include "ops/attention/attention.h"
#include "ops/cross_entropy/cross_entropy.h"
#include "ops/ctc/ctc.h"
#include "ops/elementwise/elementwise.h"
#include "ops/sequence/sequence.h"
#include "ops/token_logprobs/token_logprobs.h"
#include "rl/policy_loss/policy_loss.h"
#include "rl/preference_loss/preference_loss.h"

namespace a2s {
namespace {

/** The unconditional states to score with: null without guidance. */
Var* guiding(const Sampling& sampling, const Decoded* uncond) {
  if (sampling.guided() && !uncond) fail_config("tts: guidance: expected an unconditional pass beside the conditional one, got none");
  return sampling.guided() ? uncond->hidden : nullptr;
}

/** How many first steps of each sample may not end it. */
Tensor steps_before_end(const TtsConfig& config, const Sampling& sampling, const AudioRows& audio, Arena& arena) {
  Tensor before = new_tensor(arena, DType::i32, audio.lengths.shape());
  const int64_t first = sampling.first_end(config);
  for (int64_t b = 0; b < before.size(); ++b)
    before.as<int32_t>()[b] = static_cast<int32_t>(std::min<int64_t>(first, audio.lengths.as<int32_t>()[b]));
  return before;
}

}  // namespace

TokenScores score_tokens(Tape& tape, const Tts& tts, const AudioRows& audio, const Decoded& decoded, const Sampling& sampling,
                         const Decoded* uncond, const ReferenceHeads& reference) {
  sampling.validate(tts.config());
  const auto [w, b] = tts.heads();
  return score_rows(tape, tts.config(), sampling,
                    {.x = decoded.hidden, .uncond = guiding(sampling, uncond), .w = tape.param(*w), .b = tape.param(*b),
                     .targets = audio.targets, .lengths = audio.lengths,
                     .before = steps_before_end(tts.config(), sampling, audio, tape.arena()), .reference = reference});
}

TokenScores score_tokens_locally(Tape& tape, const Tts& tts, const AudioRows& audio, const Decoded& decoded,
                                 const Sampling& sampling, const Decoded* uncond, const ReferenceHeads& reference, const Noise& noise) {
  sampling.validate(tts.config());
  return tts.local().score(tape, audio, decoded.hidden, guiding(sampling, uncond), sampling, reference, noise.dropout, noise.seed);
}

ReferenceHeads read_heads(Tape& tape, const Tts& tts, const AudioRows& audio, const Decoded& decoded, const Sampling& sampling,
                          const Decoded* uncond, bool local) {
  Var* free = guiding(sampling, uncond);
  if (local) return tts.local().read(tape, audio, decoded.hidden, free, sampling);
  const auto [w, b] = tts.heads();
  Var* x = free ? guide(tape, decoded.hidden, free, sampling.guidance) : decoded.hidden;
  return {x->value, w->value, b->value};
}

Decoded decode_unconditional(Tape& tape, const Tts& tts, const Encoded& prompts, const AudioRows& audio, DecodeOptions options) {
  options.unconditional = constant_ints(audio.lengths.size(), 1, tape.arena());
  return tts.decode(tape, prompts, audio, options);
}

Var* by_frame(Tape& tape, const TtsConfig& config, Var* by_head) {
  const int64_t B = by_head->value.dim(0), U = by_head->value.dim(2), K = config.codebooks, S = config.frame_stacking;
  if (S == 1) return by_head;
  return tape.view(tape.apply(transpose, {tape.view(by_head, {B, S, K * U})}), {B, K, U * S});
}

Var* cross_entropy(Tape& tape, const AudioRows& audio, const TokenScores& scores) {
  return tape.apply(codebook_cross_entropy, {scores.logprobs, tape.constant(audio.lengths), tape.constant(audio.target_mask)});
}

Var* alignment_loss(Tape& tape, const Tts& tts, const Decoded& decoded, const Alignment& alignment) {
  const std::vector<int64_t> layers = tts.text_layers(alignment.layers);
  Tensor lengths = new_tensor(tape.arena(), DType::i32, decoded.lengths->value.shape());
  for (int64_t b = 0; b < lengths.size(); ++b) {
    const bool off = decoded.unconditional && decoded.unconditional.as<int32_t>()[b];
    lengths.as<int32_t>()[b] = off ? 0 : decoded.lengths->value.as<int32_t>()[b];
  }
  Var* sum = nullptr;
  for (int64_t i : layers) {
    const LayerTrace& trace = decoded.layers[static_cast<size_t>(i)];
    if (!trace.cross_q) fail_config("alignment loss: batch: expected a conditional sample, got none");
    Var* q = trace.cross_q;
    if (decoded.start) q = tape.apply(slice_time, {q, decoded.start, decoded.lengths}, {{"frames", double(decoded.hidden->value.dim(1))}});
    Var* scores = tape.apply(attention_scores, {q, trace.cross_kv},
                             {{"heads", double(tts.config().cross_heads)}, {"group", double(decoded.group)}});
    sum = sum ? tape.apply(add, {sum, scores}) : scores;
  }
  if (layers.size() > 1) sum = tape.apply(scale, {sum}, {{"factor", 1.0 / static_cast<double>(layers.size())}});
  Var* target_lengths = alignment.targets ? tape.constant(alignment.target_lengths) : decoded.text_lengths;
  Var* targets = alignment.targets ? tape.constant(alignment.targets) : nullptr;
  return tape.apply(forward_sum_loss, {sum, tape.constant(lengths), target_lengths, targets});
}

std::pair<Var*, Var*> policy(Tape& tape, const Tts& tts, const AudioRows& audio, const TokenScores& scores, const PolicyInput& input,
                             AttrList attrs) {
  auto maybe = [&](const Tensor& t) { return t ? tape.constant(t) : nullptr; };
  // An entropy that is only measured does not need its gradient.
  bool bonus = false;
  for (const auto& [name, value] : attrs) bonus |= std::string_view(name) == "entropy_weight" && value != 0;
  Var* entropy = by_frame(tape, tts.config(), bonus ? scores.entropy : tape.constant(scores.entropy->value));
  auto out = tape.apply_all(policy_loss,
                            {by_frame(tape, tts.config(), scores.logprobs), tape.constant(input.advantages),
                             tape.constant(audio.frame_lengths), maybe(input.old_logprobs), maybe(input.ref_logprobs),
                             entropy, scores.kl ? by_frame(tape, tts.config(), scores.kl) : nullptr, maybe(input.mask), maybe(input.frame_advantages)},
                            attrs);
  return {out[0], out[1]};
}

Var* sample_logprobs(Tape& tape, const Tts& tts, const AudioRows& audio, const TokenScores& scores) {
  return tape.apply(sequence_logprob, {by_frame(tape, tts.config(), scores.logprobs), tape.constant(audio.frame_lengths)});
}

std::pair<Var*, Var*> preference(Tape& tape, const Tts& tts, const AudioRows& audio, const TokenScores& scores,
                                 const Tensor& reference, const Tensor& reward_gap, AttrList attrs) {
  const int64_t B = audio.lengths.size(), P = B / 2;
  if (B % 2) fail_shape("preference: samples: expected pairs, got " + std::to_string(B));
  // [P,2] -> [2,P]: the preferred samples, then the others.
  auto halves = [&](Var* v) { return tape.view(tape.apply(transpose, {tape.view(v, {1, P, 2})}), {2, P}); };
  Var* own = halves(sample_logprobs(tape, tts, audio, scores));
  Var* ref = halves(tape.constant(reference));
  auto half = [&](Var* v, int64_t i) { return tape.view(tape.rows(v, i, 1), {P}); };
  auto out = tape.apply_all(preference_loss,
                            {half(own, 0), half(own, 1), half(ref, 0), half(ref, 1), reward_gap ? tape.constant(reward_gap) : nullptr},
                            attrs);
  return {out[0], out[1]};
}

}  // namespace a2s
