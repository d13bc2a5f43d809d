// Time of one parallel region of 200 us: back to back, after the workers slept, and beside a busy process on the same
// CPUs, in turns with the same work done serially. Ideal is the work divided by the threads. JSON lines.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

#include "test/bench.h"
#include "test/test.h"

namespace a2s::test {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double kRegionUs = 200;
constexpr int64_t kChunks = 16;

/** A chain of dependent operations: its length is its time. */
volatile double sink;
void work(int64_t steps) {
  double x = 1;
  for (int64_t i = 0; i < steps; ++i) x = x * 0.999 + 0.5;
  sink = x;
}

template <class F>
double microseconds(F&& body) {
  const auto start = Clock::now();
  body();
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

struct Times {
  std::vector<double> us;
  double at(double quantile) {
    std::sort(us.begin(), us.end());
    return us[static_cast<size_t>(quantile * static_cast<double>(us.size() - 1))];
  }
  double mean() const {
    double sum = 0;
    for (double t : us) sum += t;
    return sum / static_cast<double>(us.size());
  }
};

void measure(const char* name, int rounds, double pause_us, int64_t steps) {
  Times serial, parallel;
  auto idle = [&] {
    if (pause_us > 0) std::this_thread::sleep_for(std::chrono::duration<double, std::micro>(pause_us));
  };
  for (int block = 0; block < 10; ++block) {
    for (int i = 0; i < rounds / 10; ++i) {
      idle();
      serial.us.push_back(microseconds([&] { work(steps * kChunks); }));
    }
    for (int i = 0; i < rounds / 10; ++i) {
      idle();
      parallel.us.push_back(microseconds([&] { test_pool().run(kChunks, [&](int64_t) { work(steps); }); }));
    }
  }
  std::printf(
      "{\"bench\":\"pool\",\"case\":\"%s\",\"threads\":%d,\"serial_us\":%.1f,\"serial_mean_us\":%.1f,\"serial_p99_us\":%.1f,"
      "\"us\":%.1f,\"mean_us\":%.1f,\"p99_us\":%.1f}\n",
      name, test_pool().threads(), serial.at(0.5), serial.mean(), serial.at(0.99), parallel.at(0.5), parallel.mean(), parallel.at(0.99));
}

}  // namespace

void bench_pool() {
  constexpr int64_t kProbe = 1 << 20;
  double fastest = HUGE_VAL;
  for (int i = 0; i < 20; ++i) fastest = std::min(fastest, microseconds([] { work(kProbe); }));
  const int64_t steps = static_cast<int64_t>(static_cast<double>(kProbe) / fastest * kRegionUs / kChunks);
  measure("back to back", 2000, 0, steps);
  measure("after 200 us idle", 1000, 200, steps);
  measure("after 20 ms idle", 100, 20000, steps);
  std::atomic<bool> stop{false};
  std::thread neighbour([&] {
    while (!stop) work(1000);
  });
  measure("busy neighbour", 2000, 0, steps);
  measure("busy neighbour, 2 ms", 300, 0, steps * 10);
  stop = true;
  neighbour.join();
}

}  // namespace a2s::test
