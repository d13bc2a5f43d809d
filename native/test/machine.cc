// What this machine can do at most, measured: the rate of independent FMAs, and of reading and copying memory.
#include <algorithm>
#include <chrono>

#include "core/cpu.h"
#include "core/simd.h"
#include "test/bench.h"
#include "test/test.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace a2s::test {
namespace {

template <class F>
double seconds(F&& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Independent chains of FMAs, one a register. A macro, because a template is lowered to the baseline's vectors before it
// is inlined into a function for another instruction set.
constexpr int kChains = 12;
constexpr int64_t kFmaSteps = 100000;
#define A2S_FMA_CHAINS(name, bytes, ...)                               \
  __VA_ARGS__ float name(float scale, float shift) {                   \
    typedef float V __attribute__((vector_size(bytes)));               \
    V sum[kChains] = {};                                               \
    for (int64_t i = 0; i < kFmaSteps; ++i)                            \
      _Pragma("GCC unroll 12") for (int j = 0; j < kChains; ++j)       \
        sum[j] = sum[j] * scale + (shift + static_cast<float>(j));     \
    V total = {};                                                      \
    for (V s : sum) total += s;                                        \
    return total[0];                                                   \
  }
#if defined(__x86_64__)
A2S_FMA_CHAINS(fma_baseline, 16)
A2S_FMA_CHAINS(fma_avx2, 32, __attribute__((target("avx2,fma"))))
A2S_FMA_CHAINS(fma_avx512, 64, __attribute__((target("avx512f,fma"))))
#else
A2S_FMA_CHAINS(fma_baseline, 16)
#endif
volatile float sink;

#if defined(__x86_64__)
/** The same chains of pairs of bf16. */
__attribute__((target("avx512f,avx512bf16"))) float bf16_chains() {
  __m512 sum[kChains] = {};
  const auto x = (__m512bh)_mm512_set1_epi32(0x3f003f00), y = (__m512bh)_mm512_set1_epi32(0x3e803e80);
  for (int64_t i = 0; i < kFmaSteps; ++i)
    _Pragma("GCC unroll 12") for (int j = 0; j < kChains; ++j) sum[j] = _mm512_dpbf16_ps(sum[j], x, y);
  __m512 total = sum[0];
  for (int j = 1; j < kChains; ++j) total = total + sum[j];
  return total[0];
}

/** Products of 16 x 32 and 32 x 16 bf16 in each of four tiles. */
constexpr int64_t kTileSteps = 20000;
constexpr double kTileFlops = 2.0 * 16 * 16 * 32;
__attribute__((target("amx-tile,amx-bf16"))) float tile_chains() {
  struct alignas(64) {
    uint8_t palette = 1, rest[15] = {};
    uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
    uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
  } shapes;
  alignas(64) float block[16 * 16] = {};
  _tile_loadconfig(&shapes);
  _tile_loadd(4, block, 64);
  _tile_loadd(5, block, 64);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  for (int64_t i = 0; i < kTileSteps; ++i) {
    _tile_dpbf16ps(0, 4, 5);
    _tile_dpbf16ps(1, 4, 5);
    _tile_dpbf16ps(2, 4, 5);
    _tile_dpbf16ps(3, 4, 5);
  }
  _tile_stored(0, block, 64);
  _tile_release();
  return block[0];
}
#endif

/** GFLOP/s of so many calls of `chains`, which does `flops` each. */
template <class F>
double rate(Pool& pool, double flops, F&& chains) {
  const int64_t tasks = 16 * pool.threads();
  return flops * static_cast<double>(tasks) / seconds([&] { pool.run(tasks, [&](int64_t) { sink = chains(); }); }) / 1e9;
}

A2S_CLONES int64_t sum_of(const int64_t* x, int64_t n) {
  int64_t sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += x[i];
  return sum;
}

}  // namespace

double fma_gflops(Pool& pool) {
  int lanes = 4;
  float (*chains)(float, float) = fma_baseline;
#if defined(__x86_64__)
  if (cpu_isa() >= Isa::avx512) chains = fma_avx512, lanes = 16;
  else if (cpu_isa() >= Isa::avx2) chains = fma_avx2, lanes = 8;
#endif
  return rate(pool, 2.0 * lanes * kChains * kFmaSteps, [&] { return chains(0.5f, 0.25f); });
}

double bf16_gflops(Pool& pool) {
#if defined(__x86_64__)
  if (cpu_isa() == Isa::amx) return rate(pool, 4 * kTileFlops * kTileSteps, tile_chains);
  if (cpu_isa() == Isa::avx512bf16) return rate(pool, 4.0 * 16 * kChains * kFmaSteps, bf16_chains);
#endif
  return fma_gflops(pool);
}

double memory_gbs(Pool& pool, int64_t bytes) {
  ScratchScope scope(test_scratch());
  const int64_t n = bytes / 16 * 2, half = n / 2, grain = std::max<int64_t>(1 << 12, n / (16 * pool.threads()));
  int64_t* x = test_scratch().alloc<int64_t>(n);
  const int64_t turns = std::max<int64_t>(1, (int64_t{64} << 20) / bytes);
  auto speed = [&](auto&& body) {
    body();
    return 8.0 * static_cast<double>(n * turns) / seconds([&] { for (int64_t i = 0; i < turns; ++i) body(); }) / 1e9;
  };
  std::memset(x, 1, static_cast<size_t>(8 * n));
  const double copy = speed([&] {
    pool.ranges(half, grain, [&](int64_t b, int64_t e) { std::memcpy(x + half + b, x + b, static_cast<size_t>(8 * (e - b))); });
  });
  const double read = speed([&] { pool.ranges(n, grain, [&](int64_t b, int64_t e) { sink = static_cast<float>(sum_of(x + b, e - b)); }); });
  return std::max(read, copy);
}

}  // namespace a2s::test
