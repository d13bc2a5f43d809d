// Judges: gradients of the whole network against finite differences, independence of padding and threads, refusals.
#include "judge/passes.h"
#include "test/test.h"

namespace a2s::test {
namespace {

JudgeConfig small_judge(JudgeKind kind) {
  JudgeConfig c;
  c.sample_rate = 8000, c.n_fft = 64, c.hop_length = 16, c.n_mels = 7, c.frame_stack = 2;
  c.channels = 6, c.kernel = 3, c.dilations = {1, 2}, c.dropout = 0.2;
  c.head = {.kind = kind, .labels = 5, .dim = 4, .speakers = 3, .scale = 4, .margin = 0.2};
  return c;
}

constexpr int64_t kItems = 3, kSamples = 340;

struct JudgeFixture {
  Judge judge;
  Arena inputs, arena;
  JudgeBatch batch;

  explicit JudgeFixture(JudgeKind kind, DType dtype = DType::f64) : judge(small_judge(kind), dtype, 3) {
    // Biases and norms away from where they start, so that every gradient counts.
    uint64_t index = 0;
    for (const ParamEntry& e : judge.params().entries()) {
      ++index;
      for (int64_t i = 0; e.value.rank == 1 && i < e.value.size(); ++i) add(e.value, i, 0.3 * normal(index, i));
    }
    batch.wav = new_tensor(inputs, dtype, {kItems, kSamples});
    fill_zero(batch.wav);
    for (int64_t i = 0; i < batch.wav.size(); ++i) add(batch.wav, i, 0.3 * normal(1000, i));
    batch.samples = ints({kSamples, 163, 250}, {kItems});
    if (kind == JudgeKind::ctc)
      batch.targets = ints({1, 2, 2, 4, 3, 0, 1, 4, 0}, {kItems, 3}), batch.target_lengths = ints({3, 1, 2}, {kItems});
    if (kind == JudgeKind::speaker) batch.labels = ints({2, 0, 2}, {kItems});
    if (kind != JudgeKind::quality) return;
    batch.quality = new_tensor(inputs, dtype, {kItems});
    fill_zero(batch.quality);
    for (int64_t b = 0; b < kItems; ++b) add(batch.quality, b, 0.3 * static_cast<double>(b));
  }

