#include "tts/batch.h"

#include <algorithm>

#include "core/rng.h"

namespace a2s {
namespace {

[[noreturn]] void refuse(const std::string& what, const std::string& expected, const std::string& got) {
  fail(ErrorCode::Data, "tts batch: " + what + ": expected " + expected + ", got " + got);
}

void check_ints(const Tensor& t, const char* field, std::initializer_list<int64_t> shape) {
  std::string want = "[";
  bool ok = t && t.dtype == DType::i32 && t.rank == static_cast<int>(shape.size());
  int i = 0;
  for (int64_t n : shape) {
    want += (i ? ", " : "") + (n < 0 ? std::string("at least 1") : std::to_string(n));
    ok = ok && (n < 0 ? t.dims[i] >= 1 : t.dims[i] == n);
    ++i;
  }
  if (ok) return;
  const std::string got = !t ? "none" : std::string(name_of(t.dtype)) + " " + shape_string(t.shape());
  fail_shape("tts batch: " + std::string(field) + ": expected i32 " + want + "], got " + got);
}

/** Lengths within [1, most] (absent: all columns) and ids within [0, ids) in each of the `rows` rows of every item. */
void check_values(const Tensor& t, const Tensor& lengths, const char* field, const char* lengths_field, int64_t ids) {
  const int64_t items = t.dim(0), columns = t.dim(-1), rows = t.size() / items / columns;
  for (int64_t b = 0; b < items; ++b) {
    const int64_t n = lengths ? lengths.as<int32_t>()[b] : columns;
    const std::string item = shape_string(std::span<const int64_t>(&b, 1));
    if (n < 1 || n > columns) refuse(lengths_field + item, "1.." + std::to_string(columns), std::to_string(n));
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t i = 0; i < n; ++i) {
        const int64_t id = t.as<int32_t>()[(b * rows + r) * columns + i];
        if (id < 0 || id >= ids)
          refuse(field + item, "ids of 0.." + std::to_string(ids - 1), std::to_string(id) + " at " + std::to_string(i));
      }
  }
}

/** Copies n frames of a [.,K,columns] item into a [.,K,to_columns] one, from frame `at` on. */
void copy_frames(const Tensor& from, int64_t item, int64_t n, const Tensor& to, int64_t at) {
  const int64_t K = from.dim(1);
  for (int64_t k = 0; k < K; ++k)
    std::copy_n(from.as<int32_t>() + (item * K + k) * from.dim(2), n, to.as<int32_t>() + (item * K + k) * to.dim(2) + at);
}

void set_frames(const Tensor& t, int64_t item, int64_t at, int64_t n, int64_t id) {
  const int64_t K = t.dim(1);
  for (int64_t k = 0; k < K; ++k) std::fill_n(t.as<int32_t>() + (item * K + k) * t.dim(2) + at, n, static_cast<int32_t>(id));
}

}  // namespace

void check_prompts(const TtsConfig& config, const Prompts& p) {
  check_ints(p.text, "text", {-1, -1});
  const int64_t P = p.text.dim(0);
  check_ints(p.text_lengths, "text_lengths", {P});
  check_ints(p.context_codes, "context_codes", {P, config.codebooks, -1});
  check_ints(p.context_lengths, "context_lengths", {P});
  check_values(p.text, p.text_lengths, "text", "text_lengths", config.text_rows);
  for (int64_t i = 0; i < P; ++i) {
    const int64_t last = p.text.as<int32_t>()[i * p.text.dim(1) + p.text_lengths.as<int32_t>()[i] - 1];
    if (last != config.text_eos())
      refuse("text[" + std::to_string(i) + "]", "the text EOS (" + std::to_string(config.text_eos()) + ") last", std::to_string(last));
  }
  check_values(p.context_codes, p.context_lengths, "context_codes", "context_lengths", config.vocab);
}

