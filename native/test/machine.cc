// What this machine can do at most, measured: the rate of independent FMAs, and of reading and copying memory.
#include <algorithm>
#include <chrono>

#include "core/cpu.h"
#include "core/simd.h"
#include "test/bench.h"
#include "test/test.h"

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
  const int64_t tasks = 16 * pool.threads();
  const double time = seconds([&] { pool.run(tasks, [&](int64_t) { sink = chains(0.5f, 0.25f); }); });
  return 2.0 * lanes * kChains * kFmaSteps * static_cast<double>(tasks) / time / 1e9;
}

double memory_gbs(Pool& pool, int64_t bytes) {
  ScratchScope scope(test_scratch());
  const int64_t n = bytes / 16 * 2, half = n / 2, grain = std::max<int64_t>(1 << 12, n / (16 * pool.threads()));
  int64_t* x = test_scratch().alloc<int64_t>(n);
  const int64_t turns = std::max<int64_t>(1, (int64_t{64} << 20) / bytes);
  auto rate = [&](auto&& body) {
    body();
    return 8.0 * static_cast<double>(n * turns) / seconds([&] { for (int64_t i = 0; i < turns; ++i) body(); }) / 1e9;
  };
  std::memset(x, 1, static_cast<size_t>(8 * n));
  const double copy = rate([&] {
    pool.ranges(half, grain, [&](int64_t b, int64_t e) { std::memcpy(x + half + b, x + b, static_cast<size_t>(8 * (e - b))); });
  });
  const double read = rate([&] { pool.ranges(n, grain, [&](int64_t b, int64_t e) { sink = static_cast<float>(sum_of(x + b, e - b)); }); });
  return std::max(read, copy);
}

}  // namespace a2s::test
