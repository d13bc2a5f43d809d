// The n real samples are the real and imaginary parts of n/2 complex numbers; their transform (in place, decimation in
// time, radix 4, 2, 3, 5: Cooley and Tukey 1965) is then split into the bins of the even and of the odd samples.
#include "ops/spectral/fft.h"

#include <cmath>
#include <numbers>

#include "core/simd.h"
#include "ops/spectral/plan_cache.h"

namespace a2s {
namespace {

template <class T>
struct Complex {
  T re, im;
};
template <class T>
A2S_INLINE Complex<T> operator+(Complex<T> a, Complex<T> b) { return {a.re + b.re, a.im + b.im}; }
template <class T>
A2S_INLINE Complex<T> operator-(Complex<T> a, Complex<T> b) { return {a.re - b.re, a.im - b.im}; }
template <class T>
A2S_INLINE Complex<T> operator*(T s, Complex<T> a) { return {s * a.re, s * a.im}; }
template <class T>
A2S_INLINE Complex<T> operator*(Complex<T> a, Complex<T> b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
/** -i z */
template <class T>
A2S_INLINE Complex<T> turn(Complex<T> z) { return {z.im, -z.re}; }

/** Transform of R points in registers. */
template <int R, class T>
A2S_INLINE void dft(Complex<T>* z) {
  if constexpr (R == 2) {
    const Complex<T> a = z[0], b = z[1];
    z[0] = a + b, z[1] = a - b;
  } else if constexpr (R == 3) {
    const T s = T(0.86602540378443864676);  // sin 60
    const Complex<T> sum = z[1] + z[2], mid = z[0] - T(0.5) * sum, d = turn(s * (z[1] - z[2]));
    z[0] = z[0] + sum, z[1] = mid + d, z[2] = mid - d;
  } else if constexpr (R == 4) {
    const Complex<T> a = z[0] + z[2], b = z[0] - z[2], c = z[1] + z[3], d = turn(z[1] - z[3]);
    z[0] = a + c, z[1] = b + d, z[2] = a - c, z[3] = b - d;
  } else {
    const T c1 = T(0.30901699437494742410), c2 = T(-0.80901699437494742410);  // cos 72, cos 144
    const T s1 = T(0.95105651629515357212), s2 = T(0.58778525229247312917);   // sin 72, sin 144
    const Complex<T> p = z[1] + z[4], q = z[2] + z[3], d = z[1] - z[4], e = z[2] - z[3];
    const Complex<T> a = z[0] + c1 * p + c2 * q, b = z[0] + c2 * p + c1 * q;
    const Complex<T> u = turn(s1 * d + s2 * e), v = turn(s2 * d - s1 * e);
    z[0] = z[0] + p + q, z[1] = a + u, z[2] = b + v, z[3] = b - v, z[4] = a - u;
  }
}

/** One stage over `count` complex rows. The adjoint is the transpose (twiddles after the butterfly) with i negated
 *  (real and imaginary rows exchanged). */
template <int R, bool kAdjoint, class T>
A2S_INLINE void stage(T* rows, int64_t count, const typename RealFft<T>::Stage& s) {
  constexpr int V = RealFft<T>::kLanes, re = kAdjoint ? V : 0, im = V - re;
  for (int64_t base = 0; base < count; base += R * s.span)
    for (int64_t k = 0; k < s.span; ++k) {
      const Complex<T>* w = reinterpret_cast<const Complex<T>*>(s.twiddle) + k * (R - 1) - 1;
      T* row = rows + (base + k) * 2 * V;
      const int64_t leg = s.span * 2 * V;
#pragma GCC ivdep
      for (int v = 0; v < V; ++v) {
        Complex<T> z[R];
        for (int q = 0; q < R; ++q) {
          z[q] = {row[q * leg + re + v], row[q * leg + im + v]};
          if (!kAdjoint && q) z[q] = w[q] * z[q];
        }
        dft<R>(z);
        for (int q = 0; q < R; ++q) {
          if (kAdjoint && q) z[q] = w[q] * z[q];
          row[q * leg + re + v] = z[q].re, row[q * leg + im + v] = z[q].im;
        }
      }
    }
}

template <bool kAdjoint, class T>
A2S_INLINE void run_stage(T* rows, int64_t count, const typename RealFft<T>::Stage& s) {
  if (s.radix == 4) stage<4, kAdjoint>(rows, count, s);
  else if (s.radix == 2) stage<2, kAdjoint>(rows, count, s);
  else if (s.radix == 3) stage<3, kAdjoint>(rows, count, s);
  else stage<5, kAdjoint>(rows, count, s);
}

/** Even and odd samples' transforms E, O from those of even + i odd, and X[k] = E + w^k O, X[n/2 - k] = conj(E - w^k O). */
template <class T>
A2S_INLINE void split(T* rows, int64_t half, const T* twiddle) {
  constexpr int V = RealFft<T>::kLanes;
  T* last = rows + half * 2 * V;
  for (int v = 0; v < V; ++v) {
    const T even = rows[v], odd = rows[V + v];
    rows[v] = even + odd, rows[V + v] = 0;
    last[v] = even - odd, last[V + v] = 0;
  }
  for (int64_t k = 1; 2 * k < half; ++k) {
    T *a = rows + k * 2 * V, *b = rows + (half - k) * 2 * V;
    const Complex<T> w{twiddle[2 * k], twiddle[2 * k + 1]};
#pragma GCC ivdep
    for (int v = 0; v < V; ++v) {
      const Complex<T> p{a[v], a[V + v]}, q{b[v], -b[V + v]};
      const Complex<T> even = T(0.5) * (p + q), odd = w * turn(T(0.5) * (p - q));
      a[v] = even.re + odd.re, a[V + v] = even.im + odd.im;
      b[v] = even.re - odd.re, b[V + v] = odd.im - even.im;
    }
  }
  if (half % 2 == 0)
    for (int v = 0; v < V; ++v) rows[(half + 1) * V + v] = -rows[(half + 1) * V + v];  // the bin at n/4
}

/** The transpose of `split`. */
template <class T>
A2S_INLINE void merge(T* rows, int64_t half, const T* twiddle) {
  constexpr int V = RealFft<T>::kLanes;
  const T* last = rows + half * 2 * V;
  for (int v = 0; v < V; ++v) {
    const T first = rows[v];
    rows[v] = first + last[v], rows[V + v] = first - last[v];
  }
  for (int64_t k = 1; 2 * k < half; ++k) {
    T *a = rows + k * 2 * V, *b = rows + (half - k) * 2 * V;
    const Complex<T> w{twiddle[2 * k], -twiddle[2 * k + 1]};
#pragma GCC ivdep
    for (int v = 0; v < V; ++v) {
      const Complex<T> p{a[v], a[V + v]}, q{b[v], -b[V + v]};
      const Complex<T> even = T(0.5) * (p + q), odd = turn(T(0.5) * (w * (p - q)));
      a[v] = even.re - odd.re, a[V + v] = even.im - odd.im;
      b[v] = even.re + odd.re, b[V + v] = -even.im - odd.im;
    }
  }
  if (half % 2 == 0)
    for (int v = 0; v < V; ++v) rows[(half + 1) * V + v] = -rows[(half + 1) * V + v];
}

template <class T>
using Stages = std::vector<typename RealFft<T>::Stage>;

template <class T>
A2S_INLINE void forward_rows(T* rows, int64_t half, const Stages<T>& stages, const T* twiddle) {
  for (size_t i = 0; i < stages.size(); ++i) run_stage<false>(rows, half, stages[i]);
  split(rows, half, twiddle);
}
template <class T>
A2S_INLINE void adjoint_rows(T* rows, int64_t half, const Stages<T>& stages, const T* twiddle) {
  merge(rows, half, twiddle);
  for (size_t i = stages.size(); i-- > 0;) run_stage<true>(rows, half, stages[i]);
}

A2S_CLONES void forward_block(float* r, int64_t n, const Stages<float>& s, const float* w) { forward_rows(r, n, s, w); }
A2S_CLONES void forward_block(double* r, int64_t n, const Stages<double>& s, const double* w) { forward_rows(r, n, s, w); }
A2S_CLONES void adjoint_block(float* r, int64_t n, const Stages<float>& s, const float* w) { adjoint_rows(r, n, s, w); }
A2S_CLONES void adjoint_block(double* r, int64_t n, const Stages<double>& s, const double* w) { adjoint_rows(r, n, s, w); }

std::vector<int> radices(int64_t n) {
  std::vector<int> found;
  for (int r : {5, 3, 4, 2})
    for (; n % r == 0; n /= r) found.push_back(r);
  return n == 1 ? found : std::vector<int>{};
}

}  // namespace

template <class T>
bool RealFft<T>::supports(int64_t n) {
  return n >= 4 && n % 2 == 0 && !radices(n / 2).empty();
}

template <class T>
const RealFft<T>& RealFft<T>::plan(int64_t n) {
  return cached_plan<RealFft<T>>(n);
}

template <class T>
RealFft<T>::RealFft(int64_t n) : n_(n), slot_(n), split_(n) {
  const int64_t half = n / 2;
  const double turn = -2 * std::numbers::pi;
  int64_t span = 1;
  for (int r : radices(half)) {
    std::vector<T>& w = twiddles_.emplace_back();
    for (int64_t k = 0; k < span; ++k)
      for (int q = 1; q < r; ++q) {
        const double angle = turn * static_cast<double>(q * k) / static_cast<double>(r * span);
        w.push_back(static_cast<T>(std::cos(angle))), w.push_back(static_cast<T>(std::sin(angle)));
      }
    stages_.push_back({r, span, w.data()});
    span *= r;
  }
  for (int64_t k = 0; k < half; ++k) {
    const double angle = turn * static_cast<double>(k) / static_cast<double>(n);
    split_[2 * k] = static_cast<T>(std::cos(angle)), split_[2 * k + 1] = static_cast<T>(std::sin(angle));
    // The last stage joins the transforms of every radix-th number, each of which is ordered in the same way.
    int64_t rest = k, position = 0, length = half;
    for (auto s = stages_.rbegin(); s != stages_.rend(); ++s) {
      length /= s->radix;
      position += rest % s->radix * length;
      rest /= s->radix;
    }
    slot_[2 * k] = static_cast<int32_t>(2 * position), slot_[2 * k + 1] = static_cast<int32_t>(2 * position + 1);
  }
}

template <class T>
void RealFft<T>::forward(T* block) const { forward_block(block, n_ / 2, stages_, split_.data()); }
template <class T>
void RealFft<T>::adjoint(T* block) const { adjoint_block(block, n_ / 2, stages_, split_.data()); }

template class RealFft<float>;
template class RealFft<double>;

}  // namespace a2s
