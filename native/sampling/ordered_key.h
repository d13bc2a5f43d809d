// Integers in the order of the floating-point numbers they stand for, so that a limit among numbers can be bisected: a step
// halves how many are left, whatever their size. constexpr, and so also for GPUs.
#pragma once
#include <bit>
#include <cstdint>
#include <limits>
#include <type_traits>

#include "core/simd.h"

namespace a2s {

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

}  // namespace a2s
