// The optimizer over a model's parameters.
#include "optim/optimizer.h"

#include <cstring>
#include <limits>

#include "optim/adamw.h"
#include "test/test.h"

namespace a2s::test {
namespace {

/** Three tensors, of which `frozen` may stay as it is. */
struct Model {
  Params params{DType::f32};
  Param &first, &frozen, &last;

  Model()
      : first(params.add("first", {301, 7}, 0.3)),
        frozen(params.add("frozen", {130}, 0.3)),
        last(params.add("last", {40000}, 0.3)) {
    params.allocate(5);
    params.zero_grad();
  }
  /** Gradients of step `s`, the same for every model. */
  void gradients(uint64_t s) {
    const Rng rng{3, static_cast<uint32_t>(Stream::test)};
    for (Param& p : params.list())
      for (int64_t i = 0; i < p.grad.size(); ++i)
        p.grad.as<float>()[i] = static_cast<float>(rng.normal(s, p.offset + i));
  }
  size_t bytes() const { return static_cast<size_t>(params.flat_size()) * 4; }
};

bool same(Model& a, Model& b) {
  auto equal = [&](void* x, void* y) { return !std::memcmp(x, y, a.bytes()); };
  return equal(a.params.values(), b.params.values()) && equal(a.params.exp_avg(), b.params.exp_avg()) &&
         equal(a.params.exp_avg_sq(), b.params.exp_avg_sq());
}

}  // namespace

TEST(optimizer_state_survives_a_round_trip) {
  Model a, b;
  AdamW whole(a.params), before(b.params);
  for (uint64_t s = 0; s < 6; ++s) {
    a.gradients(s);
    whole.step(test_context(), 1e-2, 50);
  }
  for (uint64_t s = 0; s < 3; ++s) {
    b.gradients(s);
    before.step(test_context(), 1e-2, 50);
  }
  Model c;
  c.params.allocate_moments();
  std::memcpy(c.params.values(), b.params.values(), b.bytes());
  std::memcpy(c.params.exp_avg(), b.params.exp_avg(), b.bytes());
  std::memcpy(c.params.exp_avg_sq(), b.params.exp_avg_sq(), b.bytes());
  AdamW after(c.params);
  after.restore_steps(before.steps());
  for (uint64_t s = 3; s < 6; ++s) {
    c.gradients(s);
    after.step(test_context(), 1e-2, 50);
  }
  CHECK(same(a, c));
}

TEST(adamw_in_place_gives_the_same_bits) {
  Model a, b;
  a.gradients(0);
  a.params.allocate_moments();
  b.gradients(0);
  Arena arena;
  Call out(adamw, test_context());
  const void* inputs[] = {a.params.values(), a.params.grads(), a.params.exp_avg(), a.params.exp_avg_sq()};
  for (int i = 0; i < 4; ++i) out.in[i] = make_tensor(const_cast<void*>(inputs[i]), DType::f32, {a.params.flat_size()});
  out.set("lr", 0.02);
  apply(out, arena);
  AdamW(b.params).step(test_context(), 0.02);
  CHECK(!std::memcmp(out.out[0].data, b.params.values(), b.bytes()));
  CHECK(!std::memcmp(out.out[1].data, b.params.exp_avg(), b.bytes()));
  CHECK(!std::memcmp(out.out[2].data, b.params.exp_avg_sq(), b.bytes()));
}

TEST(gradients_that_are_not_finite_change_nothing) {
  Model a, b;
  AdamW x(a.params), y(b.params);
  for (Model* m : {&a, &b}) m->gradients(0);
  x.step(test_context(), 1e-2), y.step(test_context(), 1e-2);
  a.gradients(1);
  a.first.grad.as<float>()[3] = HUGE_VALF;
  a.last.grad.as<float>()[39999] = std::numeric_limits<float>::quiet_NaN();
  const StepReport report = x.step(test_context(), 1e-2, 1);
  CHECK(report.nonfinite == 2 && !report.clipped && x.steps() == 1);
  CHECK(same(a, b));
}

TEST(frozen_parameters_stay_and_do_not_count) {
  Model a;
  a.frozen.trainable = false;
  const std::vector<float> before(a.frozen.value.as<float>(), a.frozen.value.as<float>() + 130);
  a.gradients(0);
  double squares = 0;
  for (const Param* p : {&a.first, &a.last})
    for (int64_t i = 0; i < p->grad.size(); ++i) squares += std::pow(p->grad.as<float>()[i], 2.0);
  a.frozen.grad.as<float>()[0] = std::numeric_limits<float>::quiet_NaN();
  const float first = a.first.value.as<float>()[0];
  const StepReport report = AdamW(a.params).step(test_context(), 1e-2);
  CHECK_NEAR(report.grad_norm, std::sqrt(squares), 1e-9 * std::sqrt(squares));
  CHECK(report.nonfinite == 0);
  CHECK(!std::memcmp(before.data(), a.frozen.value.data, 130 * 4));
  for (int64_t i = 0; i < 130; ++i) CHECK(static_cast<float*>(a.params.exp_avg())[a.frozen.offset + i] == 0);
  CHECK(a.first.value.as<float>()[0] != first);
}

TEST(clipping_scales_gradients_to_the_limit) {
  Model a, b;
  a.gradients(0), b.gradients(0);
  const StepReport report = AdamW(a.params).step(test_context(), 1e-2, 2);
  CHECK(report.clipped && report.grad_norm > 2);
  const double scale = 2 / (report.grad_norm + 1e-6);
  for (int64_t i = 0; i < a.last.grad.size(); ++i)
    CHECK_NEAR(static_cast<float*>(a.params.exp_avg())[a.last.offset + i], 0.1 * scale * b.last.grad.as<float>()[i],
               1e-9);
  CHECK(!AdamW(b.params).step(test_context(), 1e-2, report.grad_norm * 1.01).clipped);
  CHECK_THROWS(AdamW(b.params).step(test_context(), 1e-2, -1), "optimizer: clip_norm: expected at least 0, got -1");
}

TEST(optimizer_allocates_nothing_after_its_first_step) {
  Model a;
  AdamW optimizer(a.params);
  a.gradients(0);
  optimizer.step(test_context(), 1e-2, 1);
  const int64_t before = test_scratch().growths();
  void* moments = a.params.exp_avg();
  for (int s = 0; s < 3; ++s) optimizer.step(test_context(), 1e-2, 1);
  CHECK(test_scratch().growths() == before && a.params.exp_avg() == moments);
}

}  // namespace a2s::test
