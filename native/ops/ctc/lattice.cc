#include "ops/ctc/lattice.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/math.h"

namespace a2s {
namespace {

// Far below any sum of scores, and still a number: differences of impossible states stay defined.
constexpr double kImpossible = -1e30;
constexpr int64_t kPad = 2;  // impossible states before the first and after the last

/** out[s] = log(e^a[s] + e^b[s] + e^(c[s] + skip[s])) + emission[s] */
template <class T>
A2S_INLINE void combine(const double* a, const double* b, const double* c, const double* skip, const T* emission,
                        double* out, int64_t states) {
#pragma omp simd
  for (int64_t s = 0; s < states; ++s) {
    const double x = a[s], y = b[s], z = c[s] + skip[s];
    double top = y > x ? y : x;
    top = z > top ? z : top;
    const T sum =
        math::exp(static_cast<T>(x - top)) + math::exp(static_cast<T>(y - top)) + math::exp(static_cast<T>(z - top));
    out[s] = top + static_cast<double>(math::log(sum)) + static_cast<double>(emission[s]);
  }
}
template <class T>
A2S_INLINE void posteriors(const double* before, const double* after, double loss, T* out, int64_t states) {
#pragma omp simd
  for (int64_t s = 0; s < states; ++s) out[s] = math::exp(static_cast<T>(before[s] + after[s] + loss));
}

A2S_CLONES void step(const double* a, const double* b, const double* c, const double* skip, const float* emission,
                     double* out, int64_t states) {
  combine(a, b, c, skip, emission, out, states);
}
void step(const double* a, const double* b, const double* c, const double* skip, const double* emission, double* out,
          int64_t states) {
  combine(a, b, c, skip, emission, out, states);
}
A2S_CLONES void gather(const double* before, const double* after, double loss, float* out, int64_t states) {
  posteriors(before, after, loss, out, states);
}
void gather(const double* before, const double* after, double loss, double* out, int64_t states) {
  posteriors(before, after, loss, out, states);
}

int64_t stride(int64_t states) { return states + 2 * kPad; }

/** emission[s] of frame t. */
template <class T>
void emit(const Lattice<T>& l, int64_t t, T* emission) {
  const T* row = l.scores + t * l.width;
  auto bounded = [&](T score) {
    const T e = score - l.lse[t];
    return e < static_cast<T>(kImpossible) ? static_cast<T>(kImpossible) : e;  // -inf; NaN stays
  };
  const T blank = bounded(l.blank < 0 ? l.blank_score : row[l.blank]);
  for (int64_t u = 0; u < l.labels; ++u) emission[2 * u] = blank, emission[2 * u + 1] = bounded(row[l.column(u)]);
  emission[2 * l.labels] = blank;
}

template <class T>
double sum_paths(const Lattice<T>& l, const LatticeMemory<T>& m) {
  const int64_t S = l.states(), width = stride(S);
  if (l.frames == 0) return l.labels == 0 ? 0 : std::numeric_limits<double>::infinity();
  std::fill_n(m.skips, width, kImpossible);
  for (int64_t u = 1; u < l.labels; ++u)
    if (l.column(u) != l.column(u - 1)) m.skips[2 * u + 1] = 0;
  auto row = [&](int64_t t) { return m.paths + t % m.rows * width + kPad; };
  for (int64_t t = 0; t < std::min(m.rows, l.frames); ++t) std::fill_n(row(t) - kPad, width, kImpossible);
  emit(l, 0, m.emission);
  for (int64_t s = 0; s < std::min<int64_t>(2, S); ++s) row(0)[s] = m.emission[s];
  for (int64_t t = 1; t < l.frames; ++t) {
    const double* p = row(t - 1);
    emit(l, t, m.emission);
    step(p, p - 1, p - 2, m.skips, m.emission, row(t), S);
  }
  const double *end = row(l.frames - 1) + S, last = end[-1], before = end[-2];  // before: padding when S is 1
  const double top = std::max(last, before), total = top + std::log(std::exp(last - top) + std::exp(before - top));
  return total < kImpossible / 2 ? std::numeric_limits<double>::infinity() : -total;
}

template <class T>
void subtract(const Lattice<T>& l, double loss, T scale, T* d, const LatticeMemory<T>& m) {
  const int64_t S = l.states(), width = stride(S);
  // Two rows: `after` is the log-probability of all that follows a state, `entered` that of entering the state next.
  double *after = m.work + kPad, *entered = after + width;
  std::fill_n(m.work, 2 * width, kImpossible);
  after[S - 1] = 0;
  if (S > 1) after[S - 2] = 0;
  for (int64_t t = l.frames - 1; t >= 0; --t) {
    gather(m.paths + t * width + kPad, after, loss, m.posterior, S);
    T* row = d + t * l.width;
    for (int64_t s = 0; s < S; ++s) {
      if (s % 2) row[l.column(s / 2)] -= scale * m.posterior[s];
      else if (l.blank >= 0) row[l.blank] -= scale * m.posterior[s];
    }
    if (t == 0) break;
    emit(l, t, m.emission);
    for (int64_t s = 0; s < S; ++s) entered[s] = after[s] + static_cast<double>(m.emission[s]);
    std::fill_n(m.emission, S, T(0));
    step(entered, entered + 1, entered + 2, m.skips + 2, m.emission, after, S);
  }
}

}  // namespace

template <class T>
LatticeMemory<T>::LatticeMemory(const Call& c, int64_t rows, int64_t labels) : rows(rows) {
  const int64_t states = 2 * labels + 1, width = stride(states);
  paths = c.scratch<double>(rows * width);
  work = c.scratch<double>(2 * width);
  skips = c.scratch<double>(width);
  emission = c.scratch<T>(states);
  posterior = c.scratch<T>(states);
}
template struct LatticeMemory<float>;
template struct LatticeMemory<double>;

double alignment_loss(const Lattice<float>& l, const LatticeMemory<float>& m) { return sum_paths(l, m); }
double alignment_loss(const Lattice<double>& l, const LatticeMemory<double>& m) { return sum_paths(l, m); }
void subtract_posteriors(const Lattice<float>& l, double loss, float scale, float* d, const LatticeMemory<float>& m) {
  subtract(l, loss, scale, d, m);
}
void subtract_posteriors(const Lattice<double>& l, double loss, double scale, double* d,
                         const LatticeMemory<double>& m) {
  subtract(l, loss, scale, d, m);
}

}  // namespace a2s