void check_batch(const TtsConfig& config, const TtsBatch& batch) {
  check_prompts(config, batch.prompts);
  if (batch.group < 1) fail_shape("tts batch: group: expected at least 1, got " + std::to_string(batch.group));
  const int64_t B = batch.prompts.text.dim(0) * batch.group;
  check_ints(batch.codes, "codes", {B, config.codebooks, -1});
  check_ints(batch.code_lengths, "code_lengths", {B});
  check_values(batch.codes, batch.code_lengths, "codes", "code_lengths", config.vocab);
  if (batch.unconditional) check_ints(batch.unconditional, "unconditional", {B});
  if (batch.end_tokens) {
    check_ints(batch.end_tokens, "end_tokens", {B, config.codebooks});
    check_values(batch.end_tokens, {}, "end_tokens", "", config.vocab);
  }
}

PromptRows prompt_rows(const TtsConfig& config, const Prompts& p, Arena& arena) {
  PromptRows rows;
  const int64_t P = p.text.dim(0), N = p.text.dim(1), S = config.frame_stacking;
  rows.text = new_tensor(arena, DType::i32, {P, N});
  rows.text_lengths = p.text_lengths;
  rows.context_lengths = new_tensor(arena, DType::i32, {P});
  int64_t steps = 0;
  for (int64_t i = 0; i < P; ++i) {
    const int32_t* from = p.text.as<int32_t>() + i * N;
    int32_t* to = rows.text.as<int32_t>() + i * N;
    const int64_t n = p.text_lengths.as<int32_t>()[i];
    std::fill(std::copy_n(from, n, to), to + N, -1);
    const int64_t u = (p.context_lengths.as<int32_t>()[i] + 2 + S - 1) / S;
    rows.context_lengths.as<int32_t>()[i] = static_cast<int32_t>(u);
    steps = std::max(steps, u);
  }
  rows.context = new_tensor(arena, DType::i32, {P, config.codebooks, S * steps});
  fill_zero(rows.context);
  for (int64_t i = 0; i < P; ++i) {
    const int64_t n = p.context_lengths.as<int32_t>()[i];
    set_frames(rows.context, i, 0, 1, config.context_bos);
    copy_frames(p.context_codes, i, n, rows.context, 1);
    set_frames(rows.context, i, n + 1, 1, config.context_eos);
  }
  return rows;
}

AudioRows audio_rows(const TtsConfig& config, const Tensor& codes, const Tensor& code_lengths, Arena& arena, const Tensor& end_tokens) {
  const int64_t B = code_lengths.dim(0), K = config.codebooks, S = config.frame_stacking;
  AudioRows rows;
  rows.lengths = new_tensor(arena, DType::i32, {B});
  rows.frame_lengths = new_tensor(arena, DType::i32, {B});
  int64_t steps = 0;
  for (int64_t b = 0; b < B; ++b) {
    const int64_t n = code_lengths.as<int32_t>()[b], u = n / S + 1;
    rows.lengths.as<int32_t>()[b] = static_cast<int32_t>(u);
    rows.frame_lengths.as<int32_t>()[b] = static_cast<int32_t>(n + 1);
    steps = std::max(steps, u);
  }
  rows.input = new_tensor(arena, DType::i32, {B, K, S * steps});
  rows.targets = new_tensor(arena, DType::i32, {B, K * S, steps});
  rows.target_mask = new_tensor(arena, DType::i32, {B, K * S, steps});
  fill_zero(rows.input);
  int32_t *target = rows.targets.as<int32_t>(), *mask = rows.target_mask.as<int32_t>();
  for (int64_t b = 0; b < B; ++b) {
    const int64_t n = code_lengths.as<int32_t>()[b];
    set_frames(rows.input, b, 0, S, config.bos);
    if (n >= S) copy_frames(codes, b, n / S * S, rows.input, S);
    for (int64_t i = 0; i < S; ++i)
      for (int64_t k = 0; k < K; ++k)
        for (int64_t u = 0; u < steps; ++u) {
          const int64_t t = u * S + i;
          const int32_t end = end_tokens ? end_tokens.as<int32_t>()[b * K + k] : static_cast<int32_t>(config.eos);
          *target++ = t < n ? codes.as<int32_t>()[(b * K + k) * codes.dim(2) + t] : t == n ? end : -1;
          *mask++ = t <= n;
        }
  }
  return rows;
}

