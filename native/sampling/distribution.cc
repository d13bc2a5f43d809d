#include "sampling/distribution.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/math.h"
#include "sampling/bisection.h"

namespace a2s {
namespace {

// Everything below is inlined into the clones at the end of the file.

template <class T>
constexpr T kInf = std::numeric_limits<T>::infinity();

/** Least and greatest of the elements above -inf. */
template <class T>
struct Range {
  T bottom, top;
  /** Some element is finite, none NaN or +inf. */
  bool valid() const { return std::fabs(top) < kInf<T>; }
};
template <class T>
A2S_INLINE Range<T> range_of(const T* z, int64_t V) {
  T top = -kInf<T>, bottom = kInf<T>;
  int32_t bad = 0;
#pragma omp simd reduction(max : top) reduction(min : bottom) reduction(| : bad)
  for (int64_t i = 0; i < V; ++i) {
    top = z[i] > top ? z[i] : top;
    bottom = z[i] < bottom && z[i] > -kInf<T> ? z[i] : bottom;
    bad |= !(z[i] < kInf<T>);
  }
  return {bottom, bad ? std::numeric_limits<T>::quiet_NaN() : top};
}

/** How many elements are >= t, and their weight. */
template <class T>
struct Tail {
  Key<T> count;
  T mass;
};
template <class T>
A2S_INLINE Key<T> count_from(const T* z, int64_t V, T t) {
  Key<T> count = 0;
#pragma omp simd reduction(+ : count)
  for (int64_t i = 0; i < V; ++i) count += z[i] >= t;
  return count;
}
template <class T>
A2S_INLINE Tail<T> tail_from(const T* z, const T* w, int64_t V, T t) {
  Key<T> count = 0;
  T mass = 0;
#pragma omp simd reduction(+ : count, mass)
  for (int64_t i = 0; i < V; ++i) {
    count += z[i] >= t;
    mass += z[i] >= t ? w[i] : T(0);
  }
  return {count, mass};
}

// Selection by bisection: each step is one vectorised pass, and it ends as soon as the kept set is known, after about a
// dozen of them. No copy, no order of elements, exact.

/** A limit that keeps the k largest elements and what ties with them; all finite ones when there are no more than k. */
template <class T>
A2S_INLINE T kth_largest(const T* z, int64_t V, int64_t k, Range<T> range) {
  auto b = Bisection<T>::from_to(range.bottom, range.top);
  while (b.open()) {
    const T mid = b.middle();
    const Key<T> count = count_from(z, V, mid);
    (count >= k ? b.low : b.high) = mid;
    if (count == k) break;
  }
  return b.low;
}

/** The highest limit >= from whose elements weigh at least `target` together. */
template <class T>
A2S_INLINE T heaviest(const T* z, const T* w, int64_t V, T from, T top, T target) {
  auto b = Bisection<T>::from_to(from, top);
  Key<T> inside = static_cast<Key<T>>(V), above = 0;  // elements >= low, >= high
  while (b.open() && inside - above > 1) {
    const T mid = b.middle();
    const Tail<T> tail = tail_from(z, w, V, mid);
    if (tail.mass >= target) b.low = mid, inside = tail.count;
    else b.high = mid, above = tail.count;
  }
  return b.low;
}

/** z = logits / temperature, -inf where forbidden. Returns the largest, passing over NaN. */
template <class T>
A2S_INLINE T scale(const T* logits, T* z, int64_t V, const SamplingRule& rule) {
  const T inverse = static_cast<T>(1 / rule.temperature);
  const int32_t* allowed = rule.allowed;
  T top = -kInf<T>;
  if (allowed) {
#pragma omp simd reduction(max : top)
    for (int64_t i = 0; i < V; ++i) {
      const T x = allowed[i] ? logits[i] * inverse : -kInf<T>;
      z[i] = x;
      top = x > top ? x : top;
    }
  } else {
#pragma omp simd reduction(max : top)
    for (int64_t i = 0; i < V; ++i) {
      const T x = logits[i] * inverse;
      z[i] = x;
      top = x > top ? x : top;
    }
  }
  return top;
}

/** Every id takes part: weights and both sums in one pass. */
template <class T>
A2S_INLINE Distribution<T> describe_all(const T* z, T* w, int64_t V, T top) {
  T sum = 0, moment = 0;
#pragma omp simd reduction(+ : sum, moment)
  for (int64_t i = 0; i < V; ++i) {
    // NaN where z is, or without a finite top, and then in the sums.
    const T d = z[i] - top, e = math::exp_down(d);
    w[i] = e;
    sum += e;
    moment += e > 0 ? e * d : T(0);  // 0 * inf is nothing
  }
  const T log_sum = std::log(sum);
  return {std::numeric_limits<T>::lowest(), top + log_sum, log_sum - moment / sum, top, sum};
}

template <class T>
A2S_INLINE Distribution<T> describe_kept(const T* z, T* w, int64_t V, const SamplingRule& rule) {
  const Range<T> range = range_of(z, V);
  const T top = range.top;
  if (!range.valid()) {
    const T nan = std::numeric_limits<T>::quiet_NaN();
    return {nan, nan, nan, nan, nan};
  }
  T cutoff = range.bottom;
  if (rule.top_k > 0 && rule.top_k < V) cutoff = kth_largest(z, V, rule.top_k, range);
  T total = 0;
#pragma omp simd reduction(+ : total)
  for (int64_t i = 0; i < V; ++i) {
    w[i] = z[i] >= cutoff ? math::exp(z[i] - top) : T(0);
    total += w[i];
  }
  if (rule.top_p < 1) {
    cutoff = heaviest(z, w, V, cutoff, top, static_cast<T>(rule.top_p) * total);
    for (int64_t i = 0; i < V; ++i) w[i] = z[i] >= cutoff ? w[i] : T(0);
  }
  T sum = 0, moment = 0;
#pragma omp simd reduction(+ : sum, moment)
  for (int64_t i = 0; i < V; ++i) {
    sum += w[i];
    moment += w[i] > 0 ? w[i] * (z[i] - top) : T(0);
  }
  const T log_sum = std::log(sum);
  return {cutoff, top + log_sum, log_sum - moment / sum, top, sum};
}

template <class T>
A2S_INLINE Distribution<T> describe(const T* logits, T* z, T* w, int64_t V, const SamplingRule& rule) {
  const T top = scale(logits, z, V, rule);
  return rule.truncates(V) ? describe_kept(z, w, V, rule) : describe_all(z, w, V, top);
}

template <class T>
A2S_INLINE void mix(T* z, const T* uncond, double guidance, int64_t V) {
  const T g = static_cast<T>(guidance), h = static_cast<T>(1 - guidance);
  for (int64_t i = 0; i < V; ++i) z[i] = g * z[i] + h * uncond[i];
}

/** Sums run in blocks, so that most of the row is added in vectors and one block is walked element by element. */
template <class T>
A2S_INLINE int64_t invert(const T* w, int64_t V, double u) {
  constexpr int64_t kBlock = 64;
  auto block_sum = [&](int64_t begin) {
    const int64_t end = std::min(begin + kBlock, V);
    T sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = begin; i < end; ++i) sum += w[i];
    return static_cast<double>(sum);
  };
  double total = 0, below = 0;
  for (int64_t b = 0; b < V; b += kBlock) total += block_sum(b);
  const double target = u * total;
  int64_t b = 0, last = 0;  // last: the final block with any weight, should rounding hide the target from all of them
  for (; b < V; b += kBlock) {
    const double sum = block_sum(b);
    if (sum > 0) last = b;
    if (below + sum > target) break;
    below += sum;
  }
  if (b >= V) b = last;
  int64_t chosen = -1;
  for (int64_t i = b; i < std::min(b + kBlock, V); ++i) {
    if (!(w[i] > 0)) continue;
    chosen = i;
    below += w[i];
    if (below > target) break;
  }
  return chosen;
}

template <class T>
A2S_INLINE int64_t position(const T* z, int64_t V, T value) {
  constexpr int64_t kBlock = 64;
  int64_t begin = 0;
  for (; begin + kBlock <= V; begin += kBlock) {
    int32_t found = 0;
#pragma omp simd reduction(| : found)
    for (int64_t i = begin; i < begin + kBlock; ++i) found |= z[i] == value;
    if (found) break;
  }
  while (begin < V && z[begin] != value) ++begin;
  return begin;
}

}  // namespace

A2S_CLONES void guide(float* z, const float* uncond, double g, int64_t V) { mix(z, uncond, g, V); }
void guide(double* z, const double* uncond, double g, int64_t V) { mix(z, uncond, g, V); }

A2S_CLONES void scale_logits(float* z, int64_t V, const SamplingRule& rule) { scale(z, z, V, rule); }
void scale_logits(double* z, int64_t V, const SamplingRule& rule) { scale(z, z, V, rule); }

A2S_CLONES Distribution<float> distribution_of(const float* logits, float* z, float* w, int64_t V, const SamplingRule& rule) {
  return describe(logits, z, w, V, rule);
}
Distribution<double> distribution_of(const double* logits, double* z, double* w, int64_t V, const SamplingRule& rule) {
  return describe(logits, z, w, V, rule);
}

A2S_CLONES int64_t draw(const float* w, int64_t V, double u) { return invert(w, V, u); }
int64_t draw(const double* w, int64_t V, double u) { return invert(w, V, u); }

A2S_CLONES int64_t find(const float* z, int64_t V, float value) { return position(z, V, value); }
int64_t find(const double* z, int64_t V, double value) { return position(z, V, value); }

}  // namespace a2s
