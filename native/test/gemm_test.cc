// gemm() against a plain product in a wider type, and the promise that an element's bits depend on its row, its column
// and K alone.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <vector>

#include "core/cpu.h"
#include "core/math.h"
#include "core/rng.h"
#include "nn/packed_linear.h"
#include "ops/gemm/gemm.h"
#include "ops/gemm/gemm_kernel.h"
#include "ops/elementwise/elementwise.h"
#include "ops/linear/linear.h"
#include "test/test.h"

namespace a2s::test {
namespace {

template <class T>
std::vector<T> noise(int64_t n, uint64_t seed) {
  std::vector<T> v(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) v[i] = static_cast<T>(Rng{seed, 7}.normal(0, i));
  return v;
}

/** The nearest bf16: eight bits of a fraction, ties to even. */
float to_bf16(float x) {
  int exponent;
  const float fraction = std::frexp(x, &exponent);
  return std::isfinite(x) ? std::ldexp(std::nearbyint(std::ldexp(fraction, 8)), exponent - 8) : x;
}

/** Numbers that products in a context with or without bf16 take as they are. */
template <class T>
std::vector<T> operand(int64_t n, uint64_t seed, bool bf16) {
  auto v = noise<T>(n, seed);
  if (bf16) std::ranges::transform(v, v.begin(), [](T x) { return static_cast<T>(to_bf16(static_cast<float>(x))); });
  return v;
}

Context context_in(bool bf16) { return {test_pool(), test_scratch(), nullptr, bf16}; }

template <class T>
T at(const Matrix<T>& m, int64_t i, int64_t j) {
  return m.transposed ? m.row(j)[i] : m.row(i)[j];
}

/** Fails unless |C - A·B| stays below the rounding of a sum of K products. */
template <class T>
void check_product(int64_t M, int64_t N, int64_t K, const Matrix<T>& A, const Matrix<T>& B, const T* C, int64_t ldc) {
  const double eps = sizeof(T) == 4 ? 6e-8 : 1.2e-16;
  for (int64_t i = 0; i < M; ++i)
    for (int64_t j = 0; j < N; ++j) {
      long double sum = 0, size = 0;
      for (int64_t k = 0; k < K; ++k) {
        const long double p = static_cast<long double>(at(A, i, k)) * at(B, k, j);
        sum += p, size += p < 0 ? -p : p;
      }
      CHECK_NEAR(C[i * ldc + j], static_cast<double>(sum), 1e-30 + 12 * eps * static_cast<double>(size));
    }
}

template <class T>
Packed<T> packed_copy(const Context& ctx, int64_t K, int64_t N, const Matrix<T>& B, std::vector<T>& memory) {
  memory.assign(static_cast<size_t>(packed_size<T>(K, N, ctx.bf16)), T(NAN));
  return pack(ctx, K, N, B, memory.data());
}

template <class T>
void all_forms(int64_t M, int64_t N, int64_t K, bool bf16 = false) {
  Context ctx = context_in(bf16);
  const int64_t pad = 3, ldc = N + 2;
  auto padded = [&](int64_t n, int64_t whole) { return whole ? (n + whole - 1) / whole * whole : n + pad; };
  for (bool ta : {false, true})
    for (bool tb : {false, true}) {
      // Rows of A a multiple of 4 KiB apart are packed, others are read where they lie.
      const int64_t lda = padded(ta ? M : K, tb ? 1024 : 0), ldb = (tb ? K : N) + pad;
      const auto a = operand<T>((ta ? K : M) * lda, 1, bf16), b = operand<T>((tb ? N : K) * ldb, 2, bf16);
      const Matrix<T> A{a.data(), lda, ta}, B{b.data(), ldb, tb};
      std::vector<T> c(static_cast<size_t>(M * ldc), T(-9)), d = c;
      gemm(ctx, M, N, K, A, B, c.data(), ldc);
      check_product(M, N, K, A, B, c.data(), ldc);
      for (int64_t i = 0; i < M; ++i) CHECK(c[i * ldc + N] == -9 && c[i * ldc + N + 1] == -9);
      std::vector<T> memory;
      gemm(ctx, M, A, packed_copy(ctx, K, N, B, memory), d.data(), ldc);
      CHECK(c == d);
    }
}

}  // namespace

TEST(gemm_matches_a_plain_product) {
  const int64_t sizes[][3] = {{1, 1, 1},   {1, 33, 5},    {2, 7, 300},   {13, 65, 257}, {24, 100, 512}, {37, 31, 29},
                              {100, 3, 9}, {391, 40, 31}, {12, 512, 16}, {5, 64, 770},  {800, 17, 3}, {3, 70, 1600},
                              {40, 130, 800}};  // columns are cut, and a thread keeps its rows of A
  for (auto [M, N, K] : sizes) {
    all_forms<float>(M, N, K);
    all_forms<float>(M, N, K, true);
    all_forms<double>(M, N, K);
  }
}

TEST(gemm_of_nothing) {
  Context ctx = test_context();
  float c[6] = {1, 2, 3, 4, 5, 6}, bias[3] = {10, 20, 30}, none = 0;
  gemm(ctx, 0, 3, 4, {&none, 4}, {&none, 3}, c, 3);
  gemm(ctx, 2, 0, 4, {&none, 4}, {&none, 0}, c, 3);
  CHECK(c[0] == 1 && c[5] == 6);
  gemm(ctx, 2, 3, 0, {&none, 0}, {&none, 3}, c, 3, {.accumulate = true, .bias = bias});
  CHECK(c[0] == 11 && c[5] == 36);
  gemm(ctx, 2, 3, 0, {&none, 0}, {&none, 3}, c, 3);
  CHECK(c[0] == 0 && c[5] == 0);
}

TEST(gemm_epilogue) {
  Context ctx = test_context();
  const int64_t M = 29, N = 45, K = 800;
  const auto a = noise<double>(M * K, 1), b = noise<double>(K * N, 2), bias = noise<double>(N, 3), old = noise<double>(M * N, 4);
  std::vector<double> plain(M * N), pre(M * N), c = old;
  gemm(ctx, M, N, K, {a.data(), K}, {b.data(), N}, plain.data(), N);
  gemm(ctx, M, N, K, {a.data(), K}, {b.data(), N}, c.data(), N, {.accumulate = true, .bias = bias.data(), .gelu = true, .pre = pre.data()});
  for (int64_t i = 0; i < M * N; ++i) {
    CHECK_NEAR(pre[i], plain[i] + old[i] + bias[i % N], 1e-12);
    CHECK_NEAR(c[i], math::gelu(pre[i]), 0);
  }
}

static void check_windows(bool bf16) {
  // Windows of 3 frames of 13 channels over 2 padded items of 9 frames: row (b, t) starts at frame t of item b.
  Context ctx = context_in(bf16);
  const int64_t items = 2, frames = 9, channels = 13, taps = 3, windows = frames - taps + 1, N = 34, K = taps * channels;
  const auto x = operand<float>(items * frames * channels, 1, bf16), w = operand<float>(N * K, 2, bf16),
             dy = operand<float>(items * windows * N, 3, bf16);
  const Matrix<float> rows{x.data(), channels, false, windows, frames * channels};
  std::vector<float> y(items * windows * N), dw(N * K), gathered;
  for (int64_t r = 0; r < items * windows; ++r) gathered.insert(gathered.end(), rows.row(r), rows.row(r) + K);
  gemm(ctx, items * windows, N, K, rows, {w.data(), K, true}, y.data(), N);
  check_product(items * windows, N, K, {gathered.data(), K}, {w.data(), K, true}, y.data(), N);
  gemm(ctx, N, K, items * windows, {dy.data(), N, true}, rows, dw.data(), K);
  check_product(N, K, items * windows, {dy.data(), N, true}, {gathered.data(), K}, dw.data(), K);
}

TEST(gemm_reads_overlapping_rows_and_groups) { check_windows(false), check_windows(true); }

static void check_rows_alone(bool bf16) {
  Context ctx = context_in(bf16);
  const int64_t M = 101, N = 130, K = 1000;
  const auto a = noise<float>(M * K, 1), b = noise<float>(K * N, 2), bias = noise<float>(N, 3);
  std::vector<float> memory, whole(M * N), part(M * N);
  const Packed<float> packed = packed_copy<float>(ctx, K, N, {b.data(), N}, memory);
  const Epilogue<float> epilogue{.bias = bias.data(), .gelu = true};
  gemm(ctx, M, N, K, {a.data(), K}, {b.data(), N}, whole.data(), N, epilogue);
  for (int64_t count : {1, 2, 5, 12, 13, 16, 24, 40, 100}) {
    for (int64_t i = 0; i < M; i += count)
      gemm(ctx, std::min(count, M - i), {a.data() + i * K, K}, packed, part.data() + i * N, N, epilogue);
    CHECK(part == whole);
  }
  gemm(ctx, M, 1, K, {a.data(), K}, {b.data() + 77, N}, part.data(), 1, {.bias = bias.data() + 77, .gelu = true});
  for (int64_t i = 0; i < M; ++i) CHECK(part[i] == whole[i * N + 77]);
}

TEST(gemm_rows_do_not_depend_on_other_rows) { check_rows_alone(false), check_rows_alone(true); }

TEST(gemm_rounds_to_the_nearest_bf16_ties_to_even) {
  const float one_up = 1 + 0x1p-7f, tie = 1 + 0x1p-8f, tie_up = one_up + 0x1p-8f, huge = 0x1.fffffep127f;
  std::vector<float> x{1, tie, std::nextafter(tie, 2.f), tie_up, -tie, 0, -0.f, huge, INFINITY, -INFINITY, NAN};
  for (float v : noise<float>(200, 1)) x.push_back(v);
  const int64_t n = static_cast<int64_t>(x.size());
  std::vector<float> by_row(n), by_column(n), unit{1};
  Context ctx = context_in(true);
  gemm(ctx, n, 1, 1, {x.data(), 1}, {unit.data(), 1}, by_row.data(), 1);
  gemm(ctx, 1, n, 1, {unit.data(), 1}, {x.data(), n}, by_column.data(), n);
  CHECK(by_row[1] == 1 && by_row[2] == one_up && by_row[3] == 1 + 0x1p-6f && by_row[4] == -1);
  for (int64_t i = 0; i < n; ++i) {
    const float expected = to_bf16(x[i]);
    CHECK(std::isnan(x[i]) ? std::isnan(by_row[i]) && std::isnan(by_column[i]) : by_row[i] == expected && by_column[i] == expected);
  }
}

template <class T>
void check_together(bool bf16, int64_t N, int64_t K, std::vector<int64_t> rows) {
  const auto b = noise<T>(K * N, 2), bias = noise<T>(N, 3);
  Pool pool(static_cast<int>(rows.size()));
  Arena scratch;
  const Context whole{pool, scratch, nullptr, bf16};
  std::vector<T> memory(packed_size<T>(K, N, bf16));
  const Packed<T> packed = pack(whole, K, N, {b.data(), N}, memory.data());
  Team team(pool, std::ssize(rows));
  std::atomic<int> wrong{0};
  const bool ran = pool.run_together(std::ssize(rows), [&](int64_t m) {
    Arena own;
    Team::Member member(team, m);
    const Context ctx{pool, own, nullptr, bf16, nullptr, &member};
    const int64_t M = rows[m];
    const auto a = noise<T>(M * K, 10 + m), more = noise<T>(M * N, 20 + m);
    for (const Epilogue<T>& e : {Epilogue<T>{}, Epilogue<T>{.bias = bias.data(), .gelu = true, .residual = more.data()}}) {
      std::vector<T> together(M * N), alone(M * N);
      gemm_together(ctx, M, a.data(), packed, together.data(), e);
      gemm(ctx, M, {a.data(), K}, packed, alone.data(), N, e);
      wrong += together != alone;
    }
  });
  CHECK(ran && wrong == 0);
}

TEST(gemm_together_gives_the_bits_of_gemm) {
  for (bool bf16 : {false, true}) {
    check_together<float>(bf16, 300, 900, {5, 0, 7});
    check_together<float>(bf16, 33, 70, {1});
    check_together<float>(bf16, 600, 769, {100, 90, 70});  // more than a buffer holds
    check_together<float>(bf16, 40, 10000, {3, 2});        // too deep for it
  }
  check_together<double>(false, 100, 800, {6, 13});
}

TEST(packed_linear_gives_the_bits_of_linear) {
  const int64_t O = 520, C = 300;
  auto w = noise<float>(O * C, 1);
  for (bool bf16 : {false, true})
    for (int64_t rows : {1, 2, 30}) {
      Arena arena;
      Tape tape(context_in(bf16), arena, Tape::Mode::infer);
      auto drawn = noise<float>(rows * C, 2);
      Var* x = tape.constant(make_tensor(drawn.data(), DType::f32, {rows, C}));
      const Tensor weight = make_tensor(w.data(), DType::f32, {O, C});
      const PackedLinear packed(context_in(bf16), arena, weight);
      const Tensor y = packed.apply(tape, x)->value, sum = packed.apply(tape, x, {.residual = tape.constant(y)})->value;
      CHECK(!std::memcmp(y.data, tape.apply(linear, {x, tape.constant(weight)})->value.data, y.bytes()));
      CHECK(!std::memcmp(sum.data, tape.apply(add, {tape.constant(y), tape.constant(y)})->value.data, y.bytes()));
    }
}

TEST(gemm_sees_that_an_operand_has_changed) {
  Context ctx = test_context();
  const int64_t M = 40, N = 130, K = 70;
  const auto b = noise<float>(K * N, 2);
  std::vector<float> a, c(M * N);
  for (uint64_t seed : {1, 2}) {
    a = noise<float>(M * K, seed);
    gemm(ctx, M, N, K, {a.data(), K}, {b.data(), N}, c.data(), N);
    check_product<float>(M, N, K, {a.data(), K}, {b.data(), N}, c.data(), N);
  }
}

TEST(gemm_same_bits_for_any_number_of_threads) {
  const int64_t N = 300, K = 900;
  const auto b = noise<float>(K * N, 2);
  for (int64_t M : {500, 90}) {
    const auto a = noise<float>(M * K, 1);
    std::vector<float> first(M * N), c(M * N);
    for (bool bf16 : {false, true})
      for (int threads : {1, 2, 3, 5}) {
        Pool pool(threads);
        gemm({pool, test_scratch(), nullptr, bf16}, M, N, K, {a.data(), M, true}, {b.data(), K, true}, c.data(), N);
        if (threads == 1) first = c;
        CHECK(c == first);
      }
  }
}

TEST(gemm_passes_on_nan_and_infinity) {
  Context ctx = test_context();
  const int64_t N = 20;
  std::vector<float> a{NAN, 1, INFINITY, 0}, b(2 * N, 0.f), c(2 * N);
  b[N] = 1;
  gemm(ctx, 2, N, 2, {a.data(), 2}, {b.data(), N}, c.data(), N);
  CHECK(std::isnan(c[0]) && std::isnan(c[N - 1]) && std::isnan(c[N]));
}

/** Every kernel this CPU can run, not only the chosen ones; those of bf16 on `columns` columns. */
static void check_bf16_kernels(const gemm_detail::Bf16Kernels& k, int64_t columns) {
  using namespace gemm_detail;
  const int64_t kc = 59, deep = 64;
  const auto a = operand<float>(kMaxRows * kc, 1, true), b = operand<float>(deep * columns, 2, true);
  std::vector<float> rows(kMaxRows * kRowStride), c(kMaxRows * columns);
  std::vector<Bf16> panel(deep * columns);
  for (int64_t i = 0; i < kMaxRows; ++i) k.round(a.data() + i * kc, kc, rows.data() + i * kRowStride);
  k.pair(b.data(), deep / 2, panel.data());
  for (int height = 1; height <= k.rows; ++height) {
    if (k.enter) k.enter();
    k.tile[height](deep, rows.data(), kRowStride, panel.data(), c.data(), columns, false);
    if (k.leave) k.leave();
    check_product<float>(height, columns, kc, {a.data(), kc}, {b.data(), columns}, c.data(), columns);
  }
}

template <class T>
static void check_kernels(const gemm_detail::Kernels<T>& k) {
  const int64_t kc = 59, stride = 61;
  const auto a = noise<T>(std::max<int64_t>(k.rows, k.lanes) * stride, 1), panel = noise<T>(kc * k.columns, 2);
  std::vector<T> stored(kc * (k.rows + 3)), across(kc * k.rows);
  for (int64_t j = 0; j < kc; ++j)
    for (int i = 0; i < k.rows; ++i) stored[j * (k.rows + 3) + i] = a[i * stride + j];
  for (int rows = 1; rows <= k.rows; ++rows)
    for (bool add : {false, true}) {
      k.gather[rows](stored.data(), k.rows + 3, kc, across.data());
      const auto old = noise<T>(rows * k.columns, 3);
      auto c = old, d = old;
      k.tile[rows](kc, a.data(), stride, panel.data(), c.data(), k.columns, add);
      k.across[rows](kc, across.data(), 0, panel.data(), d.data(), k.columns, add);
      CHECK(c == d);
      if (add)
        for (size_t i = 0; i < c.size(); ++i) c[i] -= old[i];
      check_product(rows, k.columns, kc, Matrix<T>{a.data(), stride}, Matrix<T>{panel.data(), k.columns}, c.data(), k.columns);
    }
  std::vector<const T*> rows;
  for (int i = 0; i < k.lanes; ++i) rows.push_back(a.data() + i * 40);
  std::vector<T> out(37 * (k.lanes + 1));
  k.transpose(rows.data(), 37, out.data(), k.lanes + 1);
  for (int64_t j = 0; j < 37; ++j)
    for (int i = 0; i < k.lanes; ++i) CHECK(out[j * (k.lanes + 1) + i] == a[i * 40 + j]);
}

TEST(gemm_kernels_of_every_instruction_set) {
  using namespace gemm_detail;
  check_kernels(KernelsFor<float>::baseline), check_kernels(KernelsFor<double>::baseline);
  check_bf16_kernels(Bf16KernelsFor::baseline, KernelsFor<float>::baseline.columns);
#if defined(__x86_64__)
  if (cpu_isa() >= Isa::avx2) check_kernels(KernelsFor<float>::avx2), check_kernels(KernelsFor<double>::avx2);
  if (cpu_isa() >= Isa::avx512) check_kernels(KernelsFor<float>::avx512), check_kernels(KernelsFor<double>::avx512);
  if (cpu_isa() >= Isa::avx2) check_bf16_kernels(Bf16KernelsFor::avx2, KernelsFor<float>::avx2.columns);
  const int64_t columns = KernelsFor<float>::avx512.columns;
  if (cpu_isa() >= Isa::avx512) check_bf16_kernels(Bf16KernelsFor::avx512, columns);
  if (cpu_isa() >= Isa::avx512bf16) check_bf16_kernels(Bf16KernelsFor::avx512bf16, columns);
  if (cpu_isa() >= Isa::amx) check_bf16_kernels(Bf16KernelsFor::amx, columns);
#endif
}

}  // namespace a2s::test
