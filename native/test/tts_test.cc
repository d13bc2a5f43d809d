// The text-to-codes model: what must hold between its training form, its incremental form and its parts.
#include "nn/decode_cache.h"
#include "test/tts_fixture.h"
#include "tts/step_decoder.h"

namespace a2s::test {
namespace {

/** The configurations that differ in what the incremental form has to get right. */
std::vector<std::pair<std::string, TtsConfig>> variants() {
  TtsConfig plain = small_config(), koel = small_config(), multi = small_config(), stacked = small_config();
  koel.model_type = ModelType::decoder_context, koel.context_layers = 0, koel.decoder_kernel = 3, koel.encoder_causal = false;
  koel.cross_heads = 4, koel.cross_head_dim = 4;
  multi.model_type = ModelType::multi_encoder, multi.transcript_decoder_layers = {0, 2}, multi.context_decoder_layers = {1};
  stacked.frame_stacking = 2, stacked.decoder_kernel = 3;
  stacked.local_transformer = LocalTransformerConfig{.layers = 2, .heads = 2, .d_model = 8, .d_ffn = 12, .max_positions = 8};
  return {{"plain", plain}, {"koel", koel}, {"multi", multi}, {"stacked", stacked}};
}

/** Largest |a - b|. */
double distance(const Tensor& a, const Tensor& b) {
  double worst = 0;
  for (int64_t i = 0; i < b.size(); ++i) worst = std::max(worst, std::fabs(element(a, i) - element(b, i)));
  return worst;
}

void add_rows(std::vector<Running>& running, int64_t prompts, int64_t group) {
  for (int64_t b = 0; b < prompts * group; ++b) running.push_back({b, b / group});
}

/** Logits of every step by the cached decoder, fed with given codes, against one pass over the whole sequence. */
double incremental_error(const TtsConfig& config, DType dtype, bool guided) {
  auto tts = lively_model(config, dtype);
  Arena arena;
  const int64_t P = 2, G = 2, B = P * G, S = config.frame_stacking, steps = 7;
  const Prompts prompts = random_prompts(config, {6, 9}, {5, 3}, arena);
  const Tensor codes = random_codes(config, B, steps * S, arena);
  const Tensor lengths = constant_ints(B, static_cast<int32_t>((steps - 1) * S), arena);
  Tape tape(test_context(), arena, Tape::Mode::infer);
  const Pass full = run_pass(tape, *tts, {.prompts = prompts, .codes = codes, .code_lengths = lengths, .group = G});
  const Decoded twin = decode_unconditional(tape, *tts, full.prompts, full.audio, {.group = G});

  Generation g{.tts = *tts, .text = full.prompts.text->value, .text_lengths = prompts.text_lengths, .context = full.prompts.context->value,
               .context_lengths = full.prompts.context_lengths->value, .codes = codes, .group = G, .guided = guided};
  add_rows(g.running, P, G);
  auto decoder = cached_decoder(g, test_context(), arena, steps, nullptr);
  const int64_t w = g.width(), C = config.d_model;
  double worst = 0;
  for (int64_t step = 0; step < steps; ++step) {
    Attention attention;
    Var* rows = decoder->step(tape, step, attention);
    Tensor want = new_tensor(arena, dtype, {B * w, C});
    for (int64_t r = 0; r < B * w; ++r) {
      const Tensor& from = (r % w ? twin : full.decoded).hidden->value;
      std::memcpy(static_cast<char*>(want.data) + r * C * size_of(dtype), static_cast<char*>(from.data) + (r / w * steps + step) * C * size_of(dtype),
                  C * size_of(dtype));
    }
    worst = std::max(worst, distance(tts->logits(tape, rows)->value, tts->logits(tape, tape.constant(want))->value));
  }
  return worst;
}

GenerateSettings settings_of(const TtsConfig& config, Sampling sampling) {
  GenerateSettings s;
  s.sampling = sampling;
  s.max_frames = 12 * config.frame_stacking;
  s.seed = 3;
  return s;
}

Tensor ids_from(int32_t first, int64_t count, Arena& arena) {
  Tensor t = new_tensor(arena, DType::i32, {count});
  for (int64_t i = 0; i < count; ++i) t.as<int32_t>()[i] = first + static_cast<int32_t>(i);
  return t;
}

/** Generates, scores what came out, and returns the largest difference of the two log-probabilities and entropies. */
double rollout_error(const TtsConfig& config, DType dtype, const Sampling& sampling, bool local) {
  auto tts = lively_model(config, dtype);
  Arena arena;
  const Prompts prompts = random_prompts(config, {6, 9}, {5, 3}, arena);
  GenerateSettings s = settings_of(config, sampling);
  s.local = local;
  const Generated out = generate(test_context(), arena, *tts, prompts, 3, ids_from(40, 6, arena), s);
  Tape tape(test_context(), arena, Tape::Mode::infer);
  const Pass pass = run_pass(tape, *tts, {.prompts = prompts, .codes = out.codes, .code_lengths = out.lengths, .group = 3});
  Decoded twin;
  if (sampling.guided()) twin = decode_unconditional(tape, *tts, pass.prompts, pass.audio, {.group = 3});
  const TokenScores scores = local ? score_tokens_locally(tape, *tts, pass.audio, pass.decoded, sampling, &twin)
                                   : score_tokens(tape, *tts, pass.audio, pass.decoded, sampling, &twin);
  const Tensor lp = by_frame(tape, config, scores.logprobs)->value, entropy = by_frame(tape, config, scores.entropy)->value;
  const int64_t K = config.codebooks, T = out.codes.dim(2), trained = lp.dim(2);
  double worst = 0;
  for (int64_t b = 0; b < 6; ++b)
    for (int64_t k = 0; k < K; ++k)
      for (int64_t t = 0; t < out.lengths.as<int32_t>()[b]; ++t) {
        const int64_t i = (b * K + k) * T + t, j = (b * K + k) * trained + t;
        CHECK(std::isfinite(element(lp, j)));
        worst = std::max({worst, std::fabs(element(out.logprobs, i) - element(lp, j)), std::fabs(element(out.entropy, i) - element(entropy, j))});
      }
  return worst;
}

}  // namespace

TEST(tts_incremental_form_equals_the_whole_sequence) {
  for (auto& [name, config] : variants())
    for (bool guided : {false, true}) {
      CHECK_NEAR(incremental_error(config, DType::f64, guided), 0, 1e-9);
      CHECK_NEAR(incremental_error(config, DType::f32, guided), 0, 1e-4);
    }
}

TEST(tts_rollout_likelihoods_are_those_of_training) {
  const Sampling settings[] = {
      {.temperature = 1, .min_frames = 2},
      {.temperature = 0.7, .top_k = 6, .forbidden = {3, 5}, .min_frames = 3},
      {.temperature = 1.3, .top_p = 0.9, .guidance = 2.5, .min_frames = 4},
  };
  for (auto& [name, config] : variants())
    for (const Sampling& s : settings)
      for (bool local : {false, true}) {
        if (local && !config.local_transformer) continue;
        CHECK_NEAR(rollout_error(config, DType::f64, s, local), 0, 1e-9);
        CHECK_NEAR(rollout_error(config, DType::f32, s, local), 0, 1e-5);
      }
}

TEST(tts_samples_do_not_depend_on_the_batch) {
  for (auto& [name, config] : variants()) {
    auto tts = lively_model(config, DType::f32);
    Arena arena;
    const Prompts both = random_prompts(config, {6, 9}, {5, 3}, arena);
    GenerateSettings s = settings_of(config, {.temperature = 0.9, .guidance = 1.5, .min_frames = 2});
    s.local = config.local_transformer.has_value();
    const Generated all = generate(test_context(), arena, *tts, both, 3, ids_from(0, 6, arena), s);
    // The first prompt alone, in two calls: its text and voice prompt lose their padding too.
    Prompts first = both;
    first.text = make_tensor(both.text.data, DType::i32, {1, 6});
    first.text_lengths = make_tensor(both.text_lengths.data, DType::i32, {1});
    first.context_codes.dims[0] = first.context_lengths.dims[0] = 1;
    for (auto [id, count] : {std::pair{0, 2}, {2, 1}}) {
      const Generated part = generate(test_context(), arena, *tts, first, count, ids_from(id, count, arena), s);
      for (int64_t b = 0; b < count; ++b) {
        const int64_t n = part.lengths.as<int32_t>()[b];
        CHECK(n == all.lengths.as<int32_t>()[id + b] && part.truncated.as<int32_t>()[b] == all.truncated.as<int32_t>()[id + b]);
        for (int64_t k = 0; k < config.codebooks; ++k)
          for (int64_t t = 0; t < n; ++t) {
            const int64_t i = (b * config.codebooks + k) * part.codes.dim(2) + t, j = ((id + b) * config.codebooks + k) * all.codes.dim(2) + t;
            CHECK(part.codes.as<int32_t>()[i] == all.codes.as<int32_t>()[j]);
            CHECK(element(part.logprobs, i) == element(all.logprobs, j));
          }
      }
    }
  }
}

TEST(tts_groups_equal_repeated_prompts) {
  for (auto& [name, config] : variants()) {
    auto grouped = lively_model(config, DType::f64), repeated = lively_model(config, DType::f64);
    Arena arena;
    const Prompts two = random_prompts(config, {6, 9}, {5, 3}, arena);
    Prompts four;
    auto twice = [&](const Tensor& t) {
      Tensor out = t;
      out.dims[0] = 4;
      out.data = arena.alloc(out.bytes());
      const size_t row = t.bytes() / 2;
      for (size_t i = 0; i < 4; ++i) std::memcpy(static_cast<char*>(out.data) + i * row, static_cast<char*>(t.data) + i / 2 * row, row);
      return out;
    };
    four = {twice(two.text), twice(two.text_lengths), twice(two.context_codes), twice(two.context_lengths)};
    const Tensor codes = random_codes(config, 4, 9, arena), lengths = ints_of({9, 4, 5, 7}, {4}, arena);
    auto loss = [&](Tts& tts, const Prompts& prompts, int64_t group) {
      Tape tape(test_context(), arena);
      const Pass p = run_pass(tape, tts, {.prompts = prompts, .codes = codes, .code_lengths = lengths, .group = group});
      Var* y = cross_entropy(tape, p.audio, score_tokens(tape, tts, p.audio, p.decoded, Sampling::plain()));
      tape.backward(y);
      return element(y->value, 0);
    };
    CHECK_NEAR(loss(*grouped, two, 2), loss(*repeated, four, 1), 1e-12);
    auto a = grouped->params().entries(), b = repeated->params().entries();
    for (size_t i = 0; i < a.size(); ++i) CHECK_NEAR(distance(a[i].grad, b[i].grad), 0, 1e-11);
  }
}

TEST(tts_padding_and_batch_change_nothing) {
  for (auto& [name, config] : variants()) {
    auto tts = lively_model(config, DType::f64);
    Arena arena;
    const Prompts both = random_prompts(config, {6, 9}, {3, 5}, arena);
    const Tensor codes = random_codes(config, 2, 9, arena), lengths = ints_of({4, 9}, {2}, arena);
    Tape tape(test_context(), arena, Tape::Mode::infer);
    const Pass batch = run_pass(tape, *tts, {.prompts = both, .codes = codes, .code_lengths = lengths});
    Prompts alone{make_tensor(both.text.data, DType::i32, {1, 6}), make_tensor(both.text_lengths.data, DType::i32, {1}),
                  new_tensor(arena, DType::i32, {1, config.codebooks, 3}), make_tensor(both.context_lengths.data, DType::i32, {1})};
    Tensor own = new_tensor(arena, DType::i32, {1, config.codebooks, 4});
    for (int64_t k = 0; k < config.codebooks; ++k) {
      std::copy_n(both.context_codes.as<int32_t>() + k * 5, 3, alone.context_codes.as<int32_t>() + k * 3);
      std::copy_n(codes.as<int32_t>() + k * 9, 4, own.as<int32_t>() + k * 4);
    }
    const Pass one = run_pass(tape, *tts, {.prompts = alone, .codes = own, .code_lengths = make_tensor(lengths.data, DType::i32, {1})});
    auto head = [](const Pass& p) { return make_tensor(p.decoded.hidden->value.data, DType::f64, {p.audio.lengths.as<int32_t>()[0], p.decoded.hidden->value.dim(2)}); };
    CHECK(head(one).dim(0) == head(batch).dim(0));
    CHECK_NEAR(distance(head(one), head(batch)), 0, 1e-12);
  }
}

TEST(tts_unconditional_is_a_zero_memory_with_one_open_position) {
  const TtsConfig config = small_config();
  auto tts = lively_model(config, DType::f32);
  Arena arena;
  Tape tape(test_context(), arena, Tape::Mode::infer);
  const int64_t B = 2, T = 5, N = 4, C = config.d_model;
  Tensor x = new_tensor(arena, DType::f32, {B, T, C}), zero = new_tensor(arena, DType::f32, {B, N, C});
  for (int64_t i = 0; i < x.size(); ++i) x.as<float>()[i] = static_cast<float>(Rng{1, 5}.normal(0, static_cast<uint64_t>(i)));
  fill_zero(zero);
  const Memory memory{tape.constant(zero), tape.constant(constant_ints(B, 1, arena))};
  const std::vector<const Memory*> all(static_cast<size_t>(config.decoder_layers), &memory);
  auto forward = [&](int32_t attending, bool with_memory) {
    StackInput in{.x = tape.constant(x), .cross_lengths = tape.constant(constant_ints(B, attending, arena))};
    if (with_memory) in.memory = all;
    return tts->decoder().forward(tape, in).y->value;
  };
  const Tensor open = forward(T, true);
  CHECK(distance(open, forward(0, true)) == 0);
  CHECK(distance(open, forward(T, false)) == 0);
}

TEST(tts_guidance_of_one_is_no_guidance) {
  const TtsConfig config = small_config();
  auto tts = lively_model(config, DType::f64);
  Arena arena;
  const Prompts prompts = random_prompts(config, {6, 9}, {5, 3}, arena);
  auto run = [&](double guidance) {
    return generate(test_context(), arena, *tts, prompts, 2, ids_from(0, 4, arena), settings_of(config, {.guidance = guidance, .min_frames = 4}));
  };
  const Generated plain = run(1), guided = run(1 + 1e-10), strong = run(3);
  CHECK(plain.codes.size() == guided.codes.size() && distance(plain.codes, guided.codes) == 0);
  CHECK_NEAR(distance(plain.logprobs, guided.logprobs), 0, 1e-7);
  CHECK(strong.codes.size() != plain.codes.size() || distance(strong.codes, plain.codes) > 0);
}

TEST(tts_eos_waits_for_the_least_length) {
  for (auto& [name, config] : variants()) {
    auto tts = lively_model(config, DType::f32);
    auto [w, b] = tts->heads();
    for (int64_t h = 0; h < config.step_tokens(); ++h) b->value.as<float>()[h * config.vocab + config.eos] = 1000;
    Arena arena;
    const Prompts prompts = random_prompts(config, {6}, {5}, arena);
    const int64_t S = config.frame_stacking;
    for (int64_t least : {0, 1, 5}) {
      const Generated out = generate(test_context(), arena, *tts, prompts, 3, ids_from(0, 3, arena), settings_of(config, {.min_frames = least}));
      for (int64_t i = 0; i < 3; ++i) {
        CHECK(out.lengths.as<int32_t>()[i] == (least + S - 1) / S * S && out.truncated.as<int32_t>()[i] == 0);
      }
      for (int64_t i = 0; i < out.codes.size(); ++i) CHECK(out.codes.as<int32_t>()[i] < config.first_special());
    }
    for (int64_t h = 0; h < config.step_tokens(); ++h) b->value.as<float>()[h * config.vocab + config.eos] = -1000;
    const Generated out = generate(test_context(), arena, *tts, prompts, 1, ids_from(0, 1, arena), settings_of(config, {}));
    CHECK(out.lengths.as<int32_t>()[0] == 12 * S && out.truncated.as<int32_t>()[0] == 1);
  }
}

TEST(tts_end_rules) {
  // EOS is certain in codebook 1 and impossible in the others.
  const TtsConfig config = small_config();
  auto tts = lively_model(config, DType::f32);
  auto [w, b] = tts->heads();
  for (int64_t h = 0; h < 3; ++h) b->value.as<float>()[h * config.vocab + config.eos] = h == 1 ? 1000 : -1000;
  Arena arena;
  const Prompts prompts = random_prompts(config, {6}, {5}, arena);
  GenerateSettings s = settings_of(config, {.min_frames = 4});
  auto length = [&](EndRule::Where where) {
    s.end.where = where;
    return generate(test_context(), arena, *tts, prompts, 1, ids_from(0, 1, arena), s).lengths.as<int32_t>()[0];
  };
  CHECK(length(EndRule::Where::any) == 4);
  CHECK(length(EndRule::Where::all) == 12);
  CHECK(length(EndRule::Where::first) == 12);
}

TEST(tts_tracked_endings_follow_the_text) {
  // EOS certain or impossible in every head: only the window over the text decides. It moves on in each step.
  for (auto& [name, config] : variants()) {
    auto tts = lively_model(config, DType::f32);
    Arena arena;
    const Prompts prompts = random_prompts(config, {12}, {5}, arena);
    GenerateSettings s = settings_of(config, {.min_frames = 1});
    s.max_frames = 40 * config.frame_stacking;
    s.prior = GenerationPrior{{.look_ahead = 1, .sink = 1, .track_ending = true, .release = 3, .force = 6}};
    auto steps = [&](float bias) {
      for (int64_t h = 0; h < config.step_tokens(); ++h) tts->heads().second->value.as<float>()[h * config.vocab + config.eos] = bias;
      const Generated out = generate(test_context(), arena, *tts, prompts, 1, ids_from(0, 1, arena), s);
      CHECK(out.truncated.as<int32_t>()[0] == 0 && out.lengths.as<int32_t>()[0] % config.frame_stacking == 0);
      return out.lengths.as<int32_t>()[0] / config.frame_stacking;
    };
    // Step j attends to position j + 1, near the end from 7 = N - 5 (step 6), past it at 11 (step 8).
    CHECK(steps(1000) == 8);
    CHECK(steps(-1000) == 6 + 6 - 1);
  }
}

TEST(tts_second_step_and_second_generation_allocate_nothing) {
  for (auto& [name, config] : variants()) {
    auto tts = lively_model(config, DType::f32);
    Arena inputs, arena;
    const Prompts prompts = random_prompts(config, {6, 9}, {5, 3}, inputs);
    const TtsBatch batch{.prompts = prompts, .codes = random_codes(config, 4, 9, inputs), .code_lengths = ints_of({9, 4, 5, 7}, {4}, inputs), .group = 2};
    const Tensor ids = ids_from(0, 4, inputs);
    GenerateSettings s = settings_of(config, {.guidance = 2, .min_frames = 2});
    if (config.has_prefix()) s.prior = GenerationPrior{};
    auto step = [&] {
      arena.reset();
      Tape tape(test_context(), arena);
      const Pass p = run_pass(tape, *tts, batch);
      tape.backward(cross_entropy(tape, p.audio, score_tokens(tape, *tts, p.audio, p.decoded, Sampling::plain())));
      arena.reset();
      generate(test_context(), arena, *tts, prompts, 2, ids, s);
      arena.reset();
    };
    step(), step();
    const int64_t growths = arena.growths(), scratch = test_scratch().growths();
    step(), step();
    CHECK(arena.growths() == growths && test_scratch().growths() == scratch);
  }
}

TEST(tts_generation_can_be_cancelled) {
  const TtsConfig config = small_config();
  auto tts = lively_model(config, DType::f32);
  Arena arena;
  const Prompts prompts = random_prompts(config, {6}, {5}, arena);
  std::atomic<bool> cancel{false};
  std::vector<int64_t> seen;
  GenerateSettings s = settings_of(config, {.min_frames = 12});
  s.cancel = &cancel;
  s.progress = [&](int64_t step, int64_t) { seen.push_back(step), cancel = step == 2; };
  CHECK_THROWS(generate(test_context(), arena, *tts, prompts, 2, ids_from(0, 2, arena), s), "cancelled");
  CHECK(seen.size() == 3);
}

TEST(tts_prior_of_a_short_text_changes_nothing) {
  // Up to five text positions the window is open everywhere: fast, exact and no prior sample the same codes.
  for (auto& [name, config] : variants()) {
    auto tts = lively_model(config, DType::f64);
    Arena arena;
    const Prompts prompts = random_prompts(config, {5, 3}, {5, 3}, arena);
    GenerateSettings s = settings_of(config, {.guidance = 1.5, .min_frames = 7});
    s.max_frames = 7;
    auto run = [&] { return generate(test_context(), arena, *tts, prompts, 2, ids_from(0, 4, arena), s); };
    const Generated none = run();
    for (bool exact : {false, true}) {
      s.prior = GenerationPrior{{.stuck = 100}, {}, {}, exact};
      const Generated with = run();
      CHECK(with.codes.size() == none.codes.size() && distance(with.codes, none.codes) == 0);
      CHECK_NEAR(distance(with.logprobs, none.logprobs), 0, 1e-9);
    }
  }
}

TEST(tts_exact_prior_recomputes_the_past) {
  const TtsConfig config = small_config();
  auto tts = lively_model(config, DType::f64);
  Arena arena;
  const Prompts prompts = random_prompts(config, {16, 12}, {5, 3}, arena);
  GenerateSettings s = settings_of(config, {.min_frames = 12});
  auto run = [&] { return generate(test_context(), arena, *tts, prompts, 1, ids_from(0, 2, arena), s); };
  const Generated none = run();
  s.prior = GenerationPrior{{.epsilon = 1e-4, .look_ahead = 3}};
  const Generated fast = run();
  s.prior->exact = true;
  const Generated exact = run();
  auto first_steps_agree = [&](const Generated& a, const Generated& b, int64_t steps) {
    double worst = 0;
    for (int64_t r = 0; r < 2 * config.codebooks; ++r)
      for (int64_t t = 0; t < steps; ++t) worst = std::max(worst, std::fabs(element(a.logprobs, r * 12 + t) - element(b.logprobs, r * 12 + t)));
    return worst < 1e-9;
  };
  // Step 0 has no prior; step 1 is the first with one; only exact shows it to the steps before.
  CHECK(first_steps_agree(fast, exact, 1) && first_steps_agree(fast, none, 1));
  CHECK(!first_steps_agree(fast, none, 2) && !first_steps_agree(fast, exact, 2));
}

}  // namespace a2s::test
