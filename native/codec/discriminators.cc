#include "codec/discriminators.h"

#include <cmath>

#include "ops/conv/conv.h"
#include "ops/sequence/sequence.h"
#include "ops/snake/snake.h"
#include "ops/spectral/spectral.h"
#include "ops/squared_error/squared_error.h"

namespace a2s {
namespace {

constexpr double kSlope = 0.1, kReflect = static_cast<double>(PadMode::reflect);

/** A tensor of one value, as an input of ops. */
Var* filled(Tape& tape, DType dtype, std::initializer_list<int64_t> shape, double value) {
  Tensor t = tape.alloc(dtype, shape);
  for (int64_t i = 0; i < t.size(); ++i)
    dtype == DType::f32 ? void(t.as<float>()[i] = static_cast<float>(value)) : void(t.as<double>()[i] = value);
  return tape.constant(t);
}

Var* repeated(Tape& tape, int64_t B, int64_t value) {
  Tensor t = tape.alloc(DType::i32, {B});
  std::fill_n(t.as<int32_t>(), B, static_cast<int32_t>(value));
  return tape.constant(t);
}

/** Mean of (x - value)^2 over all elements. */
Var* squared_distance(Tape& tape, Var* x, double value) {
  const int64_t n = x->value.size();
  return tape.apply(squared_error, {tape.view(x, {1, n}), filled(tape, x->value.dtype, {1, n}, value), nullptr});
}

Var* sum_of(Tape& tape, Var* sum, Var* term) { return sum ? tape.apply(add, {sum, term}) : term; }

Var* divided(Tape& tape, Var* x, size_t count) { return tape.apply(scale, {x}, {{"factor", 1.0 / static_cast<double>(count)}}); }

/** Layers with leaky ReLU between, then the scores; features of each. */
template <class Layer>
void run_network(Tape& tape, Var* x, size_t layers, Layer&& layer, Judgement& out) {
  auto& features = out.features.emplace_back();
  for (size_t i = 0; i < layers; ++i) features.push_back(x = tape.apply(leaky_relu, {layer(i, x)}, {{"slope", kSlope}}));
  features.push_back(x = layer(layers, x));
  out.scores.push_back(x);
}

}  // namespace

void DiscriminatorConfig::validate() const {
  auto require = [](bool ok, const char* field, const char* expected) {
    if (!ok) fail_config(std::string("discriminators: ") + field + ": expected " + expected);
  };
  for (int64_t p : periods) require(p >= 1, "periods", "at least 1");
  require(!period_channels.empty(), "period_channels", "at least one layer");
  for (int64_t c : period_channels) require(c >= 1, "period_channels", "at least 1");
  require(band_channels >= 1, "band_channels", "at least 1");
  for (const auto& [low, high] : bands) require(low >= 0 && low < high && high <= 1, "bands", "0 <= low < high <= 1");
  require(periods.size() + resolutions.size() * bands.size() > 0, "periods and bands", "at least one network");
}

Discriminators::Discriminators(const DiscriminatorConfig& config, DType dtype, std::optional<uint64_t> seed) : config_(config), params_(dtype) {
  config.validate();
  Declarer folded(params_, "discriminator.discriminators.0.discriminators."),
      banded(params_, "discriminator.discriminators.1.discriminators.");
  auto declare = [](Declarer& d, const std::string& stem, std::vector<std::array<int64_t, 4>> shapes) {
    Network n;
    for (size_t j = 0; j < shapes.size(); ++j) {
      const auto [O, C, h, w] = shapes[j];
      const bool last = j + 1 == shapes.size();
      (last ? n.post : n.layers.emplace_back()) =
          d.conv(stem + (last ? ".conv_post.conv" : ".conv_layers." + std::to_string(j) + ".conv"), {O, C, h, w}, O);
    }
    return n;
  };
  for (size_t i = 0; i < config.periods.size(); ++i) {
    std::vector<std::array<int64_t, 4>> shapes;
    int64_t C = 1;
    for (int64_t O : config.period_channels) shapes.push_back({O, C, 5, 1}), C = O;
    shapes.push_back({1, C, 3, 1});
    periods_.push_back(declare(folded, std::to_string(i), shapes));
  }
  const int64_t C = config.band_channels;
  for (size_t r = 0; r < config.resolutions.size(); ++r) {
    auto& networks = bands_.emplace_back();
    for (size_t b = 0; b < config.bands.size(); ++b)
      networks.push_back(declare(banded, std::to_string(r) + ".discriminators." + std::to_string(b),
                                 {{C, 2, 3, 9}, {C, C, 3, 9}, {C, C, 3, 9}, {C, C, 3, 9}, {C, C, 3, 3}, {1, C, 3, 3}}));
  }
  params_.allocate(seed);
}

Judgement Discriminators::judge(Tape& tape, Var* wav, Learning learning) const {
  Judgement out;
  for (size_t i = 0; i < periods_.size(); ++i) judge_period(tape, wav, periods_[i], config_.periods[i], learning, out);
  for (size_t r = 0; r < bands_.size(); ++r) judge_bands(tape, wav, r, learning, out);
  return out;
}

/** Sample s lies in column s mod period: one-dimensional convolutions over each column. */
void Discriminators::judge_period(Tape& tape, Var* wav, const Network& network, int64_t period, Learning learning,
                                  Judgement& out) const {
  const int64_t B = wav->value.dims[0], S = wav->value.dims[1], rows = (S + period - 1) / period;
  Var* x = tape.view(wav, {B, 1, S});
  if (rows * period > S)  // a filter of one tap that copies, for its padding
    x = tape.apply(conv1d, {x, filled(tape, wav->value.dtype, {1, 1, 1}, 1), nullptr, nullptr},
                   {{"pad_right", double(rows * period - S)}, {"pad_mode", kReflect}});
  x = tape.view(tape.apply(transpose, {tape.view(x, {B, rows, period})}), {B * period, 1, rows});
  const size_t strided = network.layers.size() - 1;  // all but the last layer
  run_network(tape, x, network.layers.size(), [&](size_t i, Var* in) {
    const NormConv& c = i < network.layers.size() ? network.layers[i] : network.post;
    const Tensor& v = c.v->value;
    const double pad = static_cast<double>(v.dims[2] / 2);
    return tape.apply(
        conv1d,
        {in, tape.view(c.weight(tape, learning), {v.dims[0], v.dims[1], v.dims[2]}), parameter(tape, *c.bias, learning), nullptr},
        {{"stride", i < strided ? 3 : 1}, {"pad_left", pad}, {"pad_right", pad}, {"pad_mode", kReflect}});
  }, out);
}

void Discriminators::judge_bands(Tape& tape, Var* wav, size_t resolution, Learning learning, Judgement& out) const {
  const auto [n_fft, hop, win] = config_.resolutions[resolution];
  Tensor window = tape.alloc(wav->value.dtype, {win});
  for (int64_t i = 0; i < win; ++i) {
    const double v = 0.5 - 0.5 * std::cos(2 * M_PI * static_cast<double>(i) / static_cast<double>(win - 1));
    window.dtype == DType::f32 ? void(window.as<float>()[i] = static_cast<float>(v)) : void(window.as<double>()[i] = v);
  }
  Var* spectrum = tape.apply(stft, {wav, tape.constant(window), nullptr},
                             {{"n_fft", double(n_fft)}, {"hop", double(hop)}, {"pad", 2}, {"normalized", 1}});
  const int64_t B = wav->value.dims[0], bins = spectrum->value.dims[1] / 2, T = spectrum->value.dims[2];
  spectrum = tape.view(spectrum, {2 * B, bins, T});  // real and imaginary part of each item
  for (size_t b = 0; b < config_.bands.size(); ++b) {
    const int64_t low = static_cast<int64_t>(config_.bands[b][0] * static_cast<double>(bins));
    const int64_t count = static_cast<int64_t>(config_.bands[b][1] * static_cast<double>(bins)) - low;
    Var* x =
        tape.apply(slice_time, {spectrum, repeated(tape, 2 * B, low), repeated(tape, 2 * B, count)}, {{"frames", double(count)}});
    x = tape.view(tape.apply(transpose, {x}), {B, 2, T, count});
    const Network& network = bands_[resolution][b];
    run_network(tape, x, network.layers.size(), [&](size_t i, Var* in) {
      const NormConv& c = i < network.layers.size() ? network.layers[i] : network.post;
      const double stride = i >= 1 && i <= 3 ? 2 : 1, pad = static_cast<double>(c.v->value.dims[3] / 2);
      return tape.apply(conv2d, {in, c.weight(tape, learning), parameter(tape, *c.bias, learning)},
                        {{"stride_w", stride}, {"pad_h", 1}, {"pad_w", pad}, {"pad_mode", kReflect}});
    }, out);
  }
}

Var* discriminator_loss(Tape& tape, const Judgement& recorded, const Judgement& decoded) {
  Var* sum = nullptr;
  for (Var* s : recorded.scores) sum = sum_of(tape, sum, squared_distance(tape, s, 1));
  for (Var* s : decoded.scores) sum = sum_of(tape, sum, squared_distance(tape, s, 0));
  return divided(tape, sum, 2 * decoded.scores.size());
}

Var* adversarial_loss(Tape& tape, const Judgement& decoded) {
  Var* sum = nullptr;
  for (Var* s : decoded.scores) sum = sum_of(tape, sum, squared_distance(tape, s, 1));
  return divided(tape, sum, decoded.scores.size());
}

Var* feature_loss(Tape& tape, const Judgement& recorded, const Judgement& decoded) {
  Var* sum = nullptr;
  for (size_t i = 0; i < decoded.features.size(); ++i) {
    Var* of_network = nullptr;
    for (size_t j = 0; j < decoded.features[i].size(); ++j) {
      Var *a = decoded.features[i][j], *b = recorded.features[i][j];
      const int64_t n = a->value.size();
      of_network = sum_of(tape, of_network, tape.apply(masked_l1, {tape.view(a, {1, 1, n}), tape.view(b, {1, 1, n}), nullptr}));
    }
    sum = sum_of(tape, sum, divided(tape, of_network, decoded.features[i].size()));
  }
  return divided(tape, sum, decoded.features.size());
}

}  // namespace a2s
