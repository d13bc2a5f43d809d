// The runner's frame: a registry of unit tests, checks that say where they failed, and one result line per test.
#pragma once
#include <cmath>
#include <functional>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

#include "core/op.h"

namespace a2s::test {

struct Failure : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct Skip : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct UnitTest {
  const char* name;
  void (*body)();
};
std::vector<UnitTest>& unit_tests();
struct Register {
  Register(const char* name, void (*body)()) { unit_tests().push_back({name, body}); }
};

/** TEST(pool_runs_every_index) { … } — run by `align2speak_check unit [filter]`. */
#define TEST(name)                                              \
  static void test_##name();                                    \
  static ::a2s::test::Register register_##name{#name, test_##name}; \
  static void test_##name()

#define CHECK(condition)                                                                             \
  do {                                                                                               \
    if (!(condition))                                                                                \
      throw ::a2s::test::Failure(std::string(__FILE__) + ":" + std::to_string(__LINE__) + ": " #condition); \
  } while (0)

/** |a - b| <= tolerance, both printed on failure. */
#define CHECK_NEAR(a, b, tolerance)                                                                     \
  do {                                                                                                  \
    double a_ = (a), b_ = (b);                                                                          \
    if (!(std::fabs(a_ - b_) <= (tolerance))) {                                                         \
      std::ostringstream s_;                                                                            \
      s_ << __FILE__ << ":" << __LINE__ << ": " #a " = " << a_ << ", " #b " = " << b_ << ", tolerance " << (tolerance); \
      throw ::a2s::test::Failure(s_.str());                                                             \
    }                                                                                                   \
  } while (0)

/** The expression throws an error whose text contains `part`. */
#define CHECK_THROWS(expression, part)                                                                             \
  do {                                                                                                             \
    std::string got_ = "no error";                                                                                 \
    try {                                                                                                          \
      (void)(expression);                                                                                          \
    } catch (const std::exception& e_) {                                                                           \
      got_ = e_.what();                                                                                            \
    }                                                                                                              \
    if (got_.find(part) == std::string::npos)                                                                      \
      throw ::a2s::test::Failure(std::string(__FILE__) + ":" + std::to_string(__LINE__) + ": expected '" + (part) + "', got '" + got_ + "'"); \
  } while (0)

/** Runs `body` as one named test and prints `ok|FAIL|skip <group>: <name>[: detail]`. */
void run_test(const std::string& group, const std::string& name, const std::function<void()>& body);

/** Totals so far; the runner ends with `N passed, N failed, N skipped`. */
struct Totals {
  int passed = 0, failed = 0, skipped = 0;
};
Totals& totals();

/** A pool and a scratch arena for tests. */
Pool& test_pool();
Arena& test_scratch();
inline Context test_context() { return {test_pool(), test_scratch()}; }
/** Where ops run: null for the CPU. */
Device*& test_device();

/** Largest |a - b| relative to the largest |b|; infinity when either is not finite where the other is. */
double relative_error(const Tensor& a, const Tensor& b);
/** Element as double, whatever the dtype. */
double element(const Tensor& t, int64_t i);

}  // namespace a2s::test
