#include "tts/generate.h"

#include <algorithm>
#include <chrono>
#include <limits>
#include <mutex>

#include "core/once.h"
#include "core/side_by_side.h"
#include "ops/elementwise/elementwise.h"
#include "ops/embedding/embedding.h"
#include "sampling/sample_tokens.h"
#include "tts/step_decoder.h"

namespace a2s {
namespace {

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void require(bool ok, const std::string& field, const std::string& expected, int64_t got) {
  if (!ok) fail_config("generate: " + field + ": expected " + expected + ", got " + std::to_string(got));
}

void check_settings(const Tts& tts, const PromptRows& prompts, const GenerateSettings& s) {
  const TtsConfig& c = tts.config();
  s.sampling.validate(c);
  require(s.max_frames >= c.frame_stacking, "max_frames", "at least frame_stacking (" + std::to_string(c.frame_stacking) + ")", s.max_frames);
  const int64_t prefix = c.has_prefix() ? prompts.context.dim(2) / c.frame_stacking : 0;
  require(s.max_frames / c.frame_stacking + prefix <= c.max_positions, "max_frames",
          "with a prefix of " + std::to_string(prefix) + " steps at most " + std::to_string(c.max_positions) + " steps", s.max_frames);
  if (s.local) tts.local();
  if (!s.prior) return;
  tts.text_layers(s.prior->estimate_layers);
  tts.text_layers(s.prior->apply_layers);
}

void check_samples(const Tensor& ids, int64_t count) {
  if (!ids || ids.dtype != DType::i32 || ids.rank != 1 || ids.dim(0) != count)
    fail_shape("generate: sample_ids: expected i32 [" + std::to_string(count) + "], got " +
               (ids ? std::string(name_of(ids.dtype)) + " " + shape_string(ids.shape()) : "none"));
}

/** Tokens of one step, [running, K·S]. */
struct Drawn {
  Tensor tokens, logprobs, entropy, likeliest;
};

template <class T>
void copy_column(const Drawn& from, const Drawn& to, int64_t column) {
  const int64_t A = to.tokens.dim(0), n = to.tokens.dim(1);
  for (int64_t a = 0; a < A; ++a) {
    to.tokens.as<int32_t>()[a * n + column] = from.tokens.as<int32_t>()[a];
    to.logprobs.as<T>()[a * n + column] = from.logprobs.as<T>()[a];
    to.entropy.as<T>()[a * n + column] = from.entropy.as<T>()[a];
  }
}

class Generator {
 public:
  Generator(Context ctx, Arena& arena, const Tts& tts, const Prompts& prompts, int64_t group, const Tensor& ids, const GenerateSettings& s)
      : ctx_(ctx), arena_(arena), tts_(tts), config_(tts.config()), s_(s), ids_(ids),
        steps_(s.max_frames / tts.config().frame_stacking),
        g_{.tts = tts, .codes = {}, .group = group, .guided = s.sampling.guided(), .prior = s.prior ? &*s.prior : nullptr} {
    const PromptRows rows = prompt_rows(config_, prompts, arena);
    check_settings(tts, rows, s);
    const int64_t B = prompts.text.dim(0) * group, frames = steps_ * config_.frame_stacking;
    room_ = {.codes = new_tensor(arena, DType::i32, {B, config_.codebooks, frames}),
             .lengths = constant_ints(B, static_cast<int32_t>(frames), arena),
             .truncated = constant_ints(B, 1, arena),
             .logprobs = new_tensor(arena, tts.dtype(), {B, config_.codebooks, frames}),
             .entropy = new_tensor(arena, tts.dtype(), {B, config_.codebooks, frames}),
             .end_tokens = new_tensor(arena, DType::i32, {B, config_.codebooks}),
             .end_logprobs = new_tensor(arena, tts.dtype(), {B, config_.codebooks})};
    std::fill_n(room_.end_tokens.as<int32_t>(), room_.end_tokens.size(), static_cast<int32_t>(config_.eos));
    fill_zero(room_.end_logprobs);
    g_.codes = room_.codes;
    for (int64_t b = 0; b < B; ++b) {
      g_.running.push_back({b, b / group});
      if (s.prior) g_.windows.emplace_back(*s.prior, prompts.text_lengths.as<int32_t>()[b / group]);
    }
    allowed_ = allowed_ids(config_, s.sampling, true, arena);
    allowed_early_ = allowed_ids(config_, s.sampling, false, arena);
    encode(rows);
    heads_ = {ctx, arena, tts.heads().first->value, tts.heads().second->value};
    if (s.local) {
      local_cache_.emplace(tts.local().stack(), tts.dtype(), ctx, arena, B * g_.width(), config_.step_tokens());
      for (int64_t k = 0; k < config_.step_tokens(); ++k) local_heads_.push_back(tts.local().head(ctx, arena, k));
    }
    const double start = now_ms();
    decoder_ = s.prior && s.prior->exact ? exact_decoder(g_) : cached_decoder(g_, ctx, arena, steps_, s.cancel);
    room_.times.prefill_ms = now_ms() - start;
  }

