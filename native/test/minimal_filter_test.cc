// Convolutions by fewer products, against the sum that defines them in f64.
#include <cstring>

#include "core/rng.h"
#include "ops/conv/minimal_filter.h"
#include "test/test.h"

namespace a2s::test {
namespace {

/** A batch of lines, and what comes out of them where activations and a residual are wanted. */
template <class T>
struct Case {
  int64_t B, C, O, n, taps, dilation;
  int64_t context = (taps - 1) * dilation, x_step = context + n + 5, y_step = n + 3;
  Arena arena{};
  T* x = random(B * C * x_step, 1);
  T* w = random(O * C * taps, 2);
  T* bias = random(O, 3);
  T* residual = random(B * O * y_step, 4);
  T* alpha = random(O / 2, 5);
  T* filters = arena.alloc<T>(filters_size(O, C, taps));
  HalfSnake<T> activation{alpha, O / 2, T(0.1)};

  Case(int64_t B, int64_t C, int64_t O, int64_t n, int64_t taps, int64_t dilation) : B(B), C(C), O(O), n(n), taps(taps), dilation(dilation) {
    pack_filters(test_context(), O, C, taps, w, filters);
  }

  T* random(int64_t count, uint64_t sample) {
    T* values = arena.alloc<T>(count);
    for (int64_t i = 0; i < count; ++i) values[i] = static_cast<T>(Rng{9, static_cast<uint32_t>(Stream::test)}.normal(sample, static_cast<uint64_t>(i)));
    return values;
  }

  /** Outputs [t, t + count) of all items, in `y`, to which they are added. */
  void run(int64_t t, int64_t count, T* y, T* activated, const int32_t* lengths = nullptr) {
    const std::vector<int64_t> before(static_cast<size_t>(B), t);
    conv_lines<T>(test_context(), {.B = B, .C = C, .O = O, .n = count, .taps = taps, .dilation = dilation, .filters = filters, .bias = bias,
                                   .x = x + t, .x_step = x_step, .y = y + t, .y_step = y_step, .residual = y + t, .lengths = lengths,
                                   .before = before.data(), .activation = &activation, .activated = activated + t, .activated_step = y_step});
  }

  double expected(int64_t b, int64_t o, int64_t t) const {
    double sum = double(bias[o]) + double(residual[(b * O + o) * y_step + t]);
    for (int64_t c = 0; c < C; ++c)
      for (int64_t j = 0; j < taps; ++j) sum += double(w[(o * C + c) * taps + j]) * double(x[(b * C + c) * x_step + t + j * dilation]);
    return sum;
  }
};

template <class T>
void check_case(int64_t B, int64_t C, int64_t O, int64_t n, int64_t taps, int64_t dilation, double tolerance) {
  CHECK(minimally_filtered(O, C, taps));
  Case<T> c(B, C, O, n, taps, dilation);
  const int64_t size = B * O * c.y_step;
  std::vector<T> whole(c.residual, c.residual + size), activated(static_cast<size_t>(size)), line(static_cast<size_t>(n));
  const std::vector<int32_t> lengths{static_cast<int32_t>(n), static_cast<int32_t>(n / 3), 0};
  c.run(0, n, whole.data(), activated.data(), lengths.data());
  double largest = 0;
  for (int64_t o = 0; o < O; ++o) largest = std::max(largest, std::abs(c.expected(0, o, n / 2)));
  for (int64_t b = 0; b < B; ++b)
    for (int64_t o = 0; o < O; o += 7) {
      const T *y = whole.data() + (b * O + o) * c.y_step, *z = activated.data() + (y - whole.data());
      for (int64_t t = 0; t < n; ++t) CHECK_NEAR(double(y[t]), t < lengths[static_cast<size_t>(b)] ? c.expected(b, o, t) : 0, tolerance * largest);
      c.activation.line(o, y, line.data(), n);
      CHECK(!std::memcmp(line.data(), z, static_cast<size_t>(n) * sizeof(T)));
      CHECK(y[n] == c.residual[(b * O + o) * c.y_step + n]);  // nothing is written past the end
    }

  std::vector<T> portions(c.residual, c.residual + size);
  const Rng rng{3, static_cast<uint32_t>(Stream::test)};
  for (int64_t t = 0, i = 0; t < n; ++i) {
    const int64_t count = std::min(n - t, 1 + static_cast<int64_t>(rng.uniform(7, static_cast<uint64_t>(i)) * 40));
    c.run(t, count, portions.data(), activated.data());
    t += count;
  }
  std::vector<T> once(c.residual, c.residual + size);
  c.run(0, n, once.data(), activated.data());
  CHECK(portions == once);
}

}  // namespace

TEST(minimal_filter_sums_every_tap_wherever_a_portion_begins) {
  for (int64_t dilation : {1, 2, 3, 5, 6, 9}) {  // the last two are beyond its vectors
    check_case<float>(3, 134, 137, 75, 3, dilation, 1e-5);
    check_case<float>(2, 104, 101, 61, 4, dilation, 1e-5);
    check_case<float>(2, 80, 85, 67, 5, dilation, 1e-5);
    check_case<float>(3, 61, 58, 301, 7, dilation, 1e-5);
    check_case<float>(1, 37, 50, 1500, 11, dilation, 1e-5);
    check_case<float>(1, 32, 32, 40, 13, dilation, 1e-5);  // panels of eight filters
    check_case<double>(2, 67, 68, 83, 6, dilation, 1e-13);
    check_case<double>(1, 52, 53, 131, 8, dilation, 1e-13);
  }
}

}  // namespace a2s::test
