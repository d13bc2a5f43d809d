// Fourier transform of real signals, kLanes of them side by side: one signal a vector lane. Every lane does the same
// arithmetic whatever the others hold, so a signal's spectrum does not depend on its neighbours.
//
// A block of `rows()` rows of kLanes values holds either the samples, sample i in row `slots()[i]`, or the spectrum, bin f
// in rows 2f (real) and 2f + 1 (imaginary). The two alternate in place; nothing is allocated.
#pragma once
#include <cstdint>
#include <vector>

namespace a2s {

template <class T>
class RealFft {
 public:
  static constexpr int kLanes = 64 / sizeof(T);

  /** Even n >= 4 whose only prime factors are 2, 3 and 5. */
  static bool supports(int64_t n);
  /** The shared plan for a supported n. */
  static const RealFft& plan(int64_t n);
  explicit RealFft(int64_t n);
  RealFft(const RealFft&) = delete;

  int64_t size() const { return n_; }
  int64_t rows() const { return n_ + 2; }
  const int32_t* slots() const { return slot_.data(); }

  /** X[f] = sum_i x[i] e^(-2 pi i f i / n), f = 0..n/2. */
  void forward(T* block) const;
  /** The transpose of `forward` as a real linear map: x[i] = sum_f re[f] cos(2 pi f i / n) - im[f] sin(2 pi f i / n). */
  void adjoint(T* block) const;

  struct Stage {
    int radix;
    int64_t span;     // distance of a butterfly's legs = length of the transforms that it joins
    const T* twiddle;  // (re, im) for each position < span and leg 1..radix-1
  };

 private:
  int64_t n_;
  std::vector<int32_t> slot_;
  std::vector<std::vector<T>> twiddles_;
  std::vector<Stage> stages_;
  std::vector<T> split_;  // e^(-2 pi i k / n)
};

}  // namespace a2s
