// Generation: its likelihoods, its randomness, how it ends and what the window over the text does to it.
#include "test/tts_fixture.h"

namespace a2s::test {
namespace {

/** Generates, scores what came out, and returns the largest difference of the two log-probabilities and entropies. */
double rollout_error(const TtsConfig& config, DType dtype, const Sampling& sampling, bool local, Context ctx = test_context()) {
  auto tts = lively_model(config, dtype);
  Arena arena;
  const Prompts prompts = random_prompts(config, {6, 9}, {5, 3}, arena);
  GenerateSettings s = settings_of(config, sampling);
  s.local = local;
  const Generated out = generate(ctx, arena, *tts, prompts, 3, ids_from(40, 6, arena), s);
  Tape tape(ctx, arena, Tape::Mode::infer);
  const Pass pass = run_pass(tape, *tts, {.prompts = prompts, .codes = out.codes, .code_lengths = out.lengths, .group = 3, .end_tokens = out.end_tokens});
  Decoded twin;
  if (sampling.guided()) twin = decode_unconditional(tape, *tts, pass.prompts, pass.audio, {.group = 3});
  const TokenScores scores = local ? score_tokens_locally(tape, *tts, pass.audio, pass.decoded, sampling, &twin)
                                   : score_tokens(tape, *tts, pass.audio, pass.decoded, sampling, &twin);
  const Tensor lp = by_frame(tape, config, scores.logprobs)->value, entropy = by_frame(tape, config, scores.entropy)->value;
  const int64_t K = config.codebooks, T = out.codes.dim(2), trained = lp.dim(2);
  double worst = 0;
  for (int64_t b = 0; b < 6; ++b)
    for (int64_t k = 0; k < K; ++k) {
      const int64_t frames = out.lengths.as<int32_t>()[b];
      for (int64_t t = 0; t < frames; ++t) {
        const int64_t i = (b * K + k) * T + t, j = (b * K + k) * trained + t;
        CHECK(std::isfinite(element(lp, j)));
        worst = std::max({worst, std::fabs(element(out.logprobs, i) - element(lp, j)), std::fabs(element(out.entropy, i) - element(entropy, j))});
      }
      // What ended the sample is as likely as when it was drawn, whichever codebooks drew EOS.
      if (out.truncated.as<int32_t>()[b] == 0)
        worst = std::max(worst, std::fabs(element(out.end_logprobs, b * K + k) - element(lp, (b * K + k) * trained + frames)));
    }
  return worst;
}

}  // namespace

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

TEST(tts_rollout_likelihoods_in_bf16_are_those_of_training) {
  // But where two sums differ in their last bit and are rounded to different bf16, which few do.
  Context ctx = test_context();
  ctx.bf16 = true;
  int differ = 0;
  for (auto& [name, config] : variants())
    for (bool local : {false, true}) {
      if (local && !config.local_transformer) continue;
      const double error = rollout_error(config, DType::f32, {.temperature = 1, .min_frames = 2}, local, ctx);
      CHECK(error < 0.1);
      differ += error > 1e-3;
    }
  CHECK(differ <= 2);
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

TEST(tts_every_token_has_a_random_number_of_its_own) {
  // Flat heads: a token is its random number. Parallel and local heads read the same ones.
  const TtsConfig config = variants().back().second;
  auto tts = lively_model(config, DType::f32);
  for (Param& p : tts->params().list())
    if (p.name.starts_with("final_proj") || p.name.starts_with("local_transformer_out")) fill_zero(p.value);
  Arena arena;
  const Prompts prompts = random_prompts(config, {6}, {5}, arena);
  GenerateSettings s = settings_of(config, {.min_frames = 24});
  auto run = [&](bool local, int32_t first) {
    s.local = local;
    return generate(test_context(), arena, *tts, prompts, 2, ids_from(first, 2, arena), s).codes;
  };
  const Tensor codes = run(false, 0);
  CHECK(codes.size() == 2 * 3 * 24 && distance(run(true, 0), codes) == 0);
  // Of 144 draws from 16 ids two sequences agree in about one of 16.
  auto agreements = [&](auto&& other) {
    int same = 0;
    for (int64_t i = 0; i < codes.size(); ++i) same += codes.as<int32_t>()[i] == other(i);
    return same;
  };
  const int32_t* c = codes.as<int32_t>();
  const int64_t n = codes.size();
  CHECK(agreements([&](int64_t i) { return c[(i + n / 2) % n]; }) < 30);              // the other sample
  CHECK(agreements([&](int64_t i) { return c[i / 72 * 72 + (i + 24) % 72]; }) < 30);  // the next codebook
  CHECK(agreements([&](int64_t i) { return c[i / 24 * 24 + (i + 1) % 24]; }) < 30);   // the next slot
  CHECK(agreements([&](int64_t i) { return c[i / 24 * 24 + (i + 2) % 24]; }) < 30);   // the next step
  const Tensor shifted = run(false, 1);
  for (int64_t i = 0; i < n / 2; ++i) CHECK(shifted.as<int32_t>()[i] == c[n / 2 + i]);
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
    const Generated out = generate(test_context(), arena, *tts, prompts, 1, ids_from(0, 1, arena), s);
    // The ending frame is kept as it was drawn: EOS in codebook 1 alone. One that was never drawn is EOS throughout.
    for (int64_t k = 0; k < 3; ++k)
      CHECK((out.end_tokens.as<int32_t>()[k] == config.eos) == (k == 1 || out.truncated.as<int32_t>()[0] == 1));
    return out.lengths.as<int32_t>()[0];
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

/** So large that threads multiply together, for what the text table weighs. */
static TtsConfig large_config() {
  TtsConfig c = small_config();
  c.text_rows = 80000, c.d_model = 64, c.d_ffn = 600;
  return c;
}

TEST(tts_samples_are_the_same_on_threads_of_their_own) {
  auto configs = variants();
  TtsConfig large = large_config();
  configs.emplace_back("large", large);
  large.decoder_kernel = 2;
  configs.emplace_back("large, convolutions", large);
  for (auto& [name, config] : configs) {
    auto tts = lively_model(config, DType::f32);
    Arena arena;
    const Prompts several = random_prompts(config, {6, 9, 4, 7, 5}, {5, 3, 4, 2, 5}, arena), single = random_prompts(config, {7}, {4}, arena);
    for (auto [prompts, group] : {std::pair{&several, 3}, std::pair{&single, 21}}) {
      GenerateSettings s = settings_of(config, {.guidance = 1.5, .min_frames = 2});
      s.local = config.local_transformer.has_value();
      std::vector<int64_t> steps, running;
      s.progress = [&](int64_t step, int64_t count) { steps.push_back(step), running.push_back(count); };
      auto run = [&, prompts = prompts, group = group](int threads) {
        steps.clear(), running.clear();
        Pool pool(threads);
        return generate({pool, test_scratch()}, arena, *tts, *prompts, group, ids_from(7, group * prompts->text.dim(0), arena), s);
      };
      const Generated one = run(1);
      const std::vector<int64_t> expected = steps;
      for (int threads : {2, 3, 5, 6}) {
        const Generated many = run(threads);
        CHECK(steps == expected && std::is_sorted(running.rbegin(), running.rend()));
        for (auto which : {&Generated::codes, &Generated::lengths, &Generated::truncated, &Generated::logprobs, &Generated::entropy,
                           &Generated::end_tokens, &Generated::end_logprobs}) {
          CHECK((many.*which).bytes() == (one.*which).bytes());
          CHECK(std::memcmp((many.*which).data, (one.*which).data, (one.*which).bytes()) == 0);
        }
      }
    }
  }
}

TEST(tts_samples_are_the_same_whether_threads_have_patience) {
  const TtsConfig config = large_config();
  auto tts = lively_model(config, DType::f32);
  Arena arena;
  const Prompts prompts = random_prompts(config, {7}, {4}, arena);
  Pool pool(2);
  Patience patience;
  auto run = [&] {
    GenerateSettings s = settings_of(config, {.min_frames = 2});
    s.patience = &patience;
    return generate({pool, test_scratch()}, arena, *tts, prompts, 8, ids_from(7, 8, arena), s);
  };
  const Generated before = run();
  patience.spend(std::chrono::hours(1), 1, Patience::Clock::now() - std::chrono::hours(1));
  CHECK(!patience.left());
  const Generated after = run();
  CHECK(before.codes.bytes() == after.codes.bytes() && std::memcmp(before.codes.data, after.codes.data, before.codes.bytes()) == 0);
  CHECK(std::memcmp(before.logprobs.data, after.logprobs.data, before.logprobs.bytes()) == 0);
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
