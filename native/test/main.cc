// align2speak_check: tests and benches of the core without Node.
//   align2speak_check ops [op…]       every case of every op: parity, gradients, determinism, errors
//   align2speak_check golden [op…]    tensors computed by PyTorch
//   align2speak_check unit [filter]   everything else
//   align2speak_check bench [op…]     time of the cases marked "bench", or of `gemm` (JSON lines)
//   align2speak_check bench pool      time of fork and join
//   align2speak_check bench --serve   the same on request: the other end is scripts/bench.mjs
//   align2speak_check list            names of the ops
// Options: --device cuda (ops, golden, bench: what has a CUDA twin, on a GPU), --threads N.
#include <cstring>

#include "core/device.h"
#include "test/bench.h"
#include "test/op_cases.h"
#include "test/test.h"

namespace a2s::test {

std::vector<UnitTest>& unit_tests() {
  static std::vector<UnitTest> tests;
  return tests;
}
Totals& totals() {
  static Totals t;
  return t;
}
Pool& test_pool() {
  static Pool pool(2);
  return pool;
}
Device*& test_device() {
  static Device* device = nullptr;
  return device;
}
Arena& test_scratch() {
  static Arena arena;
  return arena;
}

void run_test(const std::string& group, const std::string& name, const std::function<void()>& body) {
  const std::string title = group + ": " + name;
  try {
    body();
    ++totals().passed;
    std::cout << "ok " << title << std::endl;
  } catch (const Skip& e) {
    ++totals().skipped;
    std::cout << "skip " << title << ": " << e.what() << std::endl;
  } catch (const std::exception& e) {
    ++totals().failed;
    std::cout << "FAIL " << title << ": " << e.what() << std::endl;
  }
}

double element(const Tensor& t, int64_t i) {
  return t.dtype == DType::f32 ? t.as<float>()[i] : t.dtype == DType::f64 ? t.as<double>()[i] : t.as<int32_t>()[i];
}

double relative_error(const Tensor& a, const Tensor& b) {
  double worst = 0, scale = 0;
  for (int64_t i = 0; i < b.size(); ++i) {
    double x = element(a, i), y = element(b, i);
    if (std::isnan(x) != std::isnan(y) || std::isinf(x) != std::isinf(y)) return HUGE_VAL;
    if (!std::isfinite(y)) continue;
    worst = std::max(worst, std::fabs(x - y));
    scale = std::max(scale, std::fabs(y));
  }
  return worst == 0 ? 0 : worst / std::max(scale, 1e-30);
}

}  // namespace a2s::test

namespace {

int usage() {
  std::cerr << "usage: align2speak_check ops|golden|unit|bench|list [name…] [--device cuda] [--threads N]\n";
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace a2s::test;
  std::string command = argc > 1 ? argv[1] : "";
  Options options;
  for (int i = 2; i < argc; ++i) {
    if (!std::strcmp(argv[i], "--device") && i + 1 < argc) options.device = argv[++i];
    else if (!std::strcmp(argv[i], "--threads") && i + 1 < argc) test_pool().resize(std::atoi(argv[++i]));
    else options.names.push_back(argv[i]);
  }
  std::unique_ptr<a2s::Device> device;
  if (options.device != "cpu") {
    if (options.device != "cuda" || (command != "ops" && command != "golden" && command != "bench")) return usage();
    if (a2s::devices().count > 0) {
      test_device() = (device = a2s::open_device()).get();
      std::cout << "device: " << a2s::device_name(0) << std::endl;
    }
  }
  if (command == "list") {
    for (const a2s::Op* op : a2s::all_ops()) std::cout << op->name << "\n";
    return 0;
  }
  if (command == "bench" && options.names == std::vector<std::string>{"--serve"}) return serve_benches();
  if (command == "bench" && options.names == std::vector<std::string>{"pool"}) return bench_pool(), 0;
  if (command == "bench") return bench(options);
  if (command == "ops") check_ops(options);
  else if (command == "golden") check_goldens(options);
  else if (command == "unit") {
    for (const UnitTest& t : unit_tests())
      if (options.names.empty() || std::string(t.name).find(options.names[0]) != std::string::npos) run_test("unit", t.name, t.body);
  } else {
    return usage();
  }
  const Totals& t = totals();
  std::cout << t.passed << " passed, " << t.failed << " failed, " << t.skipped << " skipped" << std::endl;
  return t.failed || t.passed + t.skipped == 0 ? 1 : 0;
}