  Generated run() {
    for (int64_t step = 0; step < steps_ && !g_.running.empty(); ++step) {
      if (s_.cancel && s_.cancel->load(std::memory_order_relaxed)) fail(ErrorCode::Cancelled, "generate: cancelled");
      advance(step);
      if (s_.progress) s_.progress(step, static_cast<int64_t>(g_.running.size()));
    }
    return cut();
  }

 private:

  /** Keeps copies of what the encoders return and gives back the rest of their memory. */
  void encode(const PromptRows& rows) {
    const double start = now_ms();
    const int64_t P = rows.text.dim(0), C = config_.d_model;
    g_.text = new_tensor(arena_, tts_.dtype(), {P, rows.text.dim(1), C});
    g_.context = new_tensor(arena_, tts_.dtype(), {P, rows.context.dim(2) / config_.frame_stacking, C});
    g_.text_lengths = rows.text_lengths;
    g_.context_lengths = rows.context_lengths;
    ScratchScope scope(arena_);
    Tape tape(ctx_, arena_, Tape::Mode::infer);
    tape.cancel = s_.cancel;
    const Encoded e = tts_.encode(tape, rows);
    std::memcpy(g_.text.data, e.text->value.data, g_.text.bytes());
    std::memcpy(g_.context.data, e.context->value.data, g_.context.bytes());
    room_.times.encode_ms = now_ms() - start;
  }

  void advance(int64_t step) {
    ScratchScope scope(arena_);
    Tape tape(ctx_, arena_, Tape::Mode::infer);
    tape.cancel = s_.cancel;
    const double start = now_ms();
    Attention attention;
    Var* hidden = decoder_->step(tape, step, attention);
    if (g_.prior)
      for (size_t a = 0; a < g_.running.size(); ++a) g_.windows[static_cast<size_t>(g_.running[a].sample)].observe(attention[a]);
    const double middle = now_ms();
    room_.times.decode_ms += middle - start;
    room_.times.steps += 1;
    room_.times.rows += hidden->value.dim(0);

    Var* logits = heads_.apply(tape, guide_rows(tape, hidden));
    const int64_t A = logits->value.dim(0), n = config_.step_tokens();
    Tensor rows = make_tensor(logits->value.data, logits->value.dtype, {A * n, config_.vocab});
    bind_endings(rows, n, step);
    const Drawn drawn = draw(tape, rows, step, step, n, s_.local ? 0 : s_.sampling.temperature);
    record(step, drawn.likeliest, s_.local ? draw_locally(tape, hidden, step) : drawn);
    room_.times.sample_ms += now_ms() - middle;
  }

