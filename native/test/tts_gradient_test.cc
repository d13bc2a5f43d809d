// Gradients of the whole text-to-codes model against finite differences, and what training randomness may do.
#include "rl/policy_loss/policy_loss.h"
#include "test/tts_fixture.h"

namespace a2s::test {
namespace {

/** A model with every part: stacked steps, a local transformer, convolutions that look back, padding everywhere. */
TtsConfig everything() {
  TtsConfig c = small_config();
  c.d_model = 8, c.d_ffn = 10, c.heads = 2, c.cross_heads = 2, c.cross_head_dim = 3;
  c.encoder_layers = 1, c.decoder_layers = 2, c.decoder_kernel = 3, c.codebooks = 2, c.frame_stacking = 2;
  c.text_rows = 9, c.max_positions = 16;
  c.local_transformer = LocalTransformerConfig{.layers = 1, .heads = 2, .d_model = 6, .d_ffn = 8, .max_positions = 4};
  return c;
}

struct Fixture {
  std::unique_ptr<Tts> tts;
  Arena inputs, arena;
  TtsBatch batch;
  explicit Fixture(uint64_t seed = 7) : tts(lively_model(everything(), DType::f64, seed)) {
    const TtsConfig& c = tts->config();
    batch = {.prompts = random_prompts(c, {4, 2}, {3, 2}, inputs), .codes = random_codes(c, 4, 9, inputs),
             .code_lengths = ints_of({9, 6, 5, 7}, {4}, inputs), .group = 2, .unconditional = ints_of({0, 0, 1, 0}, {4}, inputs)};
  }
  Tensor f64(const std::vector<double>& v, std::initializer_list<int64_t> shape) {
    Tensor t = new_tensor(inputs, DType::f64, shape);
    std::memcpy(t.data, v.data(), t.bytes());
    return t;
  }
};

/** One loss of the fixture: builds its root on the tape. */
using Loss = std::function<Var*(Fixture&, Tape&)>;

double value_of(Fixture& f, const Loss& loss) {
  f.arena.reset();
  Tape tape(test_context(), f.arena, Tape::Mode::infer);
  return element(loss(f, tape)->value, 0);
}

/** The derivative along a random direction within each parameter tensor, by central differences. */
void check_gradient(const Loss& loss) {
  Fixture f;
  Params& params = f.tts->params();
  params.zero_grad();
  Tape tape(test_context(), f.arena);
  tape.backward(loss(f, tape));
  int moved = 0;
  uint64_t index = 0;
  for (const ParamEntry& e : params.entries()) {
    ++index;
    std::vector<double> at(e.value.as<double>(), e.value.as<double>() + e.value.size()), direction(at.size());
    double slope = 0;
    for (size_t i = 0; i < at.size(); ++i) {
      direction[i] = Rng{2, static_cast<uint32_t>(Stream::test)}.normal(index, i);
      slope += direction[i] * e.grad.as<double>()[i];
    }
    auto shifted = [&](double h) {
      for (size_t i = 0; i < at.size(); ++i) e.value.as<double>()[i] = at[i] + h * direction[i];
      return value_of(f, loss);
    };
    const double h = 1e-5, numeric = (shifted(h) - shifted(-h)) / (2 * h);
    shifted(0);
    if (std::fabs(numeric - slope) > 1e-6 * std::max(1.0, std::fabs(numeric))) {
      std::ostringstream s;
      s << e.name << ": gradient " << slope << ", finite difference " << numeric;
      throw Failure(s.str());
    }
    moved += slope != 0;
  }
  CHECK(moved > 20);
}

/** What another model's heads read over the fixture's batch; it lives in the inputs. */
ReferenceHeads other_model(Fixture& f, bool local, const Sampling& sampling) {
  static const std::unique_ptr<Tts> other = lively_model(everything(), DType::f64, 23);
  Tape tape(test_context(), f.inputs, Tape::Mode::infer);
  const Pass q = run_pass(tape, *other, f.batch);
  const Decoded free = decode_unconditional(tape, *other, q.prompts, q.audio, {.group = 2});
  return read_heads(tape, *other, q.audio, q.decoded, sampling, &free, local);
}

Pass pass_with_noise(Fixture& f, Tape& tape) {
  Pass p;
  const Noise noise{.dropout = true, .seed = 5};
  p.prompts = f.tts->encode(tape, prompt_rows(f.tts->config(), f.batch.prompts, tape.arena()), noise);
  p.audio = audio_rows(f.tts->config(), f.batch.codes, f.batch.code_lengths, tape.arena());
  p.decoded = f.tts->decode(tape, p.prompts, p.audio, {.group = 2, .unconditional = f.batch.unconditional, .noise = noise});
  return p;
}

/** Of a slightly different policy. */
Tensor old_logprobs(Fixture& f, const Pass& p) {
  const int64_t frames = p.audio.steps() * 2;
  std::vector<double> old(static_cast<size_t>(4 * 2 * frames));
  for (size_t i = 0; i < old.size(); ++i) old[i] = -3 + 0.1 * std::sin(static_cast<double>(i));
  return f.f64(old, {4, 2, frames});
}

}  // namespace

TEST(tts_gradient_of_cross_entropy_with_dropout) {
  check_gradient([](Fixture& f, Tape& tape) {
    const Pass p = pass_with_noise(f, tape);
    return cross_entropy(tape, p.audio, score_tokens(tape, *f.tts, p.audio, p.decoded, Sampling::plain()));
  });
}

TEST(tts_gradient_of_the_local_transformer) {
  check_gradient([](Fixture& f, Tape& tape) {
    const Pass p = run_pass(tape, *f.tts, f.batch);
    const Decoded twin = decode_unconditional(tape, *f.tts, p.prompts, p.audio, {.group = 2});
    const Sampling sampling{.temperature = 0.8, .guidance = 1.7, .min_frames = 3};
    return cross_entropy(tape, p.audio, score_tokens_locally(tape, *f.tts, p.audio, p.decoded, sampling, &twin));
  });
}

TEST(tts_gradient_of_the_policy_loss_with_guidance) {
  check_gradient([](Fixture& f, Tape& tape) {
    const Pass p = run_pass(tape, *f.tts, f.batch);
    const Decoded twin = decode_unconditional(tape, *f.tts, p.prompts, p.audio, {.group = 2});
    const TokenScores scores = score_tokens(tape, *f.tts, p.audio, p.decoded, {.temperature = 0.9, .guidance = 2, .min_frames = 2}, &twin);
    // The last frame of sample 0 is not counted.
    const int64_t frames = p.audio.steps() * 2;
    std::vector<int32_t> mask(static_cast<size_t>(4 * frames), 1);
    mask[9] = 0;
    const PolicyInput input{.advantages = f.f64({0.5, -1, 0.75, -0.25}, {4}), .old_logprobs = old_logprobs(f, p),
                            .mask = ints_of(mask, {4, frames}, f.inputs)};
    return policy(tape, *f.tts, p.audio, scores, input, {{"kind", 1}, {"max_frames", 20}, {"entropy_weight", 0.01}}).first;
  });
}

TEST(tts_gradient_of_the_divergence_from_a_guided_reference) {
  for (bool local : {false, true})
    check_gradient([local](Fixture& f, Tape& tape) {
      const Sampling sampling{.temperature = 0.9, .min_frames = 2};
      const ReferenceHeads reference = other_model(f, local, {.temperature = 0.9, .guidance = 1.8, .min_frames = 2});
      const Pass p = run_pass(tape, *f.tts, f.batch);
      const TokenScores scores = local ? score_tokens_locally(tape, *f.tts, p.audio, p.decoded, sampling, nullptr, reference)
                                       : score_tokens(tape, *f.tts, p.audio, p.decoded, sampling, nullptr, reference);
      const PolicyInput input{.advantages = f.f64({0.5, -1, 0.75, -0.25}, {4}), .old_logprobs = old_logprobs(f, p)};
      return policy(tape, *f.tts, p.audio, scores, input, {{"kl", 4}, {"kl_weight", 0.3}}).first;
    });
}

TEST(tts_divergence_is_that_of_all_tokens) {
  for (bool local : {false, true}) {
    Fixture f;
    const TtsConfig& c = f.tts->config();
    const Sampling plain = Sampling::plain();
    Sampling guided = plain;
    guided.guidance = 1.8;
    const Fixture other(23);
    Tape tape(test_context(), f.arena, Tape::Mode::infer);
    const Pass p = run_pass(tape, *f.tts, f.batch), q = run_pass(tape, *other.tts, f.batch);
    const Decoded free = decode_unconditional(tape, *other.tts, q.prompts, q.audio, {.group = 2});
    auto scored = [&](const Tts& tts, const Pass& pass, const AudioRows& audio, const Sampling& s, const Decoded* uncond, const ReferenceHeads& reference = {}) {
      return local ? score_tokens_locally(tape, tts, audio, pass.decoded, s, uncond, reference)
                   : score_tokens(tape, tts, audio, pass.decoded, s, uncond, reference);
    };
    const ReferenceHeads reference = read_heads(tape, *other.tts, q.audio, q.decoded, guided, &free, local);
    const Tensor kl = scored(*f.tts, p, p.audio, plain, nullptr, reference).kl->value;
    // One head at a time says every id in turn; no head before it does.
    const int64_t B = kl.dim(0), heads = kl.dim(1), U = kl.dim(2);
    double worst = 0, least = 1e9;
    for (int64_t k = 0; k < heads; ++k) {
      std::vector<double> sum(static_cast<size_t>(B * U));
      for (int32_t id = 0; id < c.vocab; ++id) {
        AudioRows audio = p.audio;
        audio.targets = new_tensor(f.arena, DType::i32, p.audio.targets.shape());
        for (int64_t i = 0; i < audio.targets.size(); ++i) {
          const int32_t token = p.audio.targets.as<int32_t>()[i];
          audio.targets.as<int32_t>()[i] = token >= 0 && i / U % heads == k ? id : token;
        }
        const Tensor a = scored(*f.tts, p, audio, plain, nullptr).logprobs->value, b = scored(*other.tts, q, audio, guided, &free).logprobs->value;
        for (int64_t s = 0; s < B; ++s)
          for (int64_t u = 0; u < U; ++u) {
            const int64_t i = (s * heads + k) * U + u;
            sum[static_cast<size_t>(s * U + u)] += std::exp(element(a, i)) * (element(a, i) - element(b, i));
          }
      }
      for (int64_t s = 0; s < B; ++s)
        for (int64_t u = 0; u < U; ++u) {
          const int64_t i = (s * heads + k) * U + u;
          if (p.audio.targets.as<int32_t>()[i] < 0) continue;
          const double want = sum[static_cast<size_t>(s * U + u)];
          worst = std::max(worst, std::fabs(element(kl, i) - want));
          least = std::min(least, want);
        }
    }
    CHECK(least > 1e-3);
    CHECK_NEAR(worst, 0, 1e-9);
  }
}

TEST(tts_gradient_of_the_alignment_loss_with_a_prior) {
  check_gradient([](Fixture& f, Tape& tape) {
    Pass p;
    p.prompts = f.tts->encode(tape, prompt_rows(f.tts->config(), f.batch.prompts, tape.arena()));
    p.audio = audio_rows(f.tts->config(), f.batch.codes, f.batch.code_lengths, tape.arena());
    const AttentionPrior prior = f.tts->training_prior(tape, p.prompts, p.audio, 2, {.blend = 0.2});
    p.decoded = f.tts->decode(tape, p.prompts, p.audio, {.group = 2, .unconditional = f.batch.unconditional, .text_prior = &prior});
    return alignment_loss(tape, *f.tts, p.decoded);
  });
}

TEST(tts_gradient_of_the_preference_loss) {
  check_gradient([](Fixture& f, Tape& tape) {
    const Pass p = run_pass(tape, *f.tts, f.batch);
    const TokenScores scores = score_tokens(tape, *f.tts, p.audio, p.decoded, Sampling::plain());
    return preference(tape, *f.tts, p.audio, scores, f.f64({-60, -61, -59, -63}, {4}), {}, {{"beta", 0.1}}).first;
  });
}

TEST(tts_policy_gradient_of_equal_advantages_is_the_likelihoods) {
  // With advantage 1 and no old policy, the loss is -1 and its gradient that of minus the mean log-likelihood.
  Fixture a, b;
  {
    Tape tape(test_context(), a.arena);
    const Pass p = run_pass(tape, *a.tts, a.batch);
    const TokenScores scores = score_tokens(tape, *a.tts, p.audio, p.decoded, Sampling::plain());
    Var* loss = policy(tape, *a.tts, p.audio, scores, {.advantages = a.f64({1, 1, 1, 1}, {4})}, {{"kind", 2}}).first;
    CHECK_NEAR(element(loss->value, 0), -1, 1e-12);
    tape.backward(loss);
  }
  double tokens = 0;
  for (int64_t i = 0; i < 4; ++i) tokens += 2 * (b.batch.code_lengths.as<int32_t>()[i] + 1);
  Tape tape(test_context(), b.arena);
  const Pass p = run_pass(tape, *b.tts, b.batch);
  Var* all = sample_logprobs(tape, *b.tts, p.audio, score_tokens(tape, *b.tts, p.audio, p.decoded, Sampling::plain()));
  const double s = -1 / tokens;
  tape.backward(all, b.f64({s, s, s, s}, {4}));
  auto x = a.tts->params().entries(), y = b.tts->params().entries();
  for (size_t i = 0; i < x.size(); ++i) CHECK_NEAR(relative_error(x[i].grad, y[i].grad), 0, 1e-9);
}

TEST(tts_gives_the_same_bits_for_any_number_of_threads) {
  auto gradients = [](int threads) {
    Fixture f;
    auto tts = lively_model(everything(), DType::f32);
    Pool pool(threads);
    Arena scratch;
    Tape tape({pool, scratch}, f.arena);
    const Pass p = run_pass(tape, *tts, f.batch);
    tape.backward(cross_entropy(tape, p.audio, score_tokens(tape, *tts, p.audio, p.decoded, Sampling::plain())));
    const char* g = static_cast<const char*>(tts->params().grads());
    return std::vector<char>(g, g + tts->params().flat_size() * 4);
  };
  const auto one = gradients(1);
  CHECK(one == gradients(1));
  CHECK(one == gradients(2) && one == gradients(3));
}

TEST(tts_dropout_follows_its_seed) {
  Fixture f;
  auto loss = [&](Noise noise) {
    f.arena.reset();
    Tape tape(test_context(), f.arena, Tape::Mode::infer);
    TtsConfig c = everything();
    c.dropout = 0.2;
    auto tts = lively_model(c, DType::f64);
    const Encoded prompts = tts->encode(tape, prompt_rows(c, f.batch.prompts, tape.arena()), noise);
    const AudioRows audio = audio_rows(c, f.batch.codes, f.batch.code_lengths, tape.arena());
    const Decoded d = tts->decode(tape, prompts, audio, {.group = 2, .noise = noise});
    return element(cross_entropy(tape, audio, score_tokens(tape, *tts, audio, d, Sampling::plain()))->value, 0);
  };
  CHECK(loss({true, 1}) == loss({true, 1}));
  CHECK(loss({true, 1}) != loss({true, 2}));
  CHECK(loss({false, 1}) == loss({false, 2}));
}

TEST(tts_conditions_are_dropped_by_item_or_by_batch) {
  Arena arena;
  int items = 0, batches = 0;
  const int steps = 400, B = 8;
  for (uint64_t step = 0; step < steps; ++step) {
    const Tensor each = draw_unconditional(0.25, true, 9, step, B, arena), all = draw_unconditional(0.25, false, 9, step, B, arena);
    const Tensor again = draw_unconditional(0.25, true, 9, step, 3, arena);
    for (int i = 0; i < B; ++i) {
      items += each.as<int32_t>()[i];
      CHECK(all.as<int32_t>()[i] == all.as<int32_t>()[0]);
      if (i < 3) CHECK(again.as<int32_t>()[i] == each.as<int32_t>()[i]);
    }
    batches += all.as<int32_t>()[0];
  }
  CHECK_NEAR(items / double(steps * B), 0.25, 0.03);
  CHECK_NEAR(batches / double(steps), 0.25, 0.07);
}

TEST(tts_refuses_what_cannot_be) {
  Fixture f;
  auto config_error = [](auto&& change) {
    TtsConfig c = everything();
    change(c);
    Tts tts(c, DType::f32, 0);
  };
  CHECK_THROWS(config_error([](TtsConfig& c) { c.heads = 3; }), "tts config: heads: expected a divisor of d_model (8), got 3");
  CHECK_THROWS(config_error([](TtsConfig& c) { c.eos = 99; }), "tts config: eos: expected an id below vocab (21), got 99");
  CHECK_THROWS(config_error([](TtsConfig& c) { c.context_eos = 16; }), "tts config: context_eos: expected an id other than bos, got 16");
  CHECK_THROWS(config_error([](TtsConfig& c) { c.context_layers = 0; }), "tts config: context_layers: expected at least 1, got 0");
  CHECK_THROWS(config_error([](TtsConfig& c) { c.model_type = ModelType::multi_encoder; }), "together each of 0..1 once, got []");
  CHECK_THROWS(config_error([](TtsConfig& c) { c.local_transformer->max_positions = 3; }), "local_transformer.max_positions: expected at least codebooks * frame_stacking (4), got 3");

  auto batch_error = [&](auto&& change) {
    TtsBatch b = f.batch;
    change(b);
    check_batch(f.tts->config(), b);
  };
  CHECK_THROWS(batch_error([&](TtsBatch& b) { b.code_lengths = ints_of({9, 0, 5, 7}, {4}, f.inputs); }), "tts batch: code_lengths[1]: expected 1..9, got 0");
  CHECK_THROWS(batch_error([&](TtsBatch& b) { b.prompts.text_lengths = ints_of({4, 3}, {2}, f.inputs); }), "tts batch: text[1]: expected the text EOS (8) last");
  CHECK_THROWS(batch_error([&](TtsBatch& b) { b.prompts.context_codes = {}; }), "tts batch: context_codes: expected i32 [2, 2, at least 1], got none");
  CHECK_THROWS(batch_error([&](TtsBatch& b) { b.group = 3; }), "tts batch: codes: expected i32 [6, 2, at least 1], got i32 [4, 2, 9]");
  CHECK_THROWS(batch_error([&](TtsBatch& b) {
                 b.codes = constant_ints(4 * 2 * 9, 21, f.inputs);
                 b.codes = make_tensor(b.codes.data, DType::i32, {4, 2, 9});
               }), "tts batch: codes[0]: expected ids of 0..20, got 21 at 0");

  GenerateSettings s;
  s.max_frames = 28;
  auto run = [&] { generate(test_context(), f.arena, *f.tts, f.batch.prompts, 1, ints_of({0, 1}, {2}, f.inputs), s); };
  CHECK_THROWS(run(), "generate: max_frames: expected with a prefix of 3 steps at most 16 steps, got 28");
  s.max_frames = 1;
  CHECK_THROWS(run(), "generate: max_frames: expected at least frame_stacking (2), got 1");
  s.max_frames = 8, s.sampling.forbidden = {17};
  CHECK_THROWS(run(), "sampling: forbidden: expected ids below 21 other than EOS, got 17");
  Tape tape(test_context(), f.arena);
  const Pass p = run_pass(tape, *f.tts, f.batch);
  CHECK_THROWS(score_tokens(tape, *f.tts, p.audio, p.decoded, {.guidance = 2}), "tts: guidance: expected an unconditional pass");
}

}  // namespace a2s::test
