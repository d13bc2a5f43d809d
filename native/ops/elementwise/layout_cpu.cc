// mask_rows, mask_time, transpose.
#include <algorithm>

#include "ops/elementwise/elementwise.h"
#include "ops/elementwise/transpose4.h"
#include "ops/sequence/lengths.h"

namespace a2s {
namespace {

constexpr int64_t kGrain = 1 << 15;  // elements a task
constexpr int64_t kBand = 16;        // rows of a transposed matrix that are written together: a cache line of each source row

/** Copies the first lengths[b] rows of each item and zeroes the rest. */
template <class T>
void copy_rows(Call& c, const Tensor& from, const Tensor& to) {
  const int64_t B = from.dim(0), rows = from.dim(1), C = from.dim(2);
  const T* x = from.as<T>();
  T* y = to.as<T>();
  c.ctx.pool.ranges(B * rows, kGrain / std::max<int64_t>(1, C), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      if (r % rows < length_of(c.in[1], r / rows, rows)) std::copy_n(x + r * C, C, y + r * C);
      else std::fill_n(y + r * C, C, T(0));
  });
}

/** Copies the first lengths[b] elements of each row of an item and zeroes the rest. */
template <class T>
void copy_time(Call& c, const Tensor& from, const Tensor& to) {
  const int64_t B = from.dim(0), C = from.dim(1), frames = from.dim(2);
  const T* x = from.as<T>();
  T* y = to.as<T>();
  c.ctx.pool.ranges(B * C, kGrain / std::max<int64_t>(1, frames), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      const int64_t valid = length_of(c.in[1], r / C, frames);
      std::copy_n(x + r * frames, valid, y + r * frames);
      std::fill_n(y + r * frames + valid, frames - valid, T(0));
    }
  });
}

/** y[n, m] = x[m, n] for m < M and n in [begin, end). */
void transpose_band(const double* x, int64_t M, int64_t N, int64_t begin, int64_t end, double* y) {
  for (int64_t m = 0; m < M; ++m)
    for (int64_t n = begin; n < end; ++n) y[n * M + m] = x[m * N + n];
}
void transpose_band(const float* x, int64_t M, int64_t N, int64_t begin, int64_t end, float* y) {
  int64_t m = 0;
  for (; m + 4 <= M; m += 4) {
    int64_t n = begin;
    for (; n + 4 <= end; n += 4) transpose4(x + m * N + n, N, y + n * M + m, M);
    for (; n < end; ++n)
      for (int64_t i = m; i < m + 4; ++i) y[n * M + i] = x[i * N + n];
  }
  for (; m < M; ++m)
    for (int64_t n = begin; n < end; ++n) y[n * M + m] = x[m * N + n];
}

/** [B, M, N] to [B, N, M]. */
template <class T>
void swap_axes(Call& c, const Tensor& from, const Tensor& to) {
  const int64_t B = from.dim(0), M = from.dim(1), N = from.dim(2), bands = (N + kBand - 1) / kBand;
  const T* x = from.as<T>();
  T* y = to.as<T>();
  c.ctx.pool.ranges(B * bands, kGrain / std::max<int64_t>(1, M * kBand), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t item = i / bands * M * N, n = i % bands * kBand;
      transpose_band(x + item, M, N, n, std::min(n + kBand, N), y + item);
    }
  });
}

template <class T>
void rows_forward(Call& c) { copy_rows<T>(c, c.in[0], c.out[0]); }
template <class T>
void rows_backward(Call& c) { if (c.din[0]) copy_rows<T>(c, c.dout[0], c.din[0]); }
template <class T>
void time_forward(Call& c) { copy_time<T>(c, c.in[0], c.out[0]); }
template <class T>
void time_backward(Call& c) { if (c.din[0]) copy_time<T>(c, c.dout[0], c.din[0]); }
template <class T>
void swap_forward(Call& c) { swap_axes<T>(c, c.in[0], c.out[0]); }
template <class T>
void swap_backward(Call& c) { if (c.din[0]) swap_axes<T>(c, c.dout[0], c.din[0]); }

}  // namespace

void mask_rows_check(const Call& c) { check_ints(c, 1, 0, c.in[0].dim(1)); }
void mask_rows_forward(Call& c) { A2S_BY_DTYPE(c, rows_forward); }
void mask_rows_backward(Call& c) { A2S_BY_DTYPE(c, rows_backward); }
void mask_time_check(const Call& c) { check_ints(c, 1, 0, c.in[0].dim(2)); }
void mask_time_forward(Call& c) { A2S_BY_DTYPE(c, time_forward); }
void mask_time_backward(Call& c) { A2S_BY_DTYPE(c, time_backward); }
void transpose_forward(Call& c) { A2S_BY_DTYPE(c, swap_forward); }
void transpose_backward(Call& c) { A2S_BY_DTYPE(c, swap_backward); }

}  // namespace a2s
