// The vector functions of core/math.h keep the errors that their comments promise.
#include "core/math.h"
#include "test/test.h"

namespace a2s::test {
namespace {

/** Largest error over [low, high] against the double function, absolute or relative. */
template <class F, class G>
double worst_error(double low, double high, bool relative, F&& approximate, G&& exact) {
  const int steps = 200000;
  double worst = 0;
  for (int i = 0; i <= steps; ++i) {
    const float x = static_cast<float>(low + (high - low) * i / steps);
    const double want = exact(static_cast<double>(x)), error = std::fabs(static_cast<double>(approximate(x)) - want);
    worst = std::max(worst, relative && want != 0 ? error / std::fabs(want) : error);
  }
  return worst;
}

}  // namespace

TEST(vector_functions_are_within_their_bounds) {
  auto sin = [](float x) { return math::sin(x); };
  auto exact_sin = [](double x) { return std::sin(x); };
  CHECK(worst_error(-5, 5, false, sin, exact_sin) < 2e-7);
  CHECK(worst_error(-8192, 8192, false, sin, exact_sin) < 2e-7);
  CHECK(worst_error(-87, 88, true, [](float x) { return math::exp(x); }, [](double x) { return std::exp(x); }) < 2e-7);
  CHECK(worst_error(-12, 12, true, [](float x) { return math::tanh(x); }, [](double x) { return std::tanh(x); }) < 2e-7);
}

}  // namespace a2s::test
