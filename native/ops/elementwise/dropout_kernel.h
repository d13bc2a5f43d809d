// Philox on every lane of a vector; compiled once per instruction set. Everything here is in an unnamed namespace: a copy
// shared between translation units would run AVX-512 on a CPU without it.
#pragma once
#include <cstring>
#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include "ops/elementwise/dropout_mask.h"

namespace a2s::dropout_detail {

using Factors = void (*)(const DropoutMask& mask, uint64_t sample, uint64_t first, int64_t n, float* out);
extern const Factors kBaseline, kAvx2, kAvx512;

namespace {

constexpr int kBytes = kVectorBytes;
constexpr int kLanes = kBytes / 8;  // one 64-bit lane a Philox call
constexpr int kBlock = 4 * kLanes;  // words a vector call
typedef uint64_t Lanes __attribute__((vector_size(kBytes)));

/** Product of the low halves; the high halves of both factors may hold anything. */
inline Lanes multiply(Lanes a, Lanes b) {
#if defined(__AVX512F__)
  return (Lanes)_mm512_maskz_mul_epu32(0xFF, (__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
  return (Lanes)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
  return (Lanes)_mm_mul_epu32((__m128i)a, (__m128i)b);
#else
  return (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu);
#endif
}

/** Rng::words of positions first .. first + kLanes - 1, in order. */
inline void block_words(const Rng& rng, uint64_t sample, uint64_t first, uint32_t* out) {
  Lanes index;
  for (int l = 0; l < kLanes; ++l) index[l] = l;
  const Lanes zero{}, position = index + first, low = zero + 0xFFFFFFFFu;
  const Lanes m0 = zero + 0xD2511F53u, m1 = zero + 0xCD9E8D57u;
  Lanes c0 = position, c1 = position >> 32, c2 = zero + sample, c3 = (c2 >> 32) ^ (zero + rng.stream * 0x85EBCA6Bu);
  uint32_t k0 = static_cast<uint32_t>(rng.seed), k1 = static_cast<uint32_t>(rng.seed >> 32);
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
    const Lanes p0 = multiply(c0, m0), p1 = multiply(c2, m1);
    c0 = (p1 >> 32) ^ c1 ^ (zero + k0), c1 = p1;
    c2 = (p0 >> 32) ^ c3 ^ (zero + k1), c3 = p0;
    k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
  }
  const Lanes first_two = (c0 & low) | c1 << 32, last_two = (c2 & low) | c3 << 32;
  uint64_t a[kLanes], b[kLanes], pairs[2 * kLanes];
  std::memcpy(a, &first_two, kBytes), std::memcpy(b, &last_two, kBytes);
  for (int l = 0; l < kLanes; ++l) pairs[2 * l] = a[l], pairs[2 * l + 1] = b[l];
  std::memcpy(out, pairs, sizeof pairs);
}

void factors(const DropoutMask& mask, uint64_t sample, uint64_t first, int64_t n, float* out) {
  const uint32_t threshold = mask.threshold;
  const float kept = static_cast<float>(mask.kept);
  constexpr int64_t kBuffer = 8 * kBlock;
  uint32_t words[kBuffer];
  for (int64_t done = 0; done < n;) {
    const uint64_t e = first + done;
    const int64_t skip = e % 4, left = n - done + skip, count = (left < kBuffer ? left : kBuffer) - skip;
    for (int64_t w = 0; w < skip + count; w += kBlock) block_words(mask.rng, sample, (e + w) / 4, words + w);
    for (int64_t i = 0; i < count; ++i) out[done + i] = words[skip + i] >= threshold ? kept : 0.f;
    done += count;
  }
}

}  // namespace
}  // namespace a2s::dropout_detail
