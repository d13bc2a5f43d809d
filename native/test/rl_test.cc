// Losses against tensors of a whole model, and what must hold at their edges.
#include <limits>

#include "core/tape.h"
#include "ops/cross_entropy/cross_entropy.h"
#include "ops/token_logprobs/token_logprobs.h"
#include "rl/group_advantages/group_advantages.h"
#include "rl/policy_loss/policy_loss.h"
#include "test/reference_tensors.h"

namespace a2s::test {
namespace {

/** The heads of a model on its decoder's output, and the loss on their log-probabilities. */
struct HeadLoss {
  Arena arena;
  Golden io = reference_tensors("magpie/io.safetensors"), weights = reference_tensors("magpie/weights.safetensors");
  Golden grads = reference_tensors("magpie/grads.safetensors");
  Params params{DType::f64};
  Tape tape{test_context(), arena};
  Var *logprobs, *lengths;

  HeadLoss() {
    Param &w = params.add("final_proj.weight", {384, 32}, 0), &b = params.add("final_proj.bias", {384}, 0);
    params.allocate(0);
    for (Param* p : {&w, &b}) {
      Tensor t = tensor_of(arena, weights, p->name, DType::f64);
      std::memcpy(p->value.data, t.data, t.bytes());
    }
    // Targets are the codes, then EOS in every codebook.
    Tensor codes = tensor_of(arena, io, "in.codes", DType::i32),
           length = tensor_of(arena, io, "in.codes_len", DType::i32);
    const int64_t B = codes.dim(0), K = codes.dim(1), T = codes.dim(2);
    Tensor targets = new_tensor(arena, DType::i32, {B, K, T + 1});
    for (int64_t i = 0; i < B * K; ++i)
      for (int64_t t = 0; t <= T; ++t) {
        const int32_t n = length.as<int32_t>()[i / K];
        targets.as<int32_t>()[i * (T + 1) + t] = t < n ? codes.as<int32_t>()[i * T + t] : t == n ? 41 : -1;
      }
    for (int64_t b = 0; b < B; ++b) ++length.as<int32_t>()[b];
    lengths = tape.constant(length);
    logprobs = tape.apply(token_logprobs,
                          {tape.leaf(tensor_of(arena, io, "out.decoder", DType::f64)), tape.param(w), tape.param(b),
                           tape.constant(targets), lengths, nullptr, nullptr},
                          {{"codebooks", 8}});
  }
  void check(Var* loss, const char* value, const std::string& gradient) {
    CHECK_NEAR(element(loss->value, 0), io.tensors.at(value).values[0], 1e-6);  // the reference's advantages sum to 0
    tape.backward(loss);
    for (const Param& p : params.list())
      CHECK(relative_error(p.grad, tensor_of(arena, grads, gradient + p.name, DType::f64)) < 2e-6);
  }
};

}  // namespace

TEST(heads_give_the_reference_logprobs_and_cross_entropy) {
  HeadLoss m;
  CHECK(relative_error(m.logprobs->value, tensor_of(m.arena, m.io, "out.logprobs", DType::f64)) < 1e-6);
  m.check(m.tape.apply(codebook_cross_entropy, {m.logprobs, m.lengths, nullptr}), "out.ce", "grad.ce.");
}

TEST(heads_give_the_reference_policy_gradient) {
  HeadLoss m;
  Var* advantages = m.tape.constant(tensor_of(m.arena, m.io, "in.advantages", DType::f64));
  m.check(m.tape.apply(policy_loss, {m.logprobs, advantages, m.lengths, nullptr, nullptr, nullptr, nullptr, nullptr}),
          "out.pg", "grad.grpo.");
}

namespace {

/** policy_loss on log-probabilities of [2, 1, 3] tokens, in f32. */
struct SmallLoss {
  Arena arena;
  Call call{policy_loss, test_context()};