  /** [running·width, C] -> [running, C]: gamma·conditional + (1 - gamma)·unconditional. Heads are linear, so this is the
   *  guidance of logits, and it is how token_logprobs scores. */
  Var* guide_rows(Tape& tape, Var* rows) const {
    if (!g_.guided) return rows;
    const int64_t A = rows->value.dim(0) / 2;
    auto half = [&](int64_t twin, double factor) {
      Tensor ids = tape.alloc(DType::i32, {A});
      for (int64_t a = 0; a < A; ++a) ids.as<int32_t>()[a] = static_cast<int32_t>(2 * a + twin);
      return tape.apply(scale, {tape.apply(embedding, {tape.constant(ids), rows})}, {{"factor", factor}});
    };
    return tape.apply(add, {half(0, s_.sampling.guidance), half(1, 1 - s_.sampling.guidance)});
  }

  bool may_end(int64_t step) const { return step >= s_.sampling.first_end(config_); }

  /** Where endings are tracked: forbids or forces EOS in the `per` rows of a running sample. */
  template <class T>
  void bind_endings(T* logits, int64_t per, int64_t step) const {
    const int64_t V = config_.vocab;
    for (size_t a = 0; a < g_.running.size(); ++a) {
      const PriorWindow::Ending ending = g_.windows[static_cast<size_t>(g_.running[a].sample)].ending();
      for (int64_t r = 0; r < per; ++r) {
        T* row = logits + (static_cast<int64_t>(a) * per + r) * V;
        const T eos = row[config_.eos];
        if (ending == PriorWindow::Ending::forced && may_end(step)) std::fill_n(row, V, -std::numeric_limits<T>::infinity()), row[config_.eos] = eos;
        if (ending == PriorWindow::Ending::forbidden) row[config_.eos] = -std::numeric_limits<T>::infinity();
      }
    }
  }
  void bind_endings(const Tensor& logits, int64_t per, int64_t step) const {
    if (!g_.prior) return;
    if (logits.dtype == DType::f32) bind_endings(logits.as<float>(), per, step);
    else bind_endings(logits.as<double>(), per, step);
  }

  /** One token for each row of logits [running·per, V]. */
  Drawn draw(Tape& tape, const Tensor& logits, int64_t step, int64_t position, int64_t per, double temperature) const {
    const int64_t A = static_cast<int64_t>(g_.running.size());
    Tensor ids = tape.alloc(DType::i32, {A * per});
    for (int64_t i = 0; i < ids.size(); ++i) ids.as<int32_t>()[i] = ids_.as<int32_t>()[g_.running[static_cast<size_t>(i / per)].sample];
    const Tensor& allowed = may_end(step) ? allowed_ : allowed_early_;
    auto out = tape.apply_all(sample_tokens, {tape.constant(logits), nullptr, allowed ? tape.constant(allowed) : nullptr, tape.constant(ids)},
                              {{"temperature", temperature},
                               {"top_k", double(s_.sampling.top_k)},
                               {"top_p", s_.sampling.top_p},
                               {"seed", double(s_.seed)},
                               {"position", double(position)},
                               {"rows_per_sample", double(per)}});
    auto shaped = [&](Var* v) { return make_tensor(v->value.data, v->value.dtype, {A, per}); };
    return {shaped(out[0]), shaped(out[1]), shaped(out[2]), shaped(out[3])};
  }

  /** The local transformer's tokens, one head after another. */
  Drawn draw_locally(Tape& tape, Var* hidden, int64_t step) {
    const int64_t A = static_cast<int64_t>(g_.running.size()), n = config_.step_tokens();
    Drawn all{tape.alloc(DType::i32, {A, n}), tape.alloc(tts_.dtype(), {A, n}), tape.alloc(tts_.dtype(), {A, n}), {}};
    tts_.local().unroll(tape, *local_cache_, hidden, [&](int64_t k, Var* x) {
      Var* logits = local_heads_[static_cast<size_t>(k)].apply(tape, guide_rows(tape, x));
      bind_endings(logits->value, 1, step);
      const Drawn one = draw(tape, logits->value, step, step * n + k, 1, s_.sampling.temperature);
      if (tts_.dtype() == DType::f32) copy_column<float>(one, all, k);
      else copy_column<double>(one, all, k);
      return repeat(one.tokens, g_.width(), arena_);
    });
    return all;
  }

