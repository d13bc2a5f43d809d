// Forward and adjoint are the same loop: outputs at rational positions of the input, each a dot product with the
// filter's taps for its phase. Only the roles of the two rates differ.
#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <string>

#include "core/simd.h"
#include "ops/resample/resample.h"
#include "ops/sequence/lengths.h"
#include "ops/spectral/plan_cache.h"

namespace a2s {
namespace {

constexpr int64_t kSide = 4;           // outputs at a time
constexpr int64_t kTapBlock = 16;      // taps are padded to a multiple of this: no remainder in the vector loop
constexpr int64_t kMaxTerm = 1 << 16;  // of the reduced ratio: bounds the taps' memory

struct PhaseKey {
  int64_t step, phases;    // output j stands at input position j * step / phases
  double gain, bandwidth;  // h(u) = gain sinc(bandwidth u) kaiser(bandwidth u / zeros), u in input samples
  double zeros, beta;
  auto operator<=>(const PhaseKey&) const = default;
};

/** Modified Bessel function I0. */
double bessel_i0(double x) {
  double term = 1, sum = 1;
  for (int k = 1; term > 1e-17 * sum; ++k) term *= x * x / (4.0 * k * k), sum += term;
  return sum;
}

template <class T>
struct Taps {
  int64_t reach;  // taps stand on input samples floor(position) - reach + 1 + k
  int64_t count;
  std::vector<T> weights;  // [phases, count]

