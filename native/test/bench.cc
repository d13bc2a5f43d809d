// Timing of benches: one after the other for whoever works on a kernel, and on request for a driver that takes turns
// with a peer.
#include "test/bench.h"

#include <algorithm>
#include <chrono>
#include <iostream>

#include "test/json.h"
#include "test/op_case.h"

namespace a2s::test {
namespace {

/** Median over calls for at least `ms` milliseconds, three of them at the least, after one that is not counted. */
double median_ms(const std::function<void()>& run, double ms) {
  using Clock = std::chrono::steady_clock;
  auto since = [](Clock::time_point t) { return std::chrono::duration<double, std::milli>(Clock::now() - t).count(); };
  run();
  std::vector<double> times;
  const auto start = Clock::now();
  do {
    const auto t = Clock::now();
    run();
    times.push_back(since(t));
  } while (times.size() < 3 || since(start) < ms);
  std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
  return times[times.size() / 2];
}

std::vector<Bench> benches(const Options& options) {
  std::vector<Bench> all = op_benches(options);
  const auto& names = options.names;
  const bool gemm = names.empty() || std::find(names.begin(), names.end(), "gemm") != names.end();
  if (gemm && options.device == "cpu")
    for (Bench& b : gemm_benches()) all.push_back(std::move(b));
  return all;
}

std::string describe(const std::vector<Bench>& all) {
  std::ostringstream s;
  for (const Bench& b : all)
    s << (s.tellp() ? "," : "{\"benches\":[") << "{\"op\":\"" << b.op << "\",\"name\":\"" << b.name << "\",\"inputs\":" << b.inputs
      << ",\"attrs\":" << b.attrs << ",\"passes\":[\"forward\"" << (b.differentiable ? ",\"backward\"" : "") << "]}";
  return s.str() + "]}";
}

std::string describe_machine() {
  Pool one(1);
  std::ostringstream s;
  s << "{\"threads\":" << test_pool().threads() << ",\"gflops\":[" << fma_gflops(one) << "," << fma_gflops(test_pool()) << "],\"bf16Gflops\":["
    << bf16_gflops(one) << "," << bf16_gflops(test_pool()) << "],\"memory\":[";
  for (int64_t bytes : {int64_t{1} << 19, int64_t{1} << 21, int64_t{1} << 23, int64_t{1} << 25, int64_t{1} << 27})
    s << (bytes == 1 << 19 ? "" : ",") << "{\"bytes\":" << bytes << ",\"gbs\":[" << memory_gbs(one, bytes) << "," << memory_gbs(test_pool(), bytes)
      << "]}";
  return s.str() + "]}";
}

}  // namespace

int bench(const Options& options) {
  const std::string where = test_device() ? "\"device\":\"cuda\"" : "\"threads\":" + std::to_string(test_pool().threads());
  skip_obstructed(options);
  for (const Bench& b : benches(options))
    for (const Pass& pass : b.prepare()) {
      const double ms = median_ms(pass.run, 400) / pass.times;
      std::cout << "{\"op\":\"" << b.op << "\",\"name\":\"" << b.name << "\",\"pass\":\"" << pass.name << "\"," << where
                << ",\"ms\":" << ms << ",\"gflops\":" << pass.flops / ms / 1e6 << ",\"gbs\":" << pass.bytes / ms / 1e6 << "}" << std::endl;
    }
  if (totals().skipped) std::cout << totals().skipped << " skipped" << std::endl;
  return 0;
}

int serve_benches() {
  const std::vector<Bench> all = benches({});
  const Bench* current = nullptr;
  std::vector<Pass> passes;
  for (std::string line; std::getline(std::cin, line);) {
    const Json request = parse_json(line);
    if (request.find("list")) {
      std::cout << describe(all) << std::endl;
    } else if (request.find("machine")) {
      std::cout << describe_machine() << std::endl;
    } else {
      const std::string op = request.str("op"), name = request.str("name");
      auto bench = std::find_if(all.begin(), all.end(), [&](const Bench& b) { return b.op == op && b.name == name; });
      if (bench == all.end()) throw std::runtime_error("bench: " + op + " " + name + ": expected a bench of the list");
      if (current != &*bench) passes.clear(), passes = bench->prepare(), current = &*bench;
      const Pass& pass = passes[request.str("pass") == "backward" ? 1 : 0];
      std::cout << "{\"ms\":" << median_ms(pass.run, request.num("ms", 50)) << ",\"flops\":" << pass.flops << ",\"bytes\":" << pass.bytes << "}"
                << std::endl;
    }
  }
  return 0;
}

}  // namespace a2s::test
