// Finding a limit among numbers by halving an interval: exact, without an order of the numbers and without a copy. The CPU
// and GPUs take the same steps (what is constexpr runs on both), so they keep the same numbers.
#pragma once
#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "core/simd.h"

namespace a2s {

/** Integers in the order of the floating-point numbers they stand for. */
template <class T>
using Key = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
/** Its own inverse. */
template <class I>
A2S_INLINE constexpr I fold(I bits) {
  return bits ^ ((bits >> (8 * sizeof(I) - 1)) & std::numeric_limits<I>::max());
}
template <class T>
A2S_INLINE constexpr Key<T> key_of(T x) {
  return fold(std::bit_cast<Key<T>>(x));
}
template <class T>
A2S_INLINE constexpr T from_key(Key<T> key) {
  return std::bit_cast<T>(fold(key));
}
/** Rounded down, without overflow. */
template <class I>
A2S_INLINE constexpr I midpoint(I low, I high) {
  return (low & high) + ((low ^ high) >> 1);
}

/** The limit is in [low, high). */
template <class T>
struct Bisection {
  T low, high;
  int steps = 0;

  /** The least interval that holds every limit from `low` to `top`. */
  static A2S_INLINE constexpr Bisection from_to(T low, T top) { return {low, from_key<T>(key_of(top) + 1)}; }
  A2S_INLINE constexpr bool open() const { return key_of(high) - 1 > key_of(low); }
  /** Where to look next: first halfway by value, which is fastest on logits, then by representable numbers, which ends. */
  A2S_INLINE constexpr T middle() {
    if (++steps < 16) {
      const T mid = low + (high - low) / 2;
      if (low < mid && mid < high) return mid;
    }
    return from_key<T>(midpoint(key_of(low), key_of(high)));
  }
};

}  // namespace a2s