  explicit Taps(const PhaseKey& key)
      : reach(static_cast<int64_t>(std::ceil(key.zeros / key.bandwidth))),
        count((2 * reach + kTapBlock - 1) / kTapBlock * kTapBlock),
        weights(key.phases * count) {
    const double scale = 1 / bessel_i0(key.beta);
    for (int64_t p = 0; p < key.phases; ++p)
      for (int64_t k = 0; k < 2 * reach; ++k) {
        const double u = static_cast<double>(k - reach + 1) - static_cast<double>(p) / static_cast<double>(key.phases);
        const double t = key.bandwidth * u, edge = t / key.zeros;
        if (edge * edge >= 1 || (t != 0 && t == std::floor(t))) continue;  // exactly 0
        const double window = bessel_i0(key.beta * std::sqrt(1 - edge * edge)) * scale;
        weights[p * count + k] = static_cast<T>(key.gain * window * (t == 0 ? 1 : std::sin(std::numbers::pi * t) / (std::numbers::pi * t)));
      }
  }
};

/** n outputs from number j on, kSide at a time to keep the multipliers busy; the last group repeats its last output,
 *  so that every output is summed in the same order. */
template <class T>
A2S_INLINE void convert_run(const T* x, T* y, int64_t n, int64_t j, const PhaseKey& key, const Taps<T>& taps) {
  const int64_t whole = key.step / key.phases, part = key.step % key.phases, count = taps.count;
  int64_t at = j * key.step / key.phases, phase = j * key.step % key.phases;
  for (int64_t i = 0; i < n; i += kSide) {
    const T *from[kSide], *w[kSide];
    for (int64_t s = 0; s < kSide; ++s) {
      from[s] = x + at, w[s] = taps.weights.data() + phase * count;
      if (i + s + 1 >= n) continue;
      at += whole, phase += part;
      if (phase >= key.phases) phase -= key.phases, ++at;
    }
    const T *x0 = from[0], *x1 = from[1], *x2 = from[2], *x3 = from[3], *w0 = w[0], *w1 = w[1], *w2 = w[2], *w3 = w[3];
    T sum0 = 0, sum1 = 0, sum2 = 0, sum3 = 0;
#pragma omp simd reduction(+ : sum0, sum1, sum2, sum3)
    for (int64_t k = 0; k < count; ++k) sum0 += x0[k] * w0[k], sum1 += x1[k] * w1[k], sum2 += x2[k] * w2[k], sum3 += x3[k] * w3[k];
    const T sums[kSide] = {sum0, sum1, sum2, sum3};
    std::copy_n(sums, std::min(kSide, n - i), y + i);
  }
}
A2S_CLONES void convert(const float* x, float* y, int64_t n, int64_t j, const PhaseKey& k, const Taps<float>& t) { convert_run(x, y, n, j, k, t); }
A2S_CLONES void convert(const double* x, double* y, int64_t n, int64_t j, const PhaseKey& k, const Taps<double>& t) { convert_run(x, y, n, j, k, t); }

struct Ratio {
  int64_t from, to;  // reduced
  explicit Ratio(const Call& c) : from(c.integer("from")), to(c.integer("to")) {
    const int64_t divisor = std::gcd(from, to);
    from /= divisor, to /= divisor;
  }
  int64_t outputs(int64_t samples) const { return (samples * to + from - 1) / from; }
};

PhaseKey forward_key(const Call& c, const Ratio& r) {
  const double lower = std::min(1.0, static_cast<double>(r.to) / static_cast<double>(r.from));
  const double cutoff = r.from == r.to ? 1 : c.num("rolloff") * lower;  // equal rates copy: sinc at whole numbers
  return {r.from, r.to, cutoff, cutoff, c.num("zeros"), c.num("beta")};
}
PhaseKey adjoint_key(const Call& c, const Ratio& r) {
  PhaseKey key = forward_key(c, r);
  std::swap(key.step, key.phases);
  key.bandwidth *= static_cast<double>(r.from) / static_cast<double>(r.to);
  return key;
}

/** y[b, j < y_size(b)] from x[b, i < x_size(b)]; the rest of y is 0. */
template <class T, class X, class Y>
void convert_all(const Call& c, const PhaseKey& key, const Tensor& x, X&& x_size, const Tensor& y, Y&& y_size) {
  const Taps<T>& taps = cached_plan<Taps<T>>(key);
  const int64_t B = x.dim(0), in = x.dim(1), out = y.dim(1);
  const int64_t padded = std::max(taps.reach - 1 + in, out * key.step / key.phases + taps.count);
  T* copies = c.scratch<T>(B * padded);
  for (int64_t b = 0; b < B; ++b) {
    T* to = copies + b * padded;
    std::fill_n(to, padded, T(0));
    std::copy_n(x.as<T>() + b * in, x_size(b), to + taps.reach - 1);
  }
  const int64_t run = std::max<int64_t>(64, (int64_t{1} << 20) / taps.count), runs = (out + run - 1) / run;
  c.ctx.pool.run(B * runs, [&](int64_t i) {
    const int64_t b = i / runs, first = i % runs * run, last = std::min(first + run, out);
    const int64_t valid = std::clamp<int64_t>(y_size(b), first, last);
    T* to = y.as<T>() + b * out;
    convert(copies + b * padded, to + first, valid - first, first, key, taps);
    std::fill(to + valid, to + last, T(0));
  });
}

template <class T>
void forward(Call& c) {
  const Ratio r(c);
  auto size = [&](int64_t b) { return length_of(c.in[1], b, c.in[0].dim(1)); };
  convert_all<T>(c, forward_key(c, r), c.in[0], size, c.out[0], [&](int64_t b) { return r.outputs(size(b)); });
}
template <class T>
void backward(Call& c) {
  if (!c.din[0]) return;
  const Ratio r(c);
  auto size = [&](int64_t b) { return length_of(c.in[1], b, c.in[0].dim(1)); };
  convert_all<T>(c, adjoint_key(c, r), c.dout[0], [&](int64_t b) { return r.outputs(size(b)); }, c.din[0], size);
}

}  // namespace

void resample_axes(Axes& axes, const Call& c) {
  const Ratio r(c);
  if (std::max(r.from, r.to) > kMaxTerm)
    fail_config("resample: to: expected a ratio to / from with terms up to " + std::to_string(kMaxTerm) + ", got " + std::to_string(r.to) + "/" +
                std::to_string(r.from));
  if (axes["S"] < 1) fail_shape("resample: x: expected at least 1 sample, got 0");
  axes.bind("So", r.outputs(axes["S"]));
}
double resample_flops(const Call& c) {
  return 4 * c.num("zeros") / forward_key(c, Ratio(c)).bandwidth * static_cast<double>(c.out[0].size());
}
void resample_forward(Call& c) { A2S_BY_DTYPE(c, forward); }
void resample_backward(Call& c) { A2S_BY_DTYPE(c, backward); }

}  // namespace a2s
