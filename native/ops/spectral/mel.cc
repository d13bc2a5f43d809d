#include "ops/spectral/mel.h"

#include <algorithm>
#include <cmath>

#include "ops/spectral/plan_cache.h"

namespace a2s {
namespace {

// Slaney's scale: 200/3 Hz a mel up to 1 kHz (mel 15), then 27 mels for each factor of 6.4.
constexpr double kLinear = 200.0 / 3, kKnee = 1000, kKneeMel = 15;
const double kLogStep = std::log(6.4) / 27;

double to_mel(double f, bool htk) {
  if (htk) return 2595 * std::log10(1 + f / 700);
  return f < kKnee ? f / kLinear : kKneeMel + std::log(f / kKnee) / kLogStep;
}
double to_hz(double mel, bool htk) {
  if (htk) return 700 * (std::pow(10, mel / 2595) - 1);
  return mel < kKneeMel ? mel * kLinear : kKnee * std::exp(kLogStep * (mel - kKneeMel));
}

}  // namespace

template <class T>
MelBank<T>::MelBank(const MelSettings& s) {
  const int64_t bins = s.n_fft / 2 + 1;
  const double low = to_mel(s.f_min, s.htk), high = to_mel(s.f_max, s.htk);
  auto edge = [&](int64_t i) { return to_hz(low + (high - low) * static_cast<double>(i) / static_cast<double>(s.n_mels + 1), s.htk); };
  std::vector<size_t> offsets;
  for (int64_t m = 0; m < s.n_mels; ++m) {
    const double left = edge(m), middle = edge(m + 1), right = edge(m + 2);
    const double height = s.unit_area ? 2 / (right - left) : 1;
    Filter filter{0, 0, nullptr};
    offsets.push_back(weights_.size());
    for (int64_t f = 0; f < bins; ++f) {
      const double hz = static_cast<double>(f * s.sample_rate) / static_cast<double>(s.n_fft);
      const double weight = std::min((hz - left) / (middle - left), (right - hz) / (right - middle));
      if (!(weight > 0)) continue;
      if (filter.end == 0) filter.begin = f;
      filter.end = f + 1;
      weights_.push_back(static_cast<T>(height * weight));
    }
    filters.push_back(filter);
  }
  for (size_t m = 0; m < filters.size(); ++m) filters[m].weights = weights_.data() + offsets[m];
}

template <class T>
const MelBank<T>& MelBank<T>::get(const MelSettings& s) {
  return cached_plan<MelBank<T>>(s);
}

template struct MelBank<float>;
template struct MelBank<double>;

}  // namespace a2s
