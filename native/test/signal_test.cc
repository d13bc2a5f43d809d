// The real FFT against the defining sum, and what the resampler does to tones.
#include <numbers>

#include "core/math.h"
#include "core/rng.h"
#include "ops/resample/resample.h"
#include "ops/spectral/fft.h"
#include "ops/spectral/spectral.h"
#include "test/test.h"

namespace a2s::test {
namespace {

constexpr double kTurn = 2 * std::numbers::pi;

/** A block of kLanes random signals in the order that RealFft wants, and the signals themselves, [lane][sample]. */
template <class T>
struct Block {
  static constexpr int V = RealFft<T>::kLanes;
  const RealFft<T>& fft;
  Arena arena;
  T* rows;
  std::vector<double> x;

  explicit Block(int64_t n) : fft(RealFft<T>::plan(n)), rows(arena.alloc<T>(fft.rows() * V)), x(n * V) {
    for (int64_t i = 0; i < n * V; ++i) {
      x[i] = static_cast<T>(Rng{1, 5}.normal(n, i));
      rows[fft.slots()[i % n] * V + i / n] = static_cast<T>(x[i]);
    }
  }
  double sample(int lane, int64_t i) const { return x[lane * fft.size() + i]; }
};

/** Largest error of forward, relative to the largest bin, over a few lanes. */
template <class T>
double forward_error(int64_t n) {
  Block<T> b(n);
  b.fft.forward(b.rows);
  double worst = 0, scale = 0;
  for (int lane : {0, Block<T>::V - 1})
    for (int64_t f = 0; f <= n / 2; ++f) {
      double re = 0, im = 0;
      for (int64_t i = 0; i < n; ++i) {
        const double angle = kTurn * static_cast<double>(f * i % n) / static_cast<double>(n);
        re += b.sample(lane, i) * std::cos(angle), im -= b.sample(lane, i) * std::sin(angle);
      }
      worst = std::max({worst, std::fabs(re - b.rows[2 * f * b.V + lane]), std::fabs(im - b.rows[(2 * f + 1) * b.V + lane])});
      scale = std::max({scale, std::fabs(re), std::fabs(im)});
    }
  return worst / scale;
}

/** |<F x, g> - <x, F' g>| relative to |x| |g| sqrt(n), lane 1. */
template <class T>
double adjoint_error(int64_t n) {
  Block<T> b(n);
  std::vector<double> g(n + 2);
  b.fft.forward(b.rows);
  double left = 0, right = 0, size = 0;
  for (int64_t r = 0; r < n + 2; ++r) {
    g[r] = static_cast<T>(Rng{2, 5}.normal(n, r));
    left += b.rows[r * b.V + 1] * g[r];
    for (int v = 0; v < b.V; ++v) b.rows[r * b.V + v] = static_cast<T>(v == 1 ? g[r] : 7);
  }
  b.fft.adjoint(b.rows);
  for (int64_t i = 0; i < n; ++i) right += b.rows[b.fft.slots()[i] * b.V + 1] * b.sample(1, i), size += b.sample(1, i) * b.sample(1, i);
  return std::fabs(left - right) / (size * std::sqrt(static_cast<double>(n)));
}

std::vector<int64_t> supported_up_to(int64_t limit) {
  std::vector<int64_t> sizes;
  for (int64_t n = 0; n <= limit; ++n)
    if (RealFft<float>::supports(n)) sizes.push_back(n);
  return sizes;
}

/** One wave through resample, f32. */
std::vector<double> resampled(const std::vector<double>& x, int from, int to) {
  Arena arena;
  Call c(resample, test_context());
  c.set("from", from), c.set("to", to);
  c.in[0] = new_tensor(arena, DType::f32, {1, static_cast<int64_t>(x.size())});
  for (size_t i = 0; i < x.size(); ++i) c.in[0].as<float>()[i] = static_cast<float>(x[i]);
  apply(c, arena);
  return {c.out[0].as<float>(), c.out[0].as<float>() + c.out[0].size()};
}

std::vector<double> tone(double hz, int rate, int64_t n) {
  std::vector<double> x(n);
  for (int64_t i = 0; i < n; ++i) x[i] = std::sin(kTurn * hz * static_cast<double>(i) / rate);
  return x;
}

/** Mean square of y - reference away from the ends, in dB of a full-scale tone. */
double level(const std::vector<double>& y, const std::vector<double>& reference) {
  double sum = 0;
  const size_t edge = 400;
  for (size_t i = edge; i + edge < y.size(); ++i) sum += (y[i] - reference[i]) * (y[i] - reference[i]);
  return 10 * std::log10(2 * sum / static_cast<double>(y.size() - 2 * edge) + 1e-30);
}

}  // namespace

TEST(fft_supports_even_sizes_with_factors_2_3_5) {
  const std::vector<int64_t> want{4, 6, 8, 10, 12, 16, 18, 20, 24, 30, 32, 36, 40, 48, 50, 54, 60, 64};
  CHECK(supported_up_to(64) == want);
}

TEST(fft_equals_the_dft) {
  for (int64_t n : supported_up_to(400)) {
    CHECK_NEAR(forward_error<float>(n), 0, 4e-7);
    CHECK_NEAR(forward_error<double>(n), 0, 2e-14);
  }
  for (int64_t n : {512, 600, 1024, 1280, 1536, 1920, 2048, 2250}) CHECK_NEAR(forward_error<float>(n), 0, 4e-7);
}

TEST(fft_adjoint_is_the_transpose) {
  for (int64_t n : supported_up_to(2048)) {
    CHECK_NEAR(adjoint_error<float>(n), 0, 3e-7);
    CHECK_NEAR(adjoint_error<double>(n), 0, 1e-15);
  }
}

TEST(fft_keeps_energy) {
  for (int64_t n : {32, 54, 250, 1280, 2048}) {
    Block<double> b(n);
    b.fft.forward(b.rows);
    double time = 0, bins = 0;
    for (int64_t i = 0; i < n; ++i) time += b.sample(2, i) * b.sample(2, i);
    for (int64_t r = 0; r < n + 2; ++r) bins += (r < 2 || r >= n ? 1 : 2) * b.rows[r * b.V + 2] * b.rows[r * b.V + 2];
    CHECK_NEAR(bins / (static_cast<double>(n) * time), 1, 1e-13);
  }
}

TEST(fft_lanes_do_not_meet) {
  for (int64_t n : {6, 96, 250, 1024}) {
    Block<float> a(n), b(n);
    for (int64_t r = 0; r < n; ++r)
      for (int v = 1; v < a.V; ++v) b.rows[r * a.V + v] = static_cast<float>(r % 3 ? 1e30 : std::nan(""));
    a.fft.forward(a.rows), a.fft.forward(b.rows);
    for (int64_t r = 0; r < n + 2; ++r) CHECK(a.rows[r * a.V] == b.rows[r * a.V]);
  }
}

TEST(resample_keeps_tones_of_the_pass_band) {
  for (auto [from, to] : {std::pair{22050, 16000}, {16000, 22050}, {48000, 16000}, {44100, 22050}})
    for (double share : {0.01, 0.2, 0.5, 0.8, 0.89}) {
      const double hz = share * std::min(from, to) / 2;
      std::vector<double> y = resampled(tone(hz, from, from), from, to);
      CHECK(level(y, tone(hz, to, to)) < -110);
    }
}

TEST(resample_stops_what_would_alias) {
  for (auto [from, to] : {std::pair{22050, 16000}, {48000, 16000}, {44100, 22050}})
    for (double share : {1.0, 1.01, 1.03, 1.1, 1.3}) {
      const double hz = share * to / 2;
      if (hz >= from / 2) continue;
      std::vector<double> y = resampled(tone(hz, from, from), from, to);
      CHECK(level(y, std::vector<double>(y.size(), 0.0)) < -110);
    }
}

TEST(resample_makes_no_images) {
  // A band-limited tone comes back from a higher rate; what is left is images and pass-band ripple.
  std::vector<double> x = tone(3000, 16000, 16000);
  CHECK(level(resampled(resampled(x, 16000, 48000), 48000, 16000), x) < -110);
}

namespace {

using Attrs = std::vector<std::pair<const char*, double>>;

struct Ran {
  Arena arena;
  Call call;
  explicit Ran(const Op& op) : call(op, test_context()) {}
};

/** Forward and backward of `op` over items of x, each cut or padded with NaN to `size`. */
std::unique_ptr<Ran> run(const Op& op, const Attrs& attrs, const std::vector<std::vector<float>>& x, int64_t size) {
  auto r = std::make_unique<Ran>(op);
  const int64_t B = static_cast<int64_t>(x.size());
  r->call.in[0] = new_tensor(r->arena, DType::f32, {B, size});
  Tensor lengths = new_tensor(r->arena, DType::i32, {B});
  for (int64_t b = 0; b < B; ++b) {
    const int64_t n = lengths.as<int32_t>()[b] = static_cast<int32_t>(x[b].size());
    for (int64_t i = 0; i < size; ++i) r->call.in[0].as<float>()[b * size + i] = i < n ? x[b][i] : std::nanf("");
  }
  r->call.in[1] = lengths;
  for (auto& [name, value] : attrs) r->call.set(name, value);
  apply(r->call, r->arena);
  for (size_t j = 0; j < op.outputs.size(); ++j) {
    const Tensor& y = r->call.out[j];
    r->call.dout[j] = new_tensor(r->arena, DType::f32, y.shape());
    const int64_t T = y.dim(-1), R = y.size() / B / T;  // the gradient of element (r, t) does not depend on T
    for (int64_t i = 0; i < y.size(); ++i) r->call.dout[j].as<float>()[i] = std::sin(static_cast<float>(i / T % R * 1000 + i % T));
  }
  r->call.din[0] = new_tensor(r->arena, DType::f32, {B, size});
  run_backward(r->call);
  return r;
}

/** The same bits in every row of item b of `padded` as in `alone`, zeros beyond. */
void check_item(const Tensor& padded, const Tensor& alone, int64_t b) {
  const int64_t T = padded.dim(-1), n = alone.dim(-1), rows = alone.size() / n;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t t = 0; t < T; ++t)
      CHECK(padded.as<float>()[(b * rows + r) * T + t] == (t < n ? alone.as<float>()[r * n + t] : 0.f));
}

}  // namespace

