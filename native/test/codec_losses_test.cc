// The codec's losses and discriminators: PyTorch's numbers, and finite differences through decoder and discriminators.
#include "codec/losses.h"
#include "codec/model.h"
#include "test/safetensors.h"
#include "test/test.h"

namespace a2s::test {
namespace {

DiscriminatorConfig small_discriminators() {
  DiscriminatorConfig c;
  c.periods = {2, 3}, c.period_channels = {2, 3, 3, 4, 4};
  c.resolutions = {{128, 32, 128}}, c.bands = {{{0, 0.5}}, {{0.5, 1}}}, c.band_channels = 3;
  return c;
}

struct LossGolden {
  Golden file = read_golden(A2S_SOURCE_DIR "/codec/golden-losses.safetensors");
  Arena arena;

  Tensor get(const std::string& name, DType dtype) {
    const Golden::Entry& e = file.tensors.at(name);
    Tensor t = new_tensor(arena, dtype, std::span<const int64_t>(e.shape));
    for (int64_t i = 0; i < t.size(); ++i)
      dtype == DType::f32 ? void(t.as<float>()[i] = static_cast<float>(e.values[i])) : void(t.as<double>()[i] = e.values[i]);
    return t;
  }
  void load(Params& params) {
    for (const ParamEntry& p : params.entries()) std::memcpy(p.value.data, get(p.name, params.dtype()).data, p.value.bytes());
  }
};

/** One term of the codec's loss alone. */
CodecLoss only(const std::string& name) {
  CodecLoss w;
  (name == "waveform"      ? w.waveform
   : name == "mel"         ? w.mel
   : name == "stft"        ? w.stft
   : name == "adversarial" ? w.adversarial
                           : w.features) = 1;
  return w;
}

struct Within {
  DType dtype;
  double loss, gradient;
};

void check_terms(const Within& within) {
  LossGolden golden;
  Discriminators judges(small_discriminators(), within.dtype, 0);
  golden.load(judges.params());
  const Tensor recorded = golden.get("in.recorded", within.dtype), decoded = golden.get("in.decoded", within.dtype);
  for (const char* name : {"waveform", "mel", "stft", "adversarial", "features"}) {
    Arena arena;
    Tape tape(test_context(), arena);
    Var* wav = tape.leaf(decoded);
    Var* loss = CodecLosses(only(name), 22050).codec(tape, wav, recorded, {}, &judges);
    tape.backward(loss);
    CHECK(relative_error(loss->value, golden.get(std::string("out.") + name, DType::f64)) < within.loss);
    CHECK(relative_error(wav->grad(), golden.get(std::string("grad.decoded.") + name, DType::f64)) < within.gradient);
  }
  for (const ParamEntry& p : judges.params().entries()) CHECK(!p.grad.data);  // constants so far

  Arena arena;
  Tape tape(test_context(), arena);
  Var* loss = discriminator_step_loss(tape, judges, decoded, recorded);
  tape.backward(loss);
  CHECK(relative_error(loss->value, golden.get("out.discriminator", DType::f64)) < within.loss);
  for (const ParamEntry& p : judges.params().entries())
    CHECK(relative_error(p.grad, golden.get("grad." + p.name, DType::f64)) < within.gradient);
}

}  // namespace

TEST(codec_losses_equal_pytorch_in_f64) { check_terms({DType::f64, 1e-10, 1e-8}); }
TEST(codec_losses_equal_pytorch_in_f32) { check_terms({DType::f32, 1e-5, 1e-4}); }

TEST(codec_losses_are_means_over_their_windows) {
  LossGolden golden;
  const Tensor recorded = golden.get("in.recorded", DType::f64), decoded = golden.get("in.decoded", DType::f64);
  auto loss = [&](const char* name, std::vector<int64_t> windows) {
    CodecLoss w = only(name);
    w.windows = std::move(windows);
    Arena arena;
    Tape tape(test_context(), arena);
    return element(CodecLosses(w, 22050).codec(tape, tape.constant(decoded), recorded, {}, nullptr)->value, 0);
  };
  for (const char* name : {"mel", "stft"}) {
    CHECK_NEAR(loss(name, {64, 256}), (loss(name, {64}) + loss(name, {256})) / 2, 1e-12);
    CHECK(loss(name, {64}) != loss(name, {256}));
  }
  for (const std::vector<int64_t>& windows : {std::vector<int64_t>{}, {16}, {96}, {8192}})
    CHECK_THROWS(loss("mel", windows), "windows");
}

TEST(discriminators_of_published_size_have_the_published_tensors) {
  // 288 in the checkpoint: 90 of the periods, 180 of the bands and their 2 windows, 16 of the network over WavLM.
  DiscriminatorConfig c;
  c.period_channels = {1, 1, 1, 1, 1}, c.band_channels = 1;  // names, not widths
  Discriminators judges(c, DType::f32, 0);
  CHECK(judges.params().list().size() == 90 + 180);
  CHECK(judges.params().find("discriminator.discriminators.0.discriminators.4.conv_post.conv.bias"));
  CHECK(judges.params().find(
      "discriminator.discriminators.1.discriminators.1.discriminators.4.conv_layers.4.conv.parametrizations.weight.original1"));
}

TEST(gradients_reach_the_decoder_through_every_loss) {
  CodecConfig config;
  config.encoder_channels = 1, config.decoder_channels = 12;
  config.down_sample_rates = {4, 4}, config.up_sample_rates = {4, 4};
  config.groups = 2, config.levels = {5, 4}, config.res_kernels = {3}, config.res_dilations = {1, 2};
  Codec codec(config, DType::f64, 7);
  const Discriminators judges(small_discriminators(), DType::f64, 8);
  const int64_t T = 32, S = T * config.hop();
  Arena data;
  Tensor codes = new_tensor(data, DType::i32, {1, 2, T}), target = new_tensor(data, DType::f64, {1, S});
  for (int64_t i = 0; i < codes.size(); ++i) codes.as<int32_t>()[i] = static_cast<int32_t>(Rng{9, 5}.uniform(0, i) * 20);
  for (int64_t i = 0; i < S; ++i) target.as<double>()[i] = 0.3 * Rng{9, 5}.normal(1, i);
  const CodecLosses losses({.waveform = 0.5, .mel = 1, .stft = 2, .adversarial = 1, .features = 3}, 8000);

  auto loss = [&](bool backward) {
    Arena arena;
    Tape tape(test_context(), arena);
    Var* total = losses.codec(tape, codec.decode(tape, codec.dequantise(tape, codes)), target, {}, &judges);
    if (backward) tape.backward(total);
    return total->value.as<double>()[0];
  };
  codec.params().zero_grad();
  loss(true);
  // Along a random direction of each kind of parameter.
  for (const char* part : {"pre_conv", "up_sample", "res_layers.0", "alpha", "original0", "post_conv"}) {
    double slope = 0;
    auto move = [&](double h) {
      uint64_t index = 0;
      for (Param& p : codec.params().list()) {
        ++index;
        if (!p.name.starts_with("audio_decoder") || p.name.find(part) == std::string::npos) continue;
        for (int64_t i = 0; i < p.value.size(); ++i) p.value.as<double>()[i] += h * Rng{10, 5}.normal(index, i);
      }
    };
    uint64_t index = 0;
    for (Param& p : codec.params().list()) {
      ++index;
      if (!p.name.starts_with("audio_decoder") || p.name.find(part) == std::string::npos) continue;
      for (int64_t i = 0; i < p.value.size(); ++i) slope += p.grad.as<double>()[i] * Rng{10, 5}.normal(index, i);
    }
    const double h = 1e-7;
    move(h);
    const double up = loss(false);
    move(-2 * h);
    const double down = loss(false);
    move(h);
    CHECK(slope != 0);
    CHECK_NEAR((up - down) / (2 * h), slope, 1e-4 * std::max(1.0, std::fabs(slope)));
  }
}

TEST(codec_losses_refuse_what_cannot_be) {
  CHECK_THROWS(CodecLosses({}, 22050), "codec: loss: expected a weight other than 0 for at least one loss, got none");
  CHECK_THROWS(CodecLosses({.mel = -1}, 22050), "codec: loss: mel: expected a finite weight of 0 or more, got -1");
  Arena arena;
  Tape tape(test_context(), arena);
  Tensor wav = new_tensor(arena, DType::f64, {1, 64});
  fill_zero(wav);
  CHECK_THROWS(CodecLosses({.features = 1}, 22050).codec(tape, tape.leaf(wav), wav, {}, nullptr), "expected discriminators");
  DiscriminatorConfig none;
  none.periods = {}, none.bands = {};
  CHECK_THROWS(Discriminators(none, DType::f32, 0), "discriminators: periods and bands: expected at least one network");
}

}  // namespace a2s::test