Tensor repeat(const Tensor& ints, int64_t group, Arena& arena) {
  Tensor out = new_tensor(arena, DType::i32, {ints.size() * group});
  for (int64_t i = 0; i < out.size(); ++i) out.as<int32_t>()[i] = ints.as<int32_t>()[i / group];
  return out;
}

Tensor constant_ints(int64_t count, int32_t value, Arena& arena) {
  Tensor out = new_tensor(arena, DType::i32, {count});
  std::fill_n(out.as<int32_t>(), count, value);
  return out;
}

Tensor draw_unconditional(double p, bool per_item, uint64_t seed, uint64_t step, int64_t count, Arena& arena) {
  const Rng rng{seed, static_cast<uint32_t>(Stream::cfg)};
  Tensor out = new_tensor(arena, DType::i32, {count});
  for (int64_t i = 0; i < count; ++i) out.as<int32_t>()[i] = rng.uniform(step, per_item ? static_cast<uint64_t>(i) : 0) < p;
  return out;
}

namespace {

/** Calls replace(item, frame of the input, position of its random numbers) for the frames of each item that p(item) chooses. */
template <class P, class F>
void choose_frames(const TtsConfig& config, const AudioRows& rows, const Rng& rng, uint64_t step, P&& p, F&& replace) {
  const int64_t B = rows.input.dim(0), K = rows.input.dim(1), T = rows.input.dim(2), S = config.frame_stacking;
  for (int64_t b = 0; b < B; ++b) {
    const double chance = p(b);
    for (int64_t t = S; t < rows.lengths.as<int32_t>()[b] * S; ++t) {
      const uint64_t position = static_cast<uint64_t>(b * T + t) * static_cast<uint64_t>(K + 1);
      if (rng.uniform(step, position) < chance) replace(b, t, position);
    }
  }
}

}  // namespace

void scramble_history(const TtsConfig& config, AudioRows& rows, double p, uint64_t seed, uint64_t step) {
  const Rng rng{seed, static_cast<uint32_t>(Stream::history)};
  const int64_t K = rows.input.dim(1), T = rows.input.dim(2);
  // The special ids of models trained here and of released ones stand above all codes.
  const int64_t codes = std::min({config.bos, config.eos, config.context_bos, config.context_eos, config.mask});
  choose_frames(config, rows, rng, step, [&](int64_t) { return p; }, [&](int64_t b, int64_t t, uint64_t position) {
    for (int64_t k = 0; k < K; ++k)
      rows.input.as<int32_t>()[(b * K + k) * T + t] =
          static_cast<int32_t>(rng.uniform(step, position + 1 + static_cast<uint64_t>(k)) * static_cast<double>(codes));
  });
}

OwnHistory choose_own_history(const TtsConfig& config, const AudioRows& rows, double most, uint64_t seed, uint64_t step) {
  const Rng rng{seed, static_cast<uint32_t>(Stream::own_history)};
  const int64_t B = rows.input.dim(0), K = rows.input.dim(1), T = rows.input.dim(2);
  const auto frames = static_cast<uint64_t>(B * T * (K + 1));  // the items' own numbers stand behind those of the frames
  auto p = [&](int64_t b) { return most * rng.uniform(step, frames + static_cast<uint64_t>(b)); };
  OwnHistory own;
  choose_frames(config, rows, rng, step, p, [&](int64_t b, int64_t t, uint64_t) {
    // Input frame t holds what the step before it drew.
    const auto drawing = static_cast<int32_t>(b * rows.steps() + t / config.frame_stacking - 1);
    if (own.steps.empty() || own.steps.back() != drawing) own.steps.push_back(drawing);
    own.frames.push_back({b, t, static_cast<int64_t>(own.steps.size()) - 1});
  });
  return own;
}

void replace_history(const TtsConfig& config, AudioRows& rows, const OwnHistory& own, const Tensor& drawn) {
  const int64_t K = rows.input.dim(1), T = rows.input.dim(2), S = config.frame_stacking;
  for (const auto& [item, frame, row] : own.frames) {
    const int32_t* from = drawn.as<int32_t>() + (row * S + frame % S) * K;
    for (int64_t k = 0; k < K; ++k) rows.input.as<int32_t>()[(item * K + k) * T + frame] = from[k];
  }
}

}  // namespace a2s