  static double normal(uint64_t sample, int64_t i) {
    return Rng{7, static_cast<uint32_t>(Stream::test)}.normal(sample, static_cast<uint64_t>(i));
  }
  static void add(const Tensor& t, int64_t i, double v) {
    t.dtype == DType::f32 ? void(t.as<float>()[i] += static_cast<float>(v)) : void(t.as<double>()[i] += v);
  }
  Tensor ints(std::initializer_list<int32_t> values, std::initializer_list<int64_t> shape) {
    Tensor t = new_tensor(inputs, DType::i32, shape);
    std::copy(values.begin(), values.end(), t.as<int32_t>());
    return t;
  }
  JudgeTrained step(Context ctx = test_context()) {
    arena.reset();
    Tape tape(ctx, arena);
    return train(tape, judge, batch, 1, JudgeStep{5, 8});
  }
  JudgeAnswer ask(const JudgeBatch& b) {
    Tape tape(test_context(), arena, Tape::Mode::infer);
    return evaluate(tape, judge, b);
  }
};

/** The derivative along a random direction within each parameter tensor, by central differences, dropout included. */
void check_gradient(JudgeKind kind) {
  JudgeFixture f(kind);
  f.judge.params().zero_grad();
  f.step();
  std::vector<double> slopes;
  const auto entries = f.judge.params().entries();
  for (size_t p = 0; p < entries.size(); ++p) {
    double slope = 0;
    for (int64_t i = 0; i < entries[p].value.size(); ++i) slope += JudgeFixture::normal(2000 + p, i) * element(entries[p].grad, i);
    slopes.push_back(slope);
  }
  for (size_t p = 0; p < entries.size(); ++p) {
    const ParamEntry& e = entries[p];
    auto moved = [&](double h) {
      for (int64_t i = 0; i < e.value.size(); ++i) JudgeFixture::add(e.value, i, h * JudgeFixture::normal(2000 + p, i));
      const double loss = f.step().loss;
      for (int64_t i = 0; i < e.value.size(); ++i) JudgeFixture::add(e.value, i, -h * JudgeFixture::normal(2000 + p, i));
      return loss;
    };
    const double h = 1e-5, numeric = (moved(h) - moved(-h)) / (2 * h);
    if (std::fabs(numeric - slopes[p]) > 1e-6 * std::max(1.0, std::fabs(numeric)) || slopes[p] == 0) {
      std::ostringstream s;
      s << e.name << ": gradient " << slopes[p] << ", finite difference " << numeric;
      throw Failure(s.str());
    }
  }
}

}  // namespace

TEST(judge_gradient_of_ctc) { check_gradient(JudgeKind::ctc); }
TEST(judge_gradient_of_speaker) { check_gradient(JudgeKind::speaker); }
TEST(judge_gradient_of_quality) { check_gradient(JudgeKind::quality); }

TEST(judge_hears_an_item_as_if_it_were_alone) {
  for (JudgeKind kind : {JudgeKind::ctc, JudgeKind::speaker, JudgeKind::quality}) {
    JudgeFixture f(kind, DType::f32);
    const JudgeAnswer all = f.ask(f.batch);
    for (int64_t b = 0; b < kItems; ++b) {
      const int64_t n = f.batch.samples.as<int32_t>()[b];
      const JudgeAnswer one = f.ask({.wav = make_tensor(f.batch.wav.as<float>() + b * kSamples, DType::f32, {1, n})});
      CHECK(one.frames.as<int32_t>()[0] == f.judge.config().steps(n) && all.frames.as<int32_t>()[b] == f.judge.config().steps(n));
      const int64_t stride = all.value.size() / kItems;
      CHECK(std::memcmp(all.value.as<float>() + b * stride, one.value.data, one.value.bytes()) == 0);
    }
  }
}

TEST(judge_gives_the_same_bits_for_any_number_of_threads) {
  auto gradients = [](int threads) {
    JudgeFixture f(JudgeKind::ctc, DType::f32);
    Pool pool(threads);
    Arena scratch;
    f.step({pool, scratch});
    const char* g = static_cast<const char*>(f.judge.params().grads());
    return std::vector<char>(g, g + f.judge.params().flat_size() * 4);
  };
  CHECK(gradients(1) == gradients(2) && gradients(1) == gradients(3));
}

TEST(judge_refuses_what_cannot_be) {
  auto config_error = [](auto&& change) {
    JudgeConfig c = small_judge(JudgeKind::speaker);
    change(c);
    Judge judge(c, DType::f32, 0);
  };
  CHECK_THROWS(config_error([](JudgeConfig& c) { c.kernel = 4; }), "judge config: kernel: expected an odd number, got 4");
  CHECK_THROWS(config_error([](JudgeConfig& c) { c.n_fft = 14; }), "judge config: n_fft: expected an even number without prime factors above 5, got 14");
  CHECK_THROWS(config_error([](JudgeConfig& c) { c.hop_length = 65; }), "judge config: hop_length: expected 1 to 64, got 65");
  CHECK_THROWS(config_error([](JudgeConfig& c) { c.dilations = {}; }), "judge config: dilations: expected at least one, got none");
  CHECK_THROWS(config_error([](JudgeConfig& c) { c.dropout = 1; }), "judge config: dropout: expected at least 0 and less than 1, got 1");
  CHECK_THROWS(config_error([](JudgeConfig& c) { c.head.speakers = 1; }), "judge config: head.speakers: expected 2 to 1000000, got 1");
  CHECK_THROWS(config_error([](JudgeConfig& c) { c.head = {}; }), "judge config: head.labels: expected 2 to 1000000, got 0");

  JudgeFixture f(JudgeKind::ctc);
  auto error = [&](auto&& change) {
    const JudgeBatch before = f.batch;
    change(f.batch);
    std::string message = "no error";
    try {
      f.step();
    } catch (const Error& e) {
      message = e.what();
    }
    f.batch = before;
    return message;
  };
  CHECK(error([](JudgeBatch& b) { b.wav = {}; }) == "judge: wav: expected f64 [B, S], got none");
  CHECK(error([&](JudgeBatch& b) { b.samples = f.ints({340, 15, 20}, {3}); }) == "judge: samples[1]: expected 16 (hop_length) to 340, got 15");
  CHECK(error([&](JudgeBatch& b) { b.samples = f.ints({340, 16}, {2}); }) == "judge: samples: expected [3], got [2]");
  CHECK(error([](JudgeBatch& b) { b.target_lengths = {}; }) == "judge: target_lengths: expected i32 [3], got none");
  CHECK(error([](JudgeBatch& b) { b.labels = b.target_lengths; }) == "judge: labels: expected none for a judge of this kind, got one");
  CHECK(error([&](JudgeBatch& b) { b.targets = f.ints({1, 2, 0, 4, 3, 0, 1, 4, 0}, {3, 3}); }).find("ctc_loss: targets: item 0, label 2") == 0);
  f.batch.wav.as<double>()[400] = NAN;
  CHECK(error([](JudgeBatch&) {}) == "judge: wav[1]: expected finite samples, got nan at 60");
}

}  // namespace a2s::test
