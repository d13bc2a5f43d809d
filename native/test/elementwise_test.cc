// What the cases of the elementwise ops cannot say: NaN, and the dropout mask against its definition.
#include "ops/elementwise/dropout_mask.h"
#include "ops/elementwise/elementwise.h"
#include "test/test.h"

namespace a2s::test {

TEST(clamp_does_not_hide_nan) {
  Arena arena;
  Call c(clamp, test_context());
  c.in[0] = new_tensor(arena, DType::f32, {1, 3});
  float* x = c.in[0].as<float>();
  x[0] = NAN, x[1] = INFINITY, x[2] = -INFINITY;
  apply(c, arena);
  const float* y = c.out[0].as<float>();
  CHECK(std::isnan(y[0]) && y[1] == 1 && y[2] == -1);
}

TEST(dropout_mask_is_the_documented_stream_from_any_element_on) {
  const DropoutMask mask(0.25, 5, 3);
  const Rng rng{5, static_cast<uint32_t>(Stream::dropout) + 3 * 64};
  std::vector<float> fast(1200);
  std::vector<double> plain(1200);
  // The counter's high word changes inside the second range.
  for (uint64_t first : {uint64_t{3}, (uint64_t{1} << 34) - 601})
    for (int64_t n : {1, 31, 32, 33, 1200}) {
      mask.factors(7, first, n, fast.data());
      mask.factors(7, first, n, plain.data());
      for (int64_t i = 0; i < n; ++i) {
        const uint64_t e = first + i;
        const double want = rng.words(7, e / 4)[e % 4] >= 0x40000000u ? 1 / 0.75 : 0;
        CHECK(plain[i] == want && fast[i] == static_cast<float>(want));
      }
    }
}

TEST(dropout_keeps_the_mean_and_does_not_depend_on_the_batch) {
  constexpr int64_t B = 3, T = 200, C = 50;
  Arena arena;
  auto run = [&](int64_t items) {
    Call c(dropout, test_context());
    c.set("p", 0.2), c.set("seed", 11);
    c.in[0] = new_tensor(arena, DType::f32, {items, T, C});
    std::fill_n(c.in[0].as<float>(), items * T * C, 1.f);
    apply(c, arena);
    return c.out[0];
  };
  Tensor all = run(B), one = run(1);
  CHECK(!std::memcmp(all.data, one.data, one.bytes()));
  CHECK(std::memcmp(static_cast<char*>(all.data) + one.bytes(), one.data, one.bytes()));
  double sum = 0;
  for (int64_t i = 0; i < all.size(); ++i) sum += element(all, i);
  CHECK_NEAR(sum / static_cast<double>(all.size()), 1, 0.01);
}

}  // namespace a2s::test
