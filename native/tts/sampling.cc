#include "tts/sampling.h"

#include <algorithm>

#include "ops/elementwise/elementwise.h"
#include "ops/token_logprobs/token_logprobs.h"

namespace a2s {

void Sampling::validate(const TtsConfig& config) const {
  for (int32_t id : forbidden)
    if (id < 0 || id >= config.vocab || id == config.eos)
      fail_config("sampling: forbidden: expected ids below " + std::to_string(config.vocab) + " other than EOS, got " + std::to_string(id));
  if (min_frames < 0) fail_config("sampling: min_frames: expected at least 0, got " + std::to_string(min_frames));
}

Tensor allowed_ids(const TtsConfig& config, const Sampling& sampling, bool eos, Arena& arena) {
  if (sampling.special_ids && sampling.forbidden.empty() && eos) return {};
  Tensor allowed = constant_ints(config.vocab, 1, arena);
  int32_t* ids = allowed.as<int32_t>();
  if (!sampling.special_ids) std::fill(ids + config.first_special(), ids + config.vocab, 0);
  for (int32_t id : sampling.forbidden) ids[id] = 0;
  ids[config.eos] = eos;
  return allowed;
}

Var* guide(Tape& tape, Var* conditional, Var* unconditional, double guidance) {
  return tape.apply(add, {tape.apply(scale, {conditional}, {{"factor", guidance}}), tape.apply(scale, {unconditional}, {{"factor", 1 - guidance}})});
}

namespace {

TokenScores score(Tape& tape, const Sampling& s, const HeadRows& r, const Tensor& targets, const Tensor& lengths, const Tensor& allowed,
                  Var* kl = nullptr) {
  auto out = tape.apply_all(token_logprobs,
                            {r.x, r.w, r.b, tape.constant(targets), tape.constant(lengths), r.uncond,
                             allowed ? tape.constant(allowed) : nullptr},
                            {{"codebooks", double(targets.dim(1))},
                             {"temperature", s.temperature},
                             {"top_k", double(s.top_k)},
                             {"top_p", s.top_p},
                             {"guidance", s.guidance}});
  return {out[0], out[1], kl};
}

}  // namespace

TokenScores score_rows(Tape& tape, const TtsConfig& config, const Sampling& sampling, const HeadRows& r) {
  Arena& arena = tape.arena();
  const Tensor free = allowed_ids(config, sampling, true, arena);
  const int32_t* before = r.before ? r.before.as<int32_t>() : nullptr;
  Var* kl = nullptr;
  if (const ReferenceHeads& q = r.reference; q.x) {
    Var* x = r.uncond ? guide(tape, r.x, r.uncond, sampling.guidance) : r.x;
    kl = tape.apply(token_kl, {x, r.w, r.b, tape.constant(q.x), tape.constant(q.w), tape.constant(q.b), tape.constant(r.lengths)},
                    {{"codebooks", double(r.targets.dim(1))}, {"temperature", sampling.temperature}});
  }
  if (!before || std::all_of(before, before + r.before.size(), [](int32_t n) { return n == 0; }))
    return score(tape, sampling, r, r.targets, r.lengths, free, kl);

  // Two distributions: the first rows without EOS, then the others. Each pass ignores the targets of the other.
  Tensor late = new_tensor(arena, DType::i32, r.targets.shape());
  const int64_t heads = late.dim(1), T = late.dim(2);
  for (int64_t i = 0; i < late.size(); ++i)
    late.as<int32_t>()[i] = i % T < before[i / T / heads] ? -1 : r.targets.as<int32_t>()[i];
  TokenScores a = score(tape, sampling, r, r.targets, r.before, allowed_ids(config, sampling, false, arena));
  TokenScores b = score(tape, sampling, r, late, r.lengths, free);
  return {tape.apply(add, {a.logprobs, b.logprobs}), tape.apply(add, {a.entropy, b.entropy}), kl};
}

}  // namespace a2s
