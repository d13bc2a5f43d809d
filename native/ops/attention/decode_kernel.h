// The f32 kernels of decode_attention, compiled once per instruction set. The cache of a whole batch comes from the third level or
// from memory, so that bytes decide: of bf16 half are read, and widened in registers.
#pragma once
#include <utility>

#include "ops/attention/head.h"
#include "ops/attention/vectors.h"

namespace a2s::attention {
namespace {

A2S_INLINE Vec load(const Bf16* p) {
  typedef Bf16 Halves __attribute__((vector_size(kBytes / 2), aligned(2), may_alias));
  const Bits bits = __builtin_convertvector(*reinterpret_cast<const Halves*>(p), Bits) << 16;
  Vec x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

A2S_INLINE float number(float kept) { return kept; }
A2S_INLINE float number(Bf16 kept) { return widened(kept); }

/** Lane i of a and lane i ^ s of a, added; of b instead where i has bit s. */
template <int s, size_t... i>
A2S_INLINE Vec join(Vec a, Vec b, std::index_sequence<i...>) {
  return __builtin_shufflevector(a, b, (i & s ? kLanes + i : i)...) + __builtin_shufflevector(a, b, ((i & s ? kLanes : 0) + (i ^ s))...);
}

/** Lane i: the sum of all lanes of part(j + i), i < kCount; other lanes are of no use before all are joined. */
template <int kCount, class Part>
A2S_INLINE Vec sums(int64_t j, const Part& part) {
  if constexpr (kCount == 1) {
    return part(j);
  } else {
    const Vec low = sums<kCount / 2>(j, part), high = sums<kCount / 2>(j + kCount / 2, part);
    return join<kCount / 2>(low, high, std::make_index_sequence<kLanes>{});
  }
}

/** Of a width of whole vectors: the query and sums of values are kept in registers. */
template <int kVectors, class Kept>
void decode_vectors(const DecodeHead<Kept>& h) {
  constexpr int64_t D = kVectors * kLanes, kLine = 64 / sizeof(Kept);
  constexpr int kWays = kVectors < 8 ? 8 / kVectors : 1;  // sums side by side: one alone would wait for itself
  const int64_t n = h.prefix.count + h.own.count;
  const float scale = 1 / std::sqrt(static_cast<float>(D));
  Vec q[kVectors];
  for (int i = 0; i < kVectors; ++i) q[i] = load(h.q + i * kLanes) * scale;
  // Keys are fetched ahead and the values meanwhile, then the next sample's keys while values are read.
  auto fetch = [](const Kept* row) {
    for (int64_t d = 0; d < D; d += kLine) __builtin_prefetch(row + d);
  };
  auto score = [&](int64_t j) {
    fetch(h.key(j + kLanes, D)), fetch(h.value(j, D));
    const Kept* key = h.key(j, D);
    Vec s = q[0] * load(key);
    for (int i = 1; i < kVectors; ++i) s += q[i] * load(key + i * kLanes);
    return s;
  };
  Vec tops = Vec{} - HUGE_VALF;
  for (int64_t j = 0; j < n; j += kLanes) {  // keys beyond the last are the last
    const Vec s = sums<kLanes>(j, score);
    tops = tops > s ? tops : s;
    store(h.p + j, s);
  }
  const float top = reduce<kLanes>(tops, [](auto a, auto b) { return a > b ? a : b; });
  const int64_t all = round_up(n, kLanes);
  for (int64_t j = n; j < all; ++j) h.p[j] = -HUGE_VALF;
  const float share = 1 / row_exp(h.p, all, top, h.p);
  Vec sum[kWays][kVectors] = {};
  auto add = [&](int64_t j, Vec* to) {
    const Kept* value = h.value(j, D);
    for (int i = 0; i < kVectors; ++i) to[i] += h.p[j] * load(value + i * kLanes);
  };
  int64_t j = 0;
  for (; j + kWays <= n; j += kWays)
#pragma GCC unroll 8
    for (int w = 0; w < kWays; ++w) {
      if (const int64_t own = j + w - h.prefix.count; own >= 0) fetch(h.next + own * D);
      add(j + w, sum[w]);
    }
  for (int w = 0; j < n; ++j, ++w) add(j, sum[w]);
  for (int i = 0; i < kVectors; ++i) {
    for (int w = 1; w < kWays; ++w) sum[0][i] += sum[w][i];
    store(h.y + i * kLanes, sum[0][i] * share);
  }
}

template <class Kept>
void decode_any(const DecodeHead<Kept>& h) {
  const int64_t D = h.width, n = h.prefix.count + h.own.count;
  const float scale = 1 / std::sqrt(static_cast<float>(D));
  float top = -HUGE_VALF, sum = 0;
  for (int64_t j = 0; j < n; ++j) {
    const Kept* key = h.key(j, D);
    float s = 0;
#pragma omp simd reduction(+ : s)
    for (int64_t d = 0; d < D; ++d) s += h.q[d] * number(key[d]);
    h.p[j] = s * scale;
    top = h.p[j] > top ? h.p[j] : top;
  }
  for (int64_t d = 0; d < D; ++d) h.y[d] = 0;
  for (int64_t j = 0; j < n; ++j) {
    const float weight = math::exp_down(h.p[j] - top);
    const Kept* value = h.value(j, D);
    sum += weight;
    for (int64_t d = 0; d < D; ++d) h.y[d] += weight * number(value[d]);
  }
  for (int64_t d = 0; d < D; ++d) h.y[d] /= sum;
}

template <class Kept>
void decode(const DecodeHead<Kept>& h) {
  switch (h.width) {
    case 16: return decode_vectors<16 / kLanes>(h);
    case 32: return decode_vectors<32 / kLanes>(h);
    case 64: return decode_vectors<64 / kLanes>(h);
    case 128: return decode_vectors<128 / kLanes>(h);
    default: return decode_any(h);
  }
}

}  // namespace
}  // namespace a2s::attention
