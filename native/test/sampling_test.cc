// The sampler against its distribution, and the likelihood against the sampler.
#include <algorithm>
#include <limits>
#include <vector>

#include "core/rng.h"
#include "ops/gemm/gemm.h"
#include "ops/token_logprobs/token_logprobs.h"
#include "sampling/sample_tokens.h"
#include "test/test.h"

namespace a2s::test {
namespace {

const Rng noise{99, static_cast<uint32_t>(Stream::test)};

template <class T>
Tensor normals(Arena& arena, std::initializer_list<int64_t> shape, uint64_t id, double deviation) {
  Tensor t = new_tensor(arena, dtype_of<T>(), shape);
  for (int64_t i = 0; i < t.size(); ++i) t.as<T>()[i] = static_cast<T>(deviation * noise.normal(id, i));
  return t;
}

Tensor ints_of(Arena& arena, const std::vector<int32_t>& values) {
  Tensor t = new_tensor(arena, DType::i32, {static_cast<int64_t>(values.size())});
  std::copy(values.begin(), values.end(), t.as<int32_t>());
  return t;
}

/** A call of sample_tokens on logits[R, V]; sample r is r unless given. */
struct Draw {
  Arena arena;
  Call call{sample_tokens, test_context()};

  Draw(const Tensor& logits, std::initializer_list<std::pair<const char*, double>> attrs,
       std::vector<int32_t> sample = {}) {
    for (int64_t r = static_cast<int64_t>(sample.size()); r < logits.dim(0); ++r)
      sample.push_back(static_cast<int32_t>(r));
    call.in[0] = logits, call.in[3] = ints_of(arena, sample);
    for (auto& [name, value] : attrs) call.set(name, value);
  }
  Draw& run() { return apply(call, arena), *this; }
  const int32_t* tokens() const { return call.out[0].as<int32_t>(); }
};

}  // namespace

TEST(sample_frequencies_follow_the_distribution) {
  constexpr int64_t R = 40000, V = 40;
  struct Setting {
    double temperature, top_k, top_p;
  };
  Arena arena;
  Tensor row = normals<float>(arena, {V}, 1, 1.5), logits = new_tensor(arena, DType::f32, {R, V});
  for (int64_t r = 0; r < R; ++r) std::copy_n(row.as<float>(), V, logits.as<float>() + r * V);
  for (const Setting& s : {Setting{1, 0, 1}, Setting{0.7, 12, 1}, Setting{1.4, 0, 0.8}, Setting{1, 20, 0.9}}) {
    Draw d(logits, {{"seed", 17}, {"temperature", s.temperature}, {"top_k", s.top_k}, {"top_p", s.top_p}});
    d.run();
    std::vector<double> count(V), probability(V);
    for (int64_t r = 0; r < R; ++r) {
      const int32_t v = d.tokens()[r];
      count[v] += 1, probability[v] = std::exp(d.call.out[1].as<float>()[r]);
    }
    // Every id of the kept set is drawn at this R, so the probabilities seen must sum to one.
    double chi_square = 0, total = 0;
    int64_t kept = 0;
    for (int64_t v = 0; v < V; ++v) {
      if (count[v] == 0) continue;
      const double expected = R * probability[v];
      chi_square += (count[v] - expected) * (count[v] - expected) / expected, total += probability[v], ++kept;
    }
    CHECK_NEAR(total, 1, 1e-5);
    if (s.top_k) CHECK(kept <= s.top_k);
    // mean + 4 deviations of a chi-square variable with kept - 1 degrees of freedom
    CHECK(chi_square < (kept - 1) + 4 * std::sqrt(2.0 * (kept - 1)));
  }
}

TEST(kept_set_is_what_sorting_keeps) {
  constexpr int64_t V = 97;
  std::vector<float> z(V), scaled(V), weights(V);
  for (uint64_t trial = 0; trial < 300; ++trial) {
    for (int64_t v = 0; v < V; ++v) {
      float x = static_cast<float>(4 * noise.normal(trial, v));
      if (trial % 3 == 0) x = std::round(x);  // ties, and zeros of both signs
      if (trial % 5 == 0 && v % 4 == 0) x = -HUGE_VALF;
      z[v] = trial % 7 == 0 ? x * 1e-40f : x;  // subnormal
    }
    const SamplingRule rule{1, static_cast<int64_t>(1 + trial % V),
                            trial % 2 ? 1.0 : 0.05 + 0.9 * noise.uniform(trial, 1000), nullptr};
    const Distribution<float> d = distribution_of(z.data(), scaled.data(), weights.data(), V, rule);

    std::vector<float> order = z;
    std::sort(order.begin(), order.end(), std::greater<>());
    float limit = std::max(order[rule.top_k - 1], -std::numeric_limits<float>::max());
    double total = 0, sum = 0;
    for (float x : order)
      if (x >= limit) total += std::exp(static_cast<double>(x) - order[0]);
    if (rule.top_p < 1)
      for (float x : order)
        if (sum < rule.top_p * total) sum += std::exp(static_cast<double>(x) - order[0]), limit = x;
    for (int64_t v = 0; v < V; ++v) CHECK((z[v] >= d.cutoff) == (z[v] >= limit));
  }
}

template <class T>
void check_likelihoods(double tolerance) {
  constexpr int64_t B = 3, T_ = 11, C = 12, K = 4, V = 61;
  for (uint64_t trial = 0; trial < 12; ++trial) {
    Arena arena;
    Tensor x = normals<T>(arena, {B, T_, C}, 10 * trial, 1), u = normals<T>(arena, {B, T_, C}, 10 * trial + 1, 1);
    Tensor w = normals<T>(arena, {K * V, C}, 10 * trial + 2, 0.5), b = normals<T>(arena, {K * V}, 10 * trial + 3, 0.5);
    std::vector<int32_t> allowed(V, 1);
    for (int64_t v = 0; v < V; ++v) allowed[v] = noise.uniform(trial, 5000 + v) < 0.9;
    const bool guided = trial % 2;
    const double temperature = 0.5 + noise.uniform(trial, 1), top_k = std::floor(V * noise.uniform(trial, 2)),
                 top_p = trial % 3 ? 0.3 + 0.7 * noise.uniform(trial, 3) : 1,
                 guidance = guided ? 1 + 2 * noise.uniform(trial, 4) : 1;

    // Rows of the sampler: (b, t, k), k fastest.
    Tensor logits[2];
    for (int i = 0; i < 2; ++i) {
      logits[i] = new_tensor(arena, dtype_of<T>(), {B * T_ * K, V});
      gemm(test_context(), B * T_, K * V, C, Matrix<T>{(i ? u : x).as<T>(), C}, Matrix<T>{w.as<T>(), C, true},
           logits[i].as<T>(), K * V, Epilogue<T>{.bias = b.as<T>()});
    }
    Call draw(sample_tokens, test_context());
    draw.in[0] = logits[0];
    if (guided) draw.in[1] = logits[1];
    draw.in[2] = ints_of(arena, allowed);
    draw.in[3] = ints_of(arena, std::vector<int32_t>(B * T_ * K, static_cast<int32_t>(trial)));
    for (int64_t r = 0; r < B * T_ * K; ++r) draw.in[3].as<int32_t>()[r] = static_cast<int32_t>(r / K);
    draw.set("rows_per_sample", K);
    Call score(token_logprobs, test_context());
    for (Call* c : {&draw, &score})
      c->set("temperature", temperature), c->set("top_k", top_k), c->set("top_p", top_p), c->set("guidance", guidance);
    apply(draw, arena);

    Tensor targets = new_tensor(arena, DType::i32, {B, K, T_});
    auto row = [&](int64_t i) { return (i / (K * T_) * T_ + i % T_) * K + i / T_ % K; };
    for (int64_t i = 0; i < targets.size(); ++i) targets.as<int32_t>()[i] = draw.out[0].as<int32_t>()[row(i)];
    score.in[0] = x, score.in[1] = w, score.in[2] = b, score.in[3] = targets;
    score.in[4] = ints_of(arena, {T_, T_, T_});
    if (guided) score.in[5] = u;
    score.in[6] = draw.in[2];
    score.set("codebooks", K);
    apply(score, arena);
    for (int64_t i = 0; i < targets.size(); ++i) {
      CHECK(allowed[targets.as<int32_t>()[i]]);
      CHECK_NEAR(element(score.out[0], i), element(draw.out[1], row(i)), guided ? tolerance : 0);
      CHECK_NEAR(element(score.out[1], i), element(draw.out[2], row(i)), guided ? tolerance : 0);
    }
  }
}

// Without guidance the same bits; with guidance the head is applied to mixed rows instead of mixing logits.
TEST(likelihoods_are_the_samplers_f64) { check_likelihoods<double>(1e-12); }
TEST(likelihoods_are_the_samplers_f32) { check_likelihoods<float>(1e-5); }

TEST(a_draw_does_not_depend_on_its_batch) {
  constexpr int64_t R = 31, V = 150;
  Arena arena;
  Tensor logits = normals<float>(arena, {R, V}, 2, 2);
  Draw all(logits, {{"seed", 8}, {"position", 40}, {"top_k", 30}});
  all.run();
  for (int64_t r = 0; r < R; ++r) {
    Draw one(make_tensor(logits.as<float>() + r * V, DType::f32, {1, V}),
             {{"seed", 8}, {"position", 40}, {"top_k", 30}}, {static_cast<int32_t>(r)});
    one.run();
    CHECK(one.tokens()[0] == all.tokens()[r]);
    CHECK(element(one.call.out[1], 0) == element(all.call.out[1], r));
  }
  Draw later(logits, {{"seed", 8}, {"position", 41}, {"top_k", 30}});
  later.run();
  CHECK(!std::equal(later.tokens(), later.tokens() + R, all.tokens()));
}

TEST(likelihoods_hide_no_nan) {
  Arena arena;
  Call c(token_logprobs, test_context());
  c.in[0] = normals<float>(arena, {1, 2, 3}, 1, 1), c.in[1] = normals<float>(arena, {7, 3}, 2, 1);
  c.in[0].as<float>()[4] = std::numeric_limits<float>::quiet_NaN();
  c.in[3] = new_tensor(arena, DType::i32, {1, 1, 2}), c.in[4] = ints_of(arena, {2});
  std::fill_n(c.in[3].as<int32_t>(), 2, 5);
  c.set("top_k", 3), c.set("top_p", 0.9);
  apply(c, arena);
  for (int j = 0; j < 2; ++j) CHECK(std::isnan(element(c.out[j], 1)) && !std::isnan(element(c.out[j], 0)));
  for (int j = 0; j < 2; ++j) c.dout[j] = normals<float>(arena, {1, 1, 2}, 3, 1);
  c.din[0] = new_tensor(arena, DType::f32, {1, 2, 3});
  run_backward(c);
  for (int64_t i = 0; i < 6; ++i) CHECK(std::isnan(element(c.din[0], i)) == (i >= 3));
}

TEST(rows_without_a_distribution_are_errors) {
  constexpr int64_t R = 6, V = 5;
  const float inf = HUGE_VALF, nan = std::numeric_limits<float>::quiet_NaN();
  auto expect = [&](float a, float b, double temperature) {
    Arena arena;
    Tensor logits = normals<float>(arena, {R, V}, 3, 1);
    for (int64_t v = 0; v < V; ++v) logits.as<float>()[4 * V + v] = v == 2 ? a : b;
    Draw d(logits, {{"rows_per_sample", 3}, {"temperature", temperature}}, {0, 0, 0, 1, 1, 1});
    CHECK_THROWS(d.run(), "sample_tokens: logits: row 4 (codebook 1): expected");
  };
  for (double temperature : {0.0, 1.0})
    expect(nan, 0, temperature), expect(inf, 0, temperature), expect(-inf, -inf, temperature);
  for (int64_t rows : {0, 2}) {
    Arena arena;
    Draw none(new_tensor(arena, DType::f32, {rows, 0}), {});
    CHECK_THROWS(none.run(), "sample_tokens: logits: axis V: expected at least 1");
  }

  // What is forbidden may hold anything; -inf beside a finite logit is fine.
  Arena arena;
  Tensor logits = normals<float>(arena, {2, V}, 3, 1);
  logits.as<float>()[1] = nan, logits.as<float>()[2] = -inf;
  Draw d(logits, {{"seed", 1}});
  d.call.in[2] = ints_of(arena, {1, 0, 1, 1, 1});
  d.run();
  CHECK(d.tokens()[0] != 1 && d.tokens()[0] != 2);
}

}  // namespace a2s::test