  Tensor floats(std::initializer_list<int64_t> shape, std::initializer_list<float> values) {
    Tensor t = new_tensor(arena, DType::f32, shape);
    std::copy(values.begin(), values.end(), t.as<float>());
    return t;
  }
  SmallLoss(std::initializer_list<float> logprobs, std::initializer_list<float> advantages) {
    call.in[0] = floats({2, 1, 3}, logprobs), call.in[1] = floats({2}, advantages);
    Tensor lengths = new_tensor(arena, DType::i32, {2});
    lengths.as<int32_t>()[0] = 3, lengths.as<int32_t>()[1] = 2;
    call.in[2] = lengths;
  }
  void run() {
    apply(call, arena);
    call.dout[0] = floats({1}, {1}), call.dout[1] = new_tensor(arena, DType::f32, {8});
    for (size_t i : {0, 5, 6})
      if (call.in[i]) call.din[i] = new_tensor(arena, DType::f32, call.in[i].shape());
    run_backward(call);
  }
  float gradient(int64_t i) const { return call.din[0].as<float>()[i]; }
};

}  // namespace

TEST(a_sample_without_advantage_has_exactly_no_gradient) {
  SmallLoss s({-1, -2, -3, -4, -5, -6}, {0, 1.5f});
  s.call.in[3] = s.floats({2, 1, 3}, {-1.5f, -2, -2, -4, -4, -9});
  s.call.in[4] = s.floats({2, 1, 3}, {-2, -2, -2, -4, -4, -9});
  s.call.in[5] = s.floats({2, 1, 3}, {1, 1, 1, 1, 1, 1});
  s.call.set("kl", 3), s.call.set("kl_weight", 0.5), s.call.set("entropy_weight", 0.1);
  s.run();
  for (int64_t i = 0; i < 3; ++i) CHECK(s.gradient(i) == 0 && s.call.din[5].as<float>()[i] == 0);
  CHECK(s.gradient(3) != 0 && s.gradient(4) != 0 && s.gradient(5) == 0);
}

TEST(a_token_outside_the_support_stays_finite_and_is_counted) {
  const float inf = HUGE_VALF;
  for (bool old : {false, true}) {
    SmallLoss s({-1, -inf, -3, -4, -inf, -6}, {-1, 1});
    if (old) s.call.in[3] = s.floats({2, 1, 3}, {-1, -2, -3, -4, -5, -6});
    s.call.in[4] = s.floats({2, 1, 3}, {-2, -2, -2, -4, -4, -9});
    s.call.set("kl", 3), s.call.set("kl_weight", 0.5);
    s.run();
    CHECK(std::isfinite(element(s.call.out[0], 0)));
    for (int64_t i = 0; i < 6; ++i) CHECK(std::isfinite(s.gradient(i)));
    if (old) CHECK(s.gradient(1) == 0 && s.gradient(4) == 0);
    CHECK(element(s.call.out[1], 6) == 5 && element(s.call.out[1], 7) == 2);
    CHECK(element(s.call.out[1], 0) == 1 && element(s.call.out[1], 1) == 0);
  }
}

TEST(a_kl_that_is_only_measured_may_be_infinite) {
  SmallLoss s({-1, -2, -3, -4, -5, -6}, {-1, 1});
  s.call.in[4] = s.floats({2, 1, 3}, {-2, -HUGE_VALF, -2, -4, -4, -9});
  s.call.set("kl", 3);
  s.run();
  CHECK(element(s.call.out[0], 0) == 0 && std::isinf(element(s.call.out[1], 4)));
  for (int64_t i = 0; i < 6; ++i) CHECK(std::isfinite(s.gradient(i)));
}

TEST(advantages_must_be_finite) {
  SmallLoss s({-1, -2, -3, -4, -5, -6}, {0, NAN});
  CHECK_THROWS(s.run(), "policy_loss: advantages: sample 1: expected a finite number, got nan");
}

TEST(a_kept_reward_must_be_finite) {
  Arena arena;
  Call c(group_advantages, test_context());
  c.in[0] = new_tensor(arena, DType::f64, {2, 3});
  for (int i = 0; i < 6; ++i) c.in[0].as<double>()[i] = i == 4 ? NAN : 0.1 * i;
  CHECK_THROWS(apply(c, arena), "group_advantages: rewards: prompt 1, sample 1: expected a finite reward, got nan");
  c.in[1] = new_tensor(arena, DType::i32, {2, 3});
  for (int i = 0; i < 6; ++i) c.in[1].as<int32_t>()[i] = i != 4;
  apply(c, arena);
  CHECK_NEAR(element(c.out[0], 3), -0.1, 1e-12);
  CHECK(element(c.out[0], 4) == 0);
  CHECK_NEAR(element(c.out[0], 5), 0.1, 1e-12);
}

}  // namespace a2s::test
