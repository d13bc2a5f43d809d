// Passes side by side add up as passes one after another do, and one that fails ends the call.
#include "core/side_by_side.h"

#include "core/rng.h"
#include "core/tape.h"
#include "ops/elementwise/elementwise.h"
#include "ops/linear/linear.h"
#include "test/test.h"

namespace a2s::test {
namespace {

constexpr int64_t kPasses = 7;

/** Gradients after two calls of passes that each do add(lane, i), in so many threads. */
template <class F>
std::vector<float> gradients_of(Params& params, int threads, F&& add) {
  params.allocate(1);
  params.zero_grad();
  Pool pool(threads);
  Arena arena, scratch;
  for (int call = 0; call < 2; ++call) side_by_side({pool, scratch}, arena, params, kPasses, add);
  const float* sums = static_cast<const float*>(params.grads());
  return {sums, sums + params.flat_size()};
}

/** Of passes that each add to every element; `fails`: the pass that throws instead. */
std::vector<float> gradients(int threads, int64_t fails = -1) {
  Params params(DType::f32);
  const Param& w = params.add("w", {3, 5}, 0.02);
  return gradients_of(params, threads, [&](const Lane& lane, int64_t i) {
    if (i == fails) throw std::runtime_error("a pass that fails");
    float* to = static_cast<float*>(params.grads());
    lane.turns->expect(w);
    lane.turns->begin(w);
    for (int64_t e = 0; e < params.flat_size(); ++e) to[e] += static_cast<float>(Rng{3, 1}.normal(i, e));
    lane.turns->end(w);
  });
}

/** Of a layer that each pass uses twice, with a bias that every other pass is without. */
std::vector<float> layer_gradients(int threads) {
  Params params(DType::f32);
  Param &w = params.add("w", {19, 5}, 1), &b = params.add("b", {19}, 1);
  params.add("unused", {3}, 1);
  return gradients_of(params, threads, [&](const Lane& lane, int64_t i) {
    Tape tape(lane.ctx, lane.arena);
    tape.turns = lane.turns;
    const Tensor x = tape.alloc(DType::f32, {900, 5});
    for (int64_t e = 0; e < x.size(); ++e) x.as<float>()[e] = static_cast<float>(Rng{3, 1}.normal(i, e));
    Var *in = tape.constant(x), *once = tape.apply(linear, {in, tape.param(w), i % 2 ? tape.param(b) : nullptr});
    tape.backward(tape.apply(add, {once, tape.apply(a2s::tanh, {tape.apply(linear, {in, tape.param(w)})})}));
  });
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

TEST(passes_of_a_tape_side_by_side_take_turns_at_each_parameter) {
  const std::vector<float> one = layer_gradients(1);
  for (size_t o = 0; o < 19; ++o) CHECK(one[96 + o] == 2.f * (kPasses / 2) * 900);  // the bias lies behind w and a gap
  for (int threads : {2, 3, 8, 16})
    for (int again = 0; again < 5; ++again) CHECK(layer_gradients(threads) == one);
}

TEST(a_pass_that_fails_ends_the_call_for_all) {
  for (int threads : {1, 2, 8})
    for (int64_t pass : {0, 3, 6}) CHECK_THROWS(gradients(threads, pass), "a pass that fails");
}

}  // namespace a2s::test
