// Triangular filters equally spaced on a mel scale.
#pragma once
#include <compare>
#include <cstdint>
#include <vector>

namespace a2s {

struct MelSettings {
  int64_t sample_rate, n_fft, n_mels;
  double f_min, f_max;  // Hz
  bool htk;             // scale: 2595 log10(1 + f / 700); else Slaney's, linear below 1 kHz
  bool unit_area;       // area 1 over Hz; else height 1
  auto operator<=>(const MelSettings&) const = default;
};

/** The bank as rows of consecutive non-zero weights. */
template <class T>
struct MelBank {
  struct Filter {
    int64_t begin, end;  // bins
    const T* weights;    // of bins begin..end
  };
  std::vector<Filter> filters;

  explicit MelBank(const MelSettings& s);
  MelBank(const MelBank&) = delete;
  /** The shared bank for these settings. */
  static const MelBank& get(const MelSettings& s);

 private:
  std::vector<T> weights_;
};

}  // namespace a2s
