#include "codec/encoder.h"

#include "ops/conv/conv.h"

namespace a2s {
namespace {

constexpr double kReplicate = static_cast<double>(PadMode::replicate);

Var* convolve(Tape& tape, const NormConv& c, Var* x, Var* lengths, int64_t stride, int64_t pad, Var* residual = nullptr) {
  const double p = static_cast<double>(pad);
  return tape.apply(conv1d, {x, c.weight(tape), tape.param(*c.bias), lengths, residual},
                    {{"stride", double(stride)},
                     {"dilation", double(c.dilation)},
                     {"pad_left", p},
                     {"pad_right", p},
                     {"pad_mode", kReplicate}});
}

/** At the same rate. */
Var* convolve(Tape& tape, const NormConv& c, Var* x, Var* lengths, Var* residual = nullptr) {
  return convolve(tape, c, x, lengths, 1, (c.kernel() - 1) * c.dilation / 2, residual);
}

}  // namespace

Encoder::Encoder(Declarer declare, const CodecConfig& config) : hop_(config.hop()) {
  int64_t C = config.encoder_channels;
  pre_conv_ = declare.conv("pre_conv.conv", {C, 1, 7}, C);
  for (size_t i = 0; i < config.down_sample_rates.size(); ++i, C *= 2) {
    const int64_t rate = config.down_sample_rates[i];
    Stage& s = stages_.emplace_back(Stage{rate, {}, {}});
    s.res_layer = declare_res_layer(declare, config, "res_layers." + std::to_string(i), C, false);
    s.down = declare.conv("down_sample_conv_layers." + std::to_string(i) + ".conv", {2 * C, C, 2 * rate}, 2 * C);
  }
  post_conv_ = declare.conv("post_conv.conv", {config.latent(), C, 7}, config.latent());
}

Var* Encoder::forward(Tape& tape, Var* audio, const Tensor& frames) const {
  int64_t rate = hop_;  // samples a frame at this depth
  Var* lengths = scaled_lengths(tape, frames, rate);
  Var* x = convolve(tape, pre_conv_, audio, lengths);
  for (const Stage& s : stages_) {
    Var* below = scaled_lengths(tape, frames, rate / s.rate);
    x = condensed(tape, [&] {
      Var* y = apply_res_layer(tape, s.res_layer, x, [&](const NormConv& c, Param* alpha, Var* in, Var* residual) {
        return convolve(tape, c, activate(tape, alpha, in), lengths, residual);
      });
      return convolve(tape, s.down, activate(tape, nullptr, y), below, s.rate, (s.rate + 1) / 2);
    });
    rate /= s.rate;
    lengths = scaled_lengths(tape, frames, rate);
  }
  return convolve(tape, post_conv_, activate(tape, nullptr, x), lengths);
}

}  // namespace a2s
