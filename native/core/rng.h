// Counter-based random numbers: Philox4x32-10 (Salmon et al., SC 2011). A number is a pure function of
// (seed, stream, sample, position), so a sample's randomness does not depend on the batch around it,
// on the order of calls or on the number of threads, and nothing has to be saved but the counters. What is constexpr also
// runs on GPUs.
#pragma once
#include <array>
#include <cmath>
#include <cstdint>

namespace a2s {

/** What a random number is for; keeps streams of one seed apart. */
enum class Stream : uint32_t { init = 1, dropout = 2, sampling = 3, cfg = 4, test = 5, history = 6, codes = 7, own_history = 8, user = 16 };

struct Rng {
  uint64_t seed = 0;
  uint32_t stream = 0;

  /** Four independent 32-bit words for (sample, position). */
  constexpr std::array<uint32_t, 4> words(uint64_t sample, uint64_t position) const {
    uint32_t c0 = static_cast<uint32_t>(position), c1 = static_cast<uint32_t>(position >> 32);
    uint32_t c2 = static_cast<uint32_t>(sample), c3 = static_cast<uint32_t>(sample >> 32) ^ (stream * 0x85EBCA6Bu);
    uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
    for (int round = 0; round < 10; ++round) {
      uint64_t p0 = uint64_t{0xD2511F53u} * c0, p1 = uint64_t{0xCD9E8D57u} * c2;
      uint32_t n0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0, n2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
      c1 = static_cast<uint32_t>(p1), c3 = static_cast<uint32_t>(p0), c0 = n0, c2 = n2;
      k0 += 0x9E3779B9u, k1 += 0xBB67AE85u;
    }
    return {c0, c1, c2, c3};
  }

  /** Uniform in (0, 1), 53 bits, never 0 or 1. */
  constexpr double uniform(uint64_t sample, uint64_t position) const {
    auto w = words(sample, position);
    uint64_t bits = (uint64_t{w[0]} << 21) ^ (w[1] >> 11);
    return (static_cast<double>(bits & ((uint64_t{1} << 53) - 1)) + 0.5) * 0x1p-53;
  }

  /** Standard normal (Box-Muller). */
  double normal(uint64_t sample, uint64_t position) const {
    auto w = words(sample, position);
    double u = (w[0] + 0.5) * 0x1p-32, v = (w[1] + 0.5) * 0x1p-32;
    return std::sqrt(-2 * std::log(u)) * std::cos(6.283185307179586 * v);
  }
};

}  // namespace a2s