TEST(padding_and_neighbours_change_no_bit) {
  std::vector<std::vector<float>> items;
  for (int64_t n : {3000, 41, 777, 5, 2999}) {
    items.emplace_back(n);
    for (int64_t i = 0; i < n; ++i) items.back()[i] = static_cast<float>(Rng{4, 5}.normal(n, i));
  }
  const std::pair<const Op*, Attrs> calls[] = {
      {&log_mel, {{"n_fft", 48}, {"hop", 11}, {"win", 37}, {"n_mels", 6}, {"pad", 1}, {"pre_emphasis", 0.9}}},
      {&log_mel, {{"n_fft", 128}, {"hop", 32}, {"n_mels", 9}, {"pad", 2}, {"power", 2}}},
      {&log_stft, {{"n_fft", 20}, {"hop", 5}, {"pad", 2}}},
      {&resample, {{"from", 22050}, {"to", 16000}}},
      {&resample, {{"from", 3}, {"to", 7}, {"zeros", 5}}},
  };
  for (auto& [op, attrs] : calls) {
    auto batch = run(*op, attrs, items, 3100);
    for (size_t b = 0; b < items.size(); ++b) {
      auto alone = run(*op, attrs, {items[b]}, static_cast<int64_t>(items[b].size()));
      for (size_t j = 0; j < op->outputs.size(); ++j) check_item(batch->call.out[j], alone->call.out[j], b);
      check_item(batch->call.din[0], alone->call.din[0], b);
    }
  }
}

TEST(float_logarithm_is_close) {
  for (int i = 0; i < 200000; ++i) {
    const float x = static_cast<float>(std::exp((Rng{3, 5}.uniform(0, i) - 0.5) * 170));
    const double want = std::log(static_cast<double>(x));
    CHECK_NEAR(math::log(x), want, 1.2e-7 * std::max(1.0, std::fabs(want)));
  }
  CHECK(math::log(0.f) == -HUGE_VALF && math::log(HUGE_VALF) == HUGE_VALF && math::log(1.f) == 0);
  CHECK(std::isnan(math::log(-1.f)) && std::isnan(math::log(std::nanf(""))));
}

}  // namespace a2s::test
