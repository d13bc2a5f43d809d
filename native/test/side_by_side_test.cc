// Passes side by side add up as passes one after another do, and one that fails ends the call.
#include "core/side_by_side.h"

#include "core/rng.h"
#include "test/test.h"

namespace a2s::test {
namespace {

constexpr int64_t kPasses = 7;

/** Gradients after passes that each add to every element, in so many threads; `fails`: the pass that throws instead. */
std::vector<float> gradients(int threads, int64_t fails = -1) {
  Params params(DType::f32);
  params.add("w", {3, 5}, 0.02);
  params.allocate(1);
  params.zero_grad();
  Pool pool(threads);
  Arena arena, scratch;
  for (int call = 0; call < 2; ++call)
    side_by_side({pool, scratch}, arena, params, kPasses, [&](const Lane& lane, int64_t i) {
      if (i == fails) throw std::runtime_error("a pass that fails");
      float* to = static_cast<float*>(lane.grads ? lane.grads : params.grads());
      for (int64_t e = 0; e < params.flat_size(); ++e) to[e] += static_cast<float>(Rng{3, 1}.normal(i, e));
    });
  const float* sums = static_cast<const float*>(params.grads());
  return {sums, sums + params.flat_size()};
}

}  // namespace

TEST(passes_side_by_side_add_up_to_the_same_bits_for_any_number_of_threads) {
  const std::vector<float> one = gradients(1);
  for (size_t e = 0; e < one.size(); ++e) {
    double sum = 0;
    for (int64_t i = 0; i < kPasses; ++i) sum += 2 * static_cast<float>(Rng{3, 1}.normal(i, static_cast<int64_t>(e)));
    CHECK_NEAR(one[e], sum, 1e-5);
  }
  for (int threads : {2, 3, 8}) CHECK(gradients(threads) == one);
}

TEST(a_pass_that_fails_ends_the_call_for_all) {
  for (int threads : {1, 2, 8})
    for (int64_t pass : {0, 3, 6}) CHECK_THROWS(gradients(threads, pass), "a pass that fails");
}

}  // namespace a2s::test
