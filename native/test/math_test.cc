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
  CHECK(worst_error(-87, 87.99, true, [](float x) { return math::exp(x); }, [](double x) { return std::exp(x); }) < 2e-7);
  CHECK(worst_error(-12, 12, true, [](float x) { return math::tanh(x); }, [](double x) { return std::tanh(x); }) < 2e-7);
}

TEST(exp_ends_at_0_and_inf) {
  CHECK(math::exp(-87.75f) == 0 && math::exp(-1000.f) == 0 && math::exp(-HUGE_VALF) == 0);
  CHECK(math::exp(88.f) == HUGE_VALF && math::exp(1e30f) == HUGE_VALF && math::exp(HUGE_VALF) == HUGE_VALF);
  CHECK(std::isnan(math::exp(NAN)));
  for (float x : {-HUGE_VALF, -100.f, 100.f, HUGE_VALF}) CHECK(math::exp_clamped(x) > 0 && std::isfinite(math::exp_clamped(x)));
}

TEST(gelu_is_the_tanh_form_and_keeps_its_digits_where_it_is_small) {
  auto tanh_form = [](double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / std::acos(-1.0)) * (x + 0.044715 * x * x * x))); };
  CHECK(worst_error(-6, 12, false, [](double x) { return math::gelu(x); }, tanh_form) < 1e-14);
  CHECK(worst_error(-6, 12, true, [](float x) { return math::gelu(x); }, [](double x) { return math::gelu(x); }) < 5e-6);
  CHECK_NEAR(math::gelu(-30.f), 0, 1e-30);
  CHECK_NEAR(math::gelu(30.f), 30, 0);
  CHECK_NEAR(math::gelu_grad(-30.f), 0, 1e-30);
  CHECK_NEAR(math::gelu_grad(-30.0), 0, 1e-30);
  CHECK(std::isnan(math::gelu(NAN)) && std::isnan(math::gelu_grad(NAN)));
  const double h = 1e-6;
  for (double x = -5; x < 5; x += 0.37) {
    const double slope = (math::gelu(x + h) - math::gelu(x - h)) / (2 * h);
    CHECK_NEAR(math::gelu_grad(x), slope, 1e-9);
    CHECK_NEAR(math::gelu_grad(static_cast<float>(x)), slope, 1e-6);
  }
}

}  // namespace a2s::test