  bool is_end(const int32_t* tokens) const {
    const int64_t K = config_.codebooks;
    const int64_t ends = std::count(tokens, tokens + K, static_cast<int32_t>(config_.eos));
    switch (s_.end.where) {
      case EndRule::Where::any: return ends > 0;
      case EndRule::Where::all: return ends == K;
      case EndRule::Where::first: return tokens[0] == config_.eos;
    }
    return false;
  }

  /** The first slot of the step in which running sample a ends; S when it goes on. */
  int64_t end_slot(int64_t a, const Tensor& likeliest, const Tensor& sampled) const {
    const int64_t K = config_.codebooks, n = config_.step_tokens();
    int64_t slot = 0;
    for (; slot < config_.frame_stacking; ++slot) {
      const int64_t at = a * n + slot * K;
      if (is_end(likeliest.as<int32_t>() + at) || (s_.end.sampled && is_end(sampled.as<int32_t>() + at))) break;
    }
    return slot;
  }

  /** Keeps the frames in the first slots of a running sample's step, and, where it ends, what the slot after them drew. */
  template <class T>
  void write(int64_t step, int64_t a, int64_t slots, const Drawn& drawn) {
    const int64_t K = config_.codebooks, S = config_.frame_stacking, frames = room_.codes.dim(2);
    for (int64_t i = 0; i < slots; ++i)
      for (int64_t k = 0; k < K; ++k) {
        const int64_t from = a * config_.step_tokens() + i * K + k;
        const int64_t to = (g_.running[static_cast<size_t>(a)].sample * K + k) * frames + step * S + i;
        room_.codes.as<int32_t>()[to] = drawn.tokens.as<int32_t>()[from];
        room_.logprobs.as<T>()[to] = drawn.logprobs.as<T>()[from];
        room_.entropy.as<T>()[to] = drawn.entropy.as<T>()[from];
      }
    if (slots == S) return;
    const int64_t from = a * config_.step_tokens() + slots * K, to = g_.running[static_cast<size_t>(a)].sample * K;
    std::copy_n(drawn.tokens.as<int32_t>() + from, K, room_.end_tokens.as<int32_t>() + to);
    std::copy_n(drawn.logprobs.as<T>() + from, K, room_.end_logprobs.as<T>() + to);
  }

  /** Appends the step to each running sample and lets those that end leave. */
  void record(int64_t step, const Tensor& likeliest, const Drawn& sampled) {
    const int64_t S = config_.frame_stacking;
    for (int64_t a = static_cast<int64_t>(g_.running.size()) - 1; a >= 0; --a) {
      const int64_t slots = end_slot(a, likeliest, sampled.tokens);
      if (tts_.dtype() == DType::f32) write<float>(step, a, slots, sampled);
      else write<double>(step, a, slots, sampled);
      if (slots == S) continue;
      const int64_t sample = g_.running[static_cast<size_t>(a)].sample;
      room_.lengths.as<int32_t>()[sample] = static_cast<int32_t>(step * S + slots);
      room_.truncated.as<int32_t>()[sample] = 0;
      decoder_->drop(a);
      g_.running[static_cast<size_t>(a)] = g_.running.back();
      g_.running.pop_back();
    }
  }

  /** The results without the room that no sample needed. */
  Generated cut() {
    const int32_t* lengths = room_.lengths.as<int32_t>();
    const int64_t B = room_.lengths.size(), K = config_.codebooks, room = room_.codes.dim(2);
    const int64_t T = std::max<int64_t>(1, *std::max_element(lengths, lengths + B));
    auto shorten = [&](const Tensor& from) {
      Tensor to = new_tensor(arena_, from.dtype, {B, K, T});
      fill_zero(to);
      const size_t width = size_of(from.dtype);
      for (int64_t r = 0; r < B * K; ++r)
        std::memcpy(static_cast<char*>(to.data) + r * T * width, static_cast<char*>(from.data) + r * room * width, lengths[r / K] * width);
      return to;
    };
    Generated out = room_;
    out.codes = shorten(room_.codes);
    out.logprobs = shorten(room_.logprobs);
    out.entropy = shorten(room_.entropy);
    return out;
  }

