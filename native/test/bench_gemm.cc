// Time of gemm() on the shapes of training and decoding, beside what this machine can do at most: the rate of
// independent FMAs and of reading memory, measured in the same rounds. Shapes take turns within a round, so a busy
// neighbour disturbs all of them; the median over rounds is reported, and the best. JSON lines, then a table on stderr.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <vector>

#include "core/cpu.h"
#include "core/simd.h"
#include "ops/gemm/gemm.h"
#include "test/bench.h"
#include "test/test.h"

namespace a2s::test {
namespace {

double seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double median(std::vector<double> v) {
  std::nth_element(v.begin(), v.begin() + v.size() / 2, v.end());
  return v[v.size() / 2];
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

double peak_gflops(Pool& pool) {
  int lanes = 4;
  float (*chains)(float, float) = fma_baseline;
#if defined(__x86_64__)
  if (cpu_isa() >= Isa::avx512) chains = fma_avx512, lanes = 16;
  else if (cpu_isa() >= Isa::avx2) chains = fma_avx2, lanes = 8;
#endif
  const int64_t tasks = 16 * pool.threads();
  const double start = seconds();
  pool.run(tasks, [&](int64_t) { sink = chains(0.5f, 0.25f); });
  return 2.0 * lanes * kChains * kFmaSteps * static_cast<double>(tasks) / (seconds() - start) / 1e9;
}

A2S_CLONES int64_t sum_of(const int64_t* x, int64_t n) {
  int64_t sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += x[i];
  return sum;
}

double read_gbs(Pool& pool, const float* memory, int64_t n) {
  const double start = seconds();
  pool.ranges(n, 1 << 19, [&](int64_t b, int64_t e) {
    sink = static_cast<float>(sum_of(reinterpret_cast<const int64_t*>(memory + b), (e - b) / 2));
  });
  return 4.0 * static_cast<double>(n) / (seconds() - start) / 1e9;
}

struct Shape {
  const char* form;  // NT: x wᵀ, forward; NN: dy w, gradient of the input; TN: dyᵀ x, gradient of the weight
  int64_t M, N, K;
  bool packed, cold;  // cold: each product uses another copy of the weight, over 144 MB of them
  std::vector<double> rates = {};
};

std::vector<Shape> shapes() {
  std::vector<Shape> all;
  struct Size {
    int64_t N, K;
  };
  const Size square{768, 768}, wide{3072, 768}, deep{768, 3072}, small{256, 256};
  for (bool packed : {true, false}) {
    for (Size s : {small, square, wide, deep})
      for (int64_t M : {1, 12, 24, 96})
        for (bool cold : {false, true}) all.push_back({"NT", M, s.N, s.K, packed, cold});
    all.push_back({"NT", 32, 768, 768, packed, false});
    all.push_back({"NT", 128, 768, 768, packed, false});
    all.push_back({"NT", 2048, 3072, 768, packed, false});
    all.push_back({"NT", 2048, 768, 3072, packed, false});
    all.push_back({"NN", 2048, 768, 768, packed, false});
    all.push_back({"NT", 2048, 512, 128, packed, false});
  }
  all.push_back({"TN", 3072, 768, 2048, false, false});
  all.push_back({"TN", 512, 128, 2048, false, false});
  return all;
}

class Runner {
 public:
  Runner() {
    std::fill_n(weights_, kWeights, 0.01f);
    std::fill_n(x_, kRows, 0.5f);
    std::fill_n(y_, kRows, 0.f);
  }

  /** One sample: GFLOP/s of enough products for about 3 ms. */
  double rate(const Shape& s, Pool& pool) {
    const double flops = 2.0 * static_cast<double>(s.M * s.N * s.K);
    const int64_t size = packed_size<float>(s.K, s.N), copies = s.cold ? kWeights / size : 1;
    const int64_t repeats = std::max<int64_t>(1, static_cast<int64_t>(3e8 / flops));
    Context ctx{pool, test_scratch()};
    const bool transposed = s.form[0] == 'T';
    const Matrix<float> x{x_, transposed ? s.M : s.K, transposed};
    auto product = [&] {
      const int64_t at = next_++ % copies * size;
      if (s.packed) gemm(ctx, s.M, x, Packed<float>{weights_ + at, s.K, s.N}, y_, s.N);
      else if (s.form[1] == 'T') gemm(ctx, s.M, s.N, s.K, x, {weights_ + at, s.K, true}, y_, s.N);
      else gemm(ctx, s.M, s.N, s.K, x, {weights_ + at, s.N}, y_, s.N);
    };
    product();
    const double start = seconds();
    for (int64_t i = 0; i < repeats; ++i) product();
    return flops * static_cast<double>(repeats) / (seconds() - start) / 1e9;
  }
  double read_rate(Pool& pool) { return read_gbs(pool, weights_, kWeights); }

 private:
  static constexpr int64_t kWeights = 36 << 20, kRows = 8 << 20;
  Arena memory_;  // on large pages, as a model's parameters are
  float *weights_ = memory_.alloc<float>(kWeights), *x_ = memory_.alloc<float>(kRows), *y_ = memory_.alloc<float>(kRows);
  int64_t next_ = 0;
};

}  // namespace

void bench_gemm() {
  constexpr int kRounds = 9;
  Runner runner;
  for (int threads : {1, test_pool().threads()}) {
    Pool pool(threads);
    std::vector<Shape> all = shapes();
    std::vector<double> peaks, reads;
    for (int round = 0; round < kRounds; ++round) {
      reads.push_back(runner.read_rate(pool));
      for (size_t i = 0; i < all.size(); ++i) {
        if (i % 8 == 0) peaks.push_back(peak_gflops(pool));
        all[i].rates.push_back(runner.rate(all[i], pool));
      }
    }
    const double peak = *std::max_element(peaks.begin(), peaks.end());
    const double read = *std::max_element(reads.begin(), reads.end());
    std::printf("{\"bench\":\"machine\",\"threads\":%d,\"peak_gflops\":%.1f,\"median_peak_gflops\":%.1f,\"read_gbs\":%.1f}\n", threads, peak,
                median(peaks), read);
    std::fprintf(stderr, "\n%d thread(s): FMA peak %.1f GFLOP/s (median %.1f), memory read %.1f GB/s\n%-4s %5s %5s %5s  %-8s %-4s %9s %6s %9s %6s\n",
                 threads, peak, median(peaks), read, "form", "M", "N", "K", "weights", "", "median", "%", "best", "%");
    for (const Shape& s : all) {
      const double mid = median(s.rates), best = *std::max_element(s.rates.begin(), s.rates.end());
      const char *how = s.packed ? "packed" : "unpacked", *where = s.cold ? "cold" : "hot";
      std::printf("{\"bench\":\"gemm\",\"form\":\"%s\",\"M\":%ld,\"N\":%ld,\"K\":%ld,\"weights\":\"%s\",\"cache\":\"%s\",\"threads\":%d,"
                  "\"gflops\":%.1f,\"best_gflops\":%.1f,\"percent\":%.1f,\"best_percent\":%.1f}\n",
                  s.form, long(s.M), long(s.N), long(s.K), how, where, threads, mid, best, 100 * mid / peak, 100 * best / peak);
      std::fprintf(stderr, "%-4s %5ld %5ld %5ld  %-8s %-4s %9.1f %5.1f%% %9.1f %5.1f%%\n", s.form, long(s.M), long(s.N), long(s.K), how, where,
                   mid, 100 * mid / peak, best, 100 * best / peak);
    }
    std::fflush(stdout);
    if (test_pool().threads() == 1) break;
  }
}

}  // namespace a2s::test
