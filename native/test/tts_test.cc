// The text-to-codes model: what must hold between its training form, its incremental form and its parts.
#include "nn/decode_cache.h"
#include "test/tts_fixture.h"
#include "tts/step_decoder.h"

namespace a2s::test {
namespace {

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

}  // namespace

TEST(tts_incremental_form_equals_the_whole_sequence) {
  for (auto& [name, config] : variants())
    for (bool guided : {false, true}) {
      CHECK_NEAR(incremental_error(config, DType::f64, guided), 0, 1e-9);
      CHECK_NEAR(incremental_error(config, DType::f32, guided), 0, 1e-4);
    }
}

TEST(tts_own_history_stands_where_the_step_before_drew_it) {
  for (auto& [name, config] : variants()) {
    Arena arena;
    const int64_t B = 40, K = config.codebooks, S = config.frame_stacking, frames = 13;
    const Tensor codes = random_codes(config, B, frames, arena);
    AudioRows rows = audio_rows(config, codes, constant_ints(B, frames, arena), arena);
    const int64_t T = rows.input.dim(2), U = T / S;
    std::vector<int32_t> before(rows.input.as<int32_t>(), rows.input.as<int32_t>() + rows.input.size());
    const OwnHistory own = choose_own_history(config, rows, 0.8, 3, 4);
    // What a step draws says which it is, and is no code.
    Tensor drawn = new_tensor(arena, DType::i32, {static_cast<int64_t>(own.steps.size()), S * K});
    for (int64_t i = 0; i < drawn.size(); ++i)
      drawn.as<int32_t>()[i] = static_cast<int32_t>(1000 + own.steps[static_cast<size_t>(i / (S * K))] * S * K + i % (S * K));
    for (size_t i = 1; i < own.steps.size(); ++i) CHECK(own.steps[i] > own.steps[i - 1]);
    replace_history(config, rows, own, drawn);
    int64_t replaced = 0;
    double most = 0, least = 1;
    for (int64_t b = 0; b < B; ++b) {
      int64_t owned = 0;
      for (int64_t t = 0; t < T; ++t) {
        const bool is_own = rows.input.as<int32_t>()[b * K * T + t] >= 1000;
        CHECK(!(t < S && is_own));
        owned += is_own;
        for (int64_t k = 0; k < K; ++k) {
          const int64_t at = (b * K + k) * T + t;
          CHECK(rows.input.as<int32_t>()[at] == (is_own ? 1000 + ((b * U + t / S - 1) * S + t % S) * K + k : before[at]));
        }
      }
      replaced += owned;
      const double share = static_cast<double>(owned) / static_cast<double>(T - S);
      most = std::max(most, share), least = std::min(least, share);
    }
    CHECK_NEAR(static_cast<double>(replaced) / static_cast<double>(B * (T - S)), 0.4, 0.1);
    CHECK(least < 0.15 && most > 0.65);  // each item has a share of its own
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

TEST(tts_packed_rows_leave_out_padding_and_common_beginnings_and_change_nothing) {
  for (auto& [name, config] : variants()) {
    auto whole = lively_model(config, DType::f64), packed = lively_model(config, DType::f64);
    auto single = lively_model(config, DType::f32);
    Arena arena;
    // Of the first prompt's samples the second is without conditions: it has a beginning of its own.
    const TtsBatch batch{.prompts = random_prompts(config, {6, 9}, {5, 3}, arena), .codes = random_codes(config, 6, 9, arena),
                         .code_lengths = ints_of({9, 4, 5, 7, 1, 8}, {6}, arena), .group = 3,
                         .unconditional = ints_of({0, 1, 0, 0, 0, 0}, {6}, arena)};
    auto decode = [&](Tape& tape, Tts& tts, bool pack) {
      Pass p;
      p.prompts = tts.encode(tape, prompt_rows(config, batch.prompts, arena));
      p.audio = audio_rows(config, batch.codes, batch.code_lengths, arena);
      p.decoded = tts.decode(tape, p.prompts, p.audio, {.group = 3, .unconditional = batch.unconditional, .packed = pack});
      return p;
    };
    auto learn = [&](Tts& tts, bool pack) {
      Tape tape(test_context(), arena);
      const Pass p = decode(tape, tts, pack);
      tape.backward(cross_entropy(tape, p.audio, score_tokens(tape, tts, p.audio, p.decoded, Sampling::plain())));
    };
    learn(*whole, false), learn(*packed, true);
    auto a = whole->params().entries(), b = packed->params().entries();
    for (size_t i = 0; i < a.size(); ++i) CHECK_NEAR(distance(b[i].grad, a[i].grad), 0, 1e-11);

    Tape tape(test_context(), arena, Tape::Mode::infer);
    const Pass all = decode(tape, *single, false), few = decode(tape, *single, true);
    const Tensor &x = all.decoded.hidden->value, &y = few.decoded.hidden->value;
    const int64_t U = x.dim(1), C = x.dim(2);
    for (int64_t i = 0; i < x.size(); ++i)
      if (i / C % U < all.audio.lengths.as<int32_t>()[i / C / U]) CHECK(x.as<float>()[i] == y.as<float>()[i]);

    const Tensor& computed = few.decoded.layers[0].qkv->value;
    if (config.decoder_kernel > 1) {  // its convolutions look at the rows before
      CHECK(computed.dim(0) == 6);
      continue;
    }
    int64_t rows = few.decoded.start ? 7 + 7 + 5 : 0;  // prefixes of the first prompt, of its unconditional sample, of the second
    for (int64_t frames : {9, 4, 5, 7, 1, 8}) rows += frames + 1;
    CHECK(computed.dim(1) == rows - 3);  // less the BOS of samples that begin as another does
  }
}

TEST(tts_refuses_to_pack_rows_under_dropout) {
  auto tts = lively_model(small_config(), DType::f32);
  Arena arena;
  Tape tape(test_context(), arena);
  const Encoded prompts = tts->encode(tape, prompt_rows(tts->config(), random_prompts(tts->config(), {4}, {3}, arena), arena));
  const AudioRows audio = audio_rows(tts->config(), random_codes(tts->config(), 2, 5, arena), ints_of({5, 4}, {2}, arena), arena);
  CHECK_THROWS(tts->decode(tape, prompts, audio, {.group = 2, .noise = {true, 1}, .packed = true}),
               "decoder: packed rows: expected a kernel of 1 and no dropout");
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

}  // namespace a2s::test
