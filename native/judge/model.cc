#include "judge/model.h"

#include <algorithm>
#include <cmath>

#include "ops/elementwise/elementwise.h"
#include "ops/layer_norm/layer_norm.h"
#include "ops/linear/linear.h"
#include "ops/margin_softmax/margin_softmax.h"
#include "ops/sequence/sequence.h"
#include "ops/spectral/spectral.h"
#include "ops/stats_pool/stats_pool.h"

namespace a2s {
namespace {

constexpr double kMelOffset = 0.01;
// Mean and deviation of log(mel + 0.01) of speech that peaks at 0.7. Only the initial weights know them.
constexpr double kMelMean = -0.8, kMelDeviation = 2.1;

const JudgeConfig& checked(const JudgeConfig& config) {
  config.validate();
  return config;
}

template <class T>
void standardise(const Tensor& weight, const Tensor& bias) {
  const int64_t row = weight.dim(1);
  for (int64_t o = 0; o < weight.dim(0); ++o) {
    T *w = weight.as<T>() + o * row, sum = 0;
    for (int64_t i = 0; i < row; ++i) sum += w[i] /= static_cast<T>(kMelDeviation);
    bias.as<T>()[o] = -static_cast<T>(kMelMean) * sum;
  }
}

}  // namespace

Judge::Judge(const JudgeConfig& config, DType dtype, std::optional<uint64_t> seed) : config_(checked(config)), params_(dtype) {
  declare();
  params_.allocate(seed);
  standardise_frontend();
}

void Judge::declare() {
  const int64_t C = config_.channels, k = config_.kernel, in = config_.n_mels * config_.frame_stack;
  const JudgeHead& head = config_.head;
  // Deviations sqrt(2 / inputs) before a GELU, sqrt(1 / inputs) else; branches start small, so that all of them together
  // add to the stream about what the frontend put there.
  auto spread = [](double gain, int64_t inputs) { return std::sqrt(gain / static_cast<double>(inputs)); };
  frontend_ = &params_.add("frontend.weight", {C, in}, spread(2, in));
  frontend_bias_ = &params_.add("frontend.bias", {C}, 0);
  for (int64_t i = 0; i < config_.blocks(); ++i) {
    const std::string at = "blocks." + std::to_string(i) + ".";
    Block b;
    b.norm = &params_.add(at + "norm.weight", {C}, 0, 1);
    b.conv = &params_.add(at + "conv.weight", {C, C, k}, spread(2, C * k));
    b.conv_bias = &params_.add(at + "conv.bias", {C}, 0);
    b.proj = &params_.add(at + "proj.weight", {C, C}, spread(1, C * 2 * config_.blocks()));
    b.proj_bias = &params_.add(at + "proj.bias", {C}, 0);
    blocks_.push_back(b);
  }
  norm_ = &params_.add("norm.weight", {C}, 0, 1);
  const bool pooled = head.kind != JudgeKind::ctc;
  const int64_t outputs = head.kind == JudgeKind::ctc ? head.labels : head.kind == JudgeKind::speaker ? head.dim : 1;
  head_ = &params_.add("head.weight", {outputs, pooled ? 2 * C : C}, spread(1, pooled ? 2 * C : C));
  head_bias_ = &params_.add("head.bias", {outputs}, 0);
  if (head.kind == JudgeKind::speaker)
    classes_ = &params_.add("classes.weight", {head.speakers, head.dim}, spread(1, head.dim));
}

/** As if the frontend saw log mel energies of mean 0 and deviation 1. */
void Judge::standardise_frontend() {
  if (params_.dtype() == DType::f32) standardise<float>(frontend_->value, frontend_bias_->value);
  else standardise<double>(frontend_->value, frontend_bias_->value);
}

/** [B, T, frame_stack * n_mels]: zeros beyond the whole mel frames of an item. */
Var* Judge::stacked_mel(Tape& tape, const Tensor& wav, const Tensor& samples) const {
  const int64_t B = samples.size(), stack = config_.frame_stack;
  const int32_t* n = samples.as<int32_t>();
  Tensor first = tape.alloc(DType::i32, {B}), frames = tape.alloc(DType::i32, {B});
  fill_zero(first);
  for (int64_t b = 0; b < B; ++b) frames.as<int32_t>()[b] = static_cast<int32_t>(config_.mel_frames(n[b]));
  const int64_t T = config_.steps(*std::max_element(n, n + B));
  Var* mel = tape.apply(log_mel, {tape.constant(wav), tape.constant(samples)},
                        {{"sample_rate", double(config_.sample_rate)},
                         {"n_fft", double(config_.n_fft)},
                         {"hop", double(config_.hop_length)},
                         {"n_mels", double(config_.n_mels)},
                         {"pad", 1},
                         {"offset", kMelOffset}});
  // A centred spectrogram has one frame more than fits into the samples: the slice leaves it out.
  Var* rows = tape.apply(slice_time, {tape.apply(transpose, {mel}), tape.constant(first), tape.constant(frames)},
                         {{"frames", double(T * stack)}});
  return tape.view(rows, {B, T, stack * config_.n_mels});
}

/** x + proj(gelu(conv(norm(x)))), zero beyond the frames. */
Var* Judge::block(Tape& tape, int64_t index, Var* x, Var* frames, const JudgeNoise& noise) const {
  const Block& p = blocks_[static_cast<size_t>(index)];
  // Rows of zeros stay so under a norm without bias: what the convolution sees beyond the frames is zero without a mask.
  Var* h = tape.apply(layer_norm, {x, tape.param(*p.norm)});
  h = tape.apply(conv1d_btc, {h, tape.param(*p.conv), tape.param(*p.conv_bias)},
                 {{"dilation", double(config_.dilations[static_cast<size_t>(index)])}, {"act", double(int(Activation::gelu))}});
  h = tape.apply(linear, {h, tape.param(*p.proj), tape.param(*p.proj_bias)});
  if (noise.dropout > 0)
    h = tape.apply(dropout, {h}, {{"p", noise.dropout}, {"seed", double(noise.seed)}, {"layer", double(index)}});
  return tape.apply(mask_rows, {tape.apply(add, {x, h}), frames});
}

Judge::Heard Judge::hear(Tape& tape, const Tensor& wav, const Tensor& samples, const JudgeNoise& noise) const {
  Tensor frames = tape.alloc(DType::i32, {samples.size()});
  for (int64_t b = 0; b < frames.size(); ++b)
    frames.as<int32_t>()[b] = static_cast<int32_t>(config_.steps(samples.as<int32_t>()[b]));
  Var* lengths = tape.constant(frames);
  Var* x = tape.apply(linear, {stacked_mel(tape, wav, samples), tape.param(*frontend_), tape.param(*frontend_bias_)},
                      {{"act", double(int(Activation::gelu))}});
  x = tape.apply(mask_rows, {x, lengths});
  for (int64_t i = 0; i < config_.blocks(); ++i) x = block(tape, i, x, lengths, noise);
  return {tape.apply(layer_norm, {x, tape.param(*norm_)}), frames};
}

Var* Judge::answer(Tape& tape, const Heard& heard) const {
  Var* x = heard.x;
  if (config_.head.kind != JudgeKind::ctc) x = tape.apply(stats_pool, {x, tape.constant(heard.frames)});
  Var* y = tape.apply(linear, {x, tape.param(*head_), tape.param(*head_bias_)});
  if (config_.head.kind == JudgeKind::speaker) return tape.apply(l2_normalize, {y});
  return config_.head.kind == JudgeKind::ctc ? y : tape.view(y, {y->value.size()});
}

Var* Judge::class_cosines(Tape& tape, Var* embedding) const {
  return tape.apply(linear, {embedding, tape.apply(l2_normalize, {tape.param(*classes_)})});
}

}  // namespace a2s
