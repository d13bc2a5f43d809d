// Passes side by side add up as passes one after another do, and one that fails ends the call.
#include "core/side_by_side.h"

#include "core/rng.h"
#include "core/tape.h"
#include "ops/elementwise/elementwise.h"
#include "ops/linear/linear.h"
#include "test/test.h"

namespace a2s::test {
namespace {

constexpr int64_t kPasses = 7, kRows = 900, kIn = 5, kOut = 19, kBias = 96;  // where the bias begins: w and a gap

/** One layer, used twice by each pass, and a bias that every other pass is without; their gradients after two calls, in so many threads.
 *  `fails`: the pass that throws instead. */
std::vector<float> gradients(int threads, int64_t fails = -1) {
  Params params(DType::f32);
  Param &w = params.add("w", {kOut, kIn}, 1), &b = params.add("b", {kOut}, 1);
  params.add("unused", {3}, 1);
  params.allocate(1);
  params.zero_grad();
  Pool pool(threads);
  Arena arena, scratch;
  for (int call = 0; call < 2; ++call)
    side_by_side({pool, scratch}, arena, params, kPasses, [&](const Lane& lane, int64_t i) {
      if (i == fails) throw std::runtime_error("a pass that fails");
      Tape tape(lane.ctx, lane.arena);
      tape.turns = lane.turns;
      Tensor x = tape.alloc(DType::f32, {kRows, kIn});
      for (int64_t e = 0; e < x.size(); ++e) x.as<float>()[e] = static_cast<float>(Rng{3, 1}.normal(i, e));
      Var *in = tape.constant(x), *first = tape.apply(linear, {in, tape.param(w), i % 2 ? tape.param(b) : nullptr});
      tape.backward(tape.apply(add, {first, tape.apply(a2s::tanh, {tape.apply(linear, {in, tape.param(w)})})}));
    });
  const float* sums = static_cast<const float*>(params.grads());
  return {sums, sums + params.flat_size()};
}

}  // namespace

TEST(passes_side_by_side_add_up_to_the_same_bits_for_any_number_of_threads) {
  const std::vector<float> one = gradients(1);
  for (int64_t o = 0; o < kOut; ++o) CHECK(one[static_cast<size_t>(kBias + o)] == 2.f * (kPasses / 2) * kRows);
  for (int threads : {2, 3, 8, 16})
    for (int again = 0; again < 5; ++again) CHECK(gradients(threads) == one);
}

TEST(a_pass_that_fails_ends_the_call_for_all) {
  for (int threads : {1, 2, 8})
    for (int64_t pass : {0, 3, 6}) CHECK_THROWS(gradients(threads, pass), "a pass that fails");
}

}  // namespace a2s::test