  Context ctx_;
  Arena& arena_;
  const Tts& tts_;
  const TtsConfig& config_;
  const GenerateSettings& s_;
  const Tensor ids_;
  int64_t steps_;
  Generation g_;
  Generated room_;
  Tensor allowed_, allowed_early_;
  PackedLinear heads_;
  std::vector<PackedLinear> local_heads_;
  std::optional<DecodeCache> local_cache_;
  std::unique_ptr<StepDecoder> decoder_;
};

/** The samples of several generations, one after the other. */
Generated join(const std::vector<Generated>& parts, Arena& arena) {
  int64_t B = 0, T = 0;
  for (const Generated& part : parts) B += part.lengths.size(), T = std::max(T, part.codes.dim(2));
  const Generated& first = parts[0];
  auto joined = [&](Tensor Generated::* which) {
    const Tensor& like = first.*which;
    Tensor to = like;
    to.dims[0] = B;
    if (to.rank == 3) to.dims[2] = T;
    to.data = arena.alloc(to.bytes());
    fill_zero(to);
    char* at = static_cast<char*>(to.data);
    for (const Generated& part : parts) {
      const Tensor& from = part.*which;
      const int64_t lines = from.rank == 3 ? from.dims[0] * from.dims[1] : 1;
      const size_t line = from.bytes() / static_cast<size_t>(lines);
      const size_t step = from.rank == 3 ? static_cast<size_t>(T) * size_of(from.dtype) : line;
      for (int64_t i = 0; i < lines; ++i, at += step) std::memcpy(at, static_cast<char*>(from.data) + static_cast<size_t>(i) * line, line);
    }
    return to;
  };
  Generated all{joined(&Generated::codes),   joined(&Generated::lengths),    joined(&Generated::truncated),   joined(&Generated::logprobs),
                joined(&Generated::entropy), joined(&Generated::end_tokens), joined(&Generated::end_logprobs)};
  for (const Generated& part : parts) {
    all.times.encode_ms = std::max(all.times.encode_ms, part.times.encode_ms);
    all.times.prefill_ms = std::max(all.times.prefill_ms, part.times.prefill_ms);
    all.times.decode_ms = std::max(all.times.decode_ms, part.times.decode_ms);
    all.times.sample_ms = std::max(all.times.sample_ms, part.times.sample_ms);
    all.times.steps = std::max(all.times.steps, part.times.steps);
    all.times.rows += part.times.rows;
  }
  return all;
}

/** Reports the steps that all of several generations have reached. */
class JointProgress {
 public:
  JointProgress(int64_t parts, const GenerateSettings& s) : progress_(s.progress), at_(static_cast<size_t>(parts), {-1, 0}) {}
  void report(int64_t part, int64_t step, int64_t running) {
    std::lock_guard<std::mutex> lock(mutex_);
    at_[static_cast<size_t>(part)] = {step, running};
    most_ = std::max(most_, step);
    int64_t least = most_, left = 0;
    for (auto [reached, count] : at_) {
      if (reached < 0 || count > 0) least = std::min(least, reached);  // one whose samples have all ended waits for nothing
      left += count;
    }
    while (progress_ && reported_ < least) progress_(++reported_, left);
  }

