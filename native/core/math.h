// Elementary functions that inline into vector loops. In f32 they are polynomials good to about 1e-7 relative;
// in f64 they are the library's, because f64 is the reference that f32 is checked against.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include "core/simd.h"

namespace a2s::math {

A2S_INLINE double log(double x) { return std::log(x); }
A2S_INLINE double tanh(double x) { return std::tanh(x); }
A2S_INLINE double sin(double x) { return std::sin(x); }
A2S_INLINE double cos(double x) { return std::cos(x); }

// Of a float, or of a vector of them; U is uint32_t or a vector of as many.

/** e^x for -87.3 <= x <= 88, 0 from -87.7 down to -88.3, anything elsewhere; in the middle of a longer formula cheaper than exp(). */
template <class F = float, class U = uint32_t>
A2S_INLINE F exp_within(F x) {
  // 2^(n + f), n = round(x log2 e); the Cephes polynomial on f ln 2. Far above 2^23 a float's last bits count ones: there n + 127
  // is rounded to, and has become the exponent of 2^n when it is shifted.
  constexpr float kOnes = 12582912.f + 127.f;
  const F ones = x * 1.44269504088896341f + kOnes, n = ones - kOnes;
  F r = x - n * 0.693359375f;
  r -= n * -2.12194440e-4f;
  F p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  U bits;
  std::memcpy(&bits, &ones, sizeof bits);
  bits <<= 23;
  F scale;
  std::memcpy(&scale, &bits, sizeof bits);
  return p * scale;
}

/** x within [-most, most], which is positive. As integers: of comparisons of floats compilers make branches here, and on them the
 *  formula that follows once more. NaN becomes `most`. */
template <class F = float, class U = uint32_t>
A2S_INLINE F limit(F x, float most) {
  uint32_t bound;
  U bits;
  std::memcpy(&bits, &x, sizeof bits), std::memcpy(&bound, &most, 4);
  const U size = bits & 0x7fffffffu;
  bits = (bits & 0x80000000u) | (size < bound ? size : bound);
  std::memcpy(&x, &bits, sizeof bits);
  return x;
}

/** e^x; 0 below -87.7, inf from 88 on, NaN stays NaN. */
template <class F = float, class U = uint32_t>
A2S_INLINE F exp(F x) {
  const F y = exp_within<F, U>(limit<F, U>(x, 88.f));
  return x < 88.f ? y : x + HUGE_VALF;
}
A2S_INLINE double exp(double x) { return std::exp(x); }

/** e^x of what is at most 0, but for rounding; in f32 0 below -87.7. NaN stays NaN. Cheaper than exp(). */
template <class F = float, class U = uint32_t>
A2S_INLINE F exp_down(F x) {
  const F low = F{} - 88.f;
  return exp_within<F, U>(low > x ? low : x);
}
A2S_INLINE double exp_down(double x) { return std::exp(x); }

/** e^x, but finite and never 0. */
A2S_INLINE double exp_clamped(double x) { return std::exp(x < 700 ? x > -700 ? x : -700 : 700); }
A2S_INLINE float exp_clamped(float x) { return exp_within(limit(x, 87.3f)); }

/** Natural logarithm; -inf at 0 and for subnormal x, NaN below 0. */
A2S_INLINE float log(float x) {
  // x = 2^n (1 + f) with sqrt(1/2) <= 1 + f < sqrt(2); the Cephes polynomial in f.
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  const int32_t n = static_cast<int32_t>(bits - 0x3f3504f3u) >> 23;  // 0x3f3504f3 is sqrt(1/2)
  const uint32_t fraction = bits - (static_cast<uint32_t>(n) << 23);
  float f;
  std::memcpy(&f, &fraction, 4);
  f -= 1.f;
  const float z = f * f, e = static_cast<float>(n);
  float p = 7.0376836292e-2f;
  p = p * f - 1.1514610310e-1f;
  p = p * f + 1.1676998740e-1f;
  p = p * f - 1.2420140846e-1f;
  p = p * f + 1.4249322787e-1f;
  p = p * f - 1.6668057665e-1f;
  p = p * f + 2.0000714765e-1f;
  p = p * f - 2.4999993993e-1f;
  p = p * f + 3.3333331174e-1f;
  float y = p * f * z - 2.12194440e-4f * e - 0.5f * z + f + 0.693359375f * e;
  y = x < 1.17549435e-38f ? -HUGE_VALF : y;
  y = x < 0.f ? NAN : y;
  return x < HUGE_VALF ? y : x;  // also NaN
}

/** tanh(x); odd polynomial near 0, else 1 - 2 / (e^2x + 1). */
A2S_INLINE float tanh(float x) {
  float a = std::fabs(x);
  float e = exp_within(2 * (a < 20.f ? a : 20.f));
  float big = 1.f - 2.f / (e + 1.f);
  float z = x * x;
  float p = -5.70498872745e-3f;
  p = p * z + 2.06390887954e-2f;
  p = p * z - 5.37397155531e-2f;
  p = p * z + 1.33314422036e-1f;
  p = p * z - 3.33332819422e-1f;
  float small = p * z * x + x;
  float y = a < 0.625f ? small : std::copysign(big, x);
  return x == x ? y : x;
}

/** sin(x), absolute error below 2e-7 for |x| < 8192. */
A2S_INLINE float sin(float x) {
  float n = std::nearbyint(x * 0.318309886183790672f);  // x = n pi + r
  float r = x - n * 3.140625f;
  r -= n * 9.67502593994140625e-4f;
  r -= n * 1.509957990978376432e-7f;
  float z = r * r;
  float p = 2.5999032e-6f;
  p = p * z - 1.9806548e-4f;
  p = p * z + 8.333016e-3f;
  p = p * z - 1.6666657e-1f;
  float y = p * z * r + r;
  int32_t odd = static_cast<int32_t>(n) & 1;
  return odd ? -y : y;
}
A2S_INLINE float cos(float x) { return sin(x + 1.57079632679489662f); }

/** The tanh form of GELU, x (1 + tanh u) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3), and its derivative. Written as
 *  x / (1 + e^-2u), it keeps its digits where it is small. */
template <class T>
constexpr T kGelu1 = T(1.5957691216057308);  // 2u = kGelu1 x + kGelu3 x^3
template <class T>
constexpr T kGelu3 = kGelu1<T> * T(0.044715);
template <class T>
A2S_INLINE T gelu(T x) {
  return x / (T(1) + exp_clamped(-x * (kGelu1<T> + kGelu3<T> * x * x)));
}
template <class T>
A2S_INLINE T gelu_grad(T x) {
  const T e = exp_clamped(-x * (kGelu1<T> + kGelu3<T> * x * x)), y = T(1) / (T(1) + e);
  return y + x * y * (e * y) * (kGelu1<T> + 3 * kGelu3<T> * x * x);
}

}  // namespace a2s::math
