#include "codec/losses.h"

#include <algorithm>
#include <cmath>

#include "ops/spectral/spectral.h"
#include "ops/squared_error/squared_error.h"

namespace a2s {
namespace {

constexpr double kSymmetricHann = 1, kPadZero = 1, kPadReflect = 2;  // choices of the spectral ops

/** Frames of a hop in each item: floor(samples / hop) + more. */
Var* frames_of(Tape& tape, Var* samples, int64_t hop, int32_t more) {
  Tensor t = tape.alloc(DType::i32, {samples->value.size()});
  for (int64_t b = 0; b < t.size(); ++b) t.as<int32_t>()[b] = samples->value.as<int32_t>()[b] / static_cast<int32_t>(hop) + more;
  return tape.constant(t);
}

/** One resolution of the spectral losses. */
struct Resolution {
  int64_t win, hop, mels;

  /** A quarter of the window as the hop, 5 mel bands for each 32 samples of it, 160 at most: published. */
  explicit Resolution(int64_t window) : win(window), hop(window / 4), mels(std::min<int64_t>(window / 32 * 5, 160)) {}
};

/** Calls term(resolution) for each and returns the mean. */
template <class F>
Var* mean_over(Tape& tape, const std::vector<int64_t>& windows, F&& term) {
  Var* sum = nullptr;
  for (const int64_t window : windows) {
    Var* y = term(Resolution(window));
    sum = sum ? tape.apply(add, {sum, y}) : y;
  }
  return tape.apply(scale, {sum}, {{"factor", 1.0 / static_cast<double>(windows.size())}});
}

}  // namespace

CodecLosses::CodecLosses(const CodecLoss& weights, int64_t sample_rate) : weights_(weights), sample_rate_(sample_rate) {
  double sum = 0;
  for (auto [name, w] : {std::pair{"waveform", weights.waveform},
                         {"mel", weights.mel},
                         {"stft", weights.stft},
                         {"adversarial", weights.adversarial},
                         {"features", weights.features}}) {
    if (!(w >= 0 && std::isfinite(w)))
      fail_config(std::string("codec: loss: ") + name + ": expected a finite weight of 0 or more, got " + std::to_string(w));
    sum += w;
  }
  if (weights.windows.empty()) fail_config("codec: loss: windows: expected one or more, got none");
  for (const int64_t w : weights.windows)
    if (w < 32 || w > 4096 || (w & (w - 1)))
      fail_config("codec: loss: windows: expected powers of 2 from 32 to 4096, got " + std::to_string(w));
  if (sum == 0) fail_config("codec: loss: expected a weight other than 0 for at least one loss, got none");
}

Var* CodecLosses::codec(Tape& tape, Var* wav, const Tensor& target, const Tensor& samples,
                        const Discriminators* discriminators) const {
  Var *recorded = tape.constant(target), *total = nullptr;
  Tensor counts = samples ? samples : tape.alloc(DType::i32, {target.dims[0]});
  if (!samples) std::fill_n(counts.as<int32_t>(), counts.size(), static_cast<int32_t>(target.dims[1]));
  Var* lengths = tape.constant(counts);
  auto term = [&](double weight, auto&& compute) {
    if (weight == 0) return;
    Var* y = tape.apply(scale, {compute()}, {{"factor", weight}});
    total = total ? tape.apply(add, {total, y}) : y;
  };
  term(weights_.waveform, [&] { return tape.apply(squared_error, {wav, recorded, lengths}); });
  term(weights_.mel, [&] {
    return mean_over(tape, weights_.windows, [&](const Resolution& r) {
      auto mel = [&](Var* x) {
        return tape.apply(log_mel, {x, lengths},
                          {{"sample_rate", double(sample_rate_)},
                           {"n_fft", double(r.win)},
                           {"hop", double(r.hop)},
                           {"win", double(r.win)},
                           {"window", kSymmetricHann},
                           {"pad", kPadZero},
                           {"n_mels", double(r.mels)},
                           {"eps", 1e-5},
                           {"offset", weights_.offset}});
      };
      return tape.apply(masked_l1, {mel(wav), mel(recorded), frames_of(tape, lengths, r.hop, 0)});
    });
  });
  term(weights_.stft, [&] {
    return mean_over(tape, weights_.windows, [&](const Resolution& r) {
      auto log_magnitude = [&](Var* x) {
        return tape.apply(log_stft, {x, lengths},
                          {{"n_fft", double(r.win)},
                           {"hop", double(r.hop)},
                           {"win", double(r.win)},
                           {"window", kSymmetricHann},
                           {"pad", kPadReflect},
                           {"eps", 1e-5},
                           {"offset", weights_.offset}});
      };
      return tape.apply(masked_l1, {log_magnitude(wav), log_magnitude(recorded), frames_of(tape, lengths, r.hop, 1)});
    });
  });
  if (!weights_.judged()) return total;
  if (!discriminators)
    fail_config("codec: loss: adversarial, features: expected discriminators for weights other than 0, got none");
  const Judgement decoded = discriminators->judge(tape, wav, Learning::off);
  term(weights_.adversarial, [&] { return adversarial_loss(tape, decoded); });
  term(weights_.features, [&] { return feature_loss(tape, discriminators->judge(tape, recorded, Learning::off), decoded); });
  return total;
}

Var* discriminator_step_loss(Tape& tape, const Discriminators& discriminators, const Tensor& decoded, const Tensor& recorded) {
  const Judgement of_recorded = discriminators.judge(tape, tape.constant(recorded), Learning::on);
  return discriminator_loss(tape, of_recorded, discriminators.judge(tape, tape.constant(decoded), Learning::on));
}

}  // namespace a2s