 private:
  const std::function<void(int64_t, int64_t)>& progress_;
  std::vector<std::pair<int64_t, int64_t>> at_;  // step and running samples of each
  int64_t most_ = -1, reported_ = -1;
  std::mutex mutex_;
};

int64_t weight_bytes(const Tts& tts) {
  return tts.params().flat_size() * static_cast<int64_t>(tts.bf16() ? sizeof(uint16_t) : size_of(tts.dtype()));
}

/** Whether parts had better read weights together: alone each reads all of them in every step, from a cache or for many rows. */
bool reads_together(const Tts& tts, int64_t rows) {
  constexpr int64_t kNearBytes = 16 << 20, kNearBytesOfRows = 32 << 20, kRows = 12;
  return weight_bytes(tts) > (rows < kRows ? kNearBytes : kNearBytesOfRows);
}

/** Samples in parts, of which each thread generates one. */
struct Parts {
  int64_t count;  // 1: all threads work on each step
  bool together;  // they read weights together
};

Parts parts_of(const Tts& tts, int64_t prompts, int64_t group, int64_t threads, const GenerateSettings& s) {
  constexpr int64_t kFewRows = 4;  // of one prompt, whose encoders every part runs for itself
  if (prompts == 1 ? group < kFewRows * threads : prompts < threads) return {1, false};
  const bool together = reads_together(tts, (prompts * group + threads - 1) / threads * (s.sampling.guided() ? 2 : 1));
  return together && s.patience && !s.patience->left() ? Parts{1, false} : Parts{threads, together};
}

/** Each thread generates for prompts of its own, or samples of its own of a single one: most operators of a step are too short to share. Nothing
 *  where there are not so many threads. */
std::optional<Generated> generate_apart(const Context& ctx, Arena& arena, const Tts& tts, const Prompts& prompts, int64_t group,
                                        const Tensor& ids, const GenerateSettings& settings, Parts division) {
  const int64_t P = prompts.text.dim(0), parts = division.count;
  const auto begin = Team::Clock::now();
  std::vector<Generated> results(static_cast<size_t>(parts));
  JointProgress progress(parts, settings);
  Once once(tts.params().values(), static_cast<size_t>(tts.params().flat_size()) * size_of(tts.dtype()), arena);
  Team team(ctx.pool, parts);
  const bool ran = in_lanes_together(ctx.pool, parts, [&](int64_t i, LaneArenas& arenas) {
    auto& [own, scratch] = arenas;
    Team::Member member(team, i);
    const int64_t all = P == 1 ? group : P, begin = all * i / parts, count = all * (i + 1) / parts - begin;
    GenerateSettings s = settings;
    s.progress = [&progress, i](int64_t step, int64_t running) { progress.report(i, step, running); };
    const Context context{ctx.pool, scratch, ctx.device, ctx.bf16, &once, division.together ? &member : nullptr};
    Generated& result = results[static_cast<size_t>(i)];
    if (P == 1) {
      result = Generator(context, own, tts, prompts, count, rows_of(ids, begin, count), s).run();
      return;
    }
    const Prompts mine{rows_of(prompts.text, begin, count), rows_of(prompts.text_lengths, begin, count),
                       rows_of(prompts.context_codes, begin, count), rows_of(prompts.context_lengths, begin, count)};
    result = Generator(context, own, tts, mine, group, rows_of(ids, begin * group, count * group), s).run();
  });
  if (!ran) return {};
  if (settings.patience) settings.patience->spend(team.waited(), parts, begin);
  return join(results, arena);
}

}  // namespace

Generated generate(Context ctx, Arena& arena, const Tts& tts, const Prompts& prompts, int64_t group, const Tensor& sample_ids,
                   const GenerateSettings& settings) {
  check_prompts(tts.config(), prompts);
  require(group >= 1, "group", "at least 1", group);
  check_samples(sample_ids, prompts.text.dim(0) * group);
  const Parts parts = parts_of(tts, prompts.text.dim(0), group, ctx.pool.threads(), settings);
  if (parts.count > 1)
    if (auto joined = generate_apart(ctx, arena, tts, prompts, group, sample_ids, settings, parts)) return *joined;
  return Generator(ctx, arena, tts, prompts, group, sample_ids, settings).run();
}

}  // namespace a2s
