// A warp takes a row. The gradient of w is summed over kRows rows first, then over those sums, both in order.
#include <cstdint>
#include <initializer_list>

#include "core/launch.h"
#include "core/reduce.h"
#include "ops/layer_norm/layer_norm.h"

namespace a2s {
namespace {

constexpr int kWarps = 8;      // rows a block
constexpr int kColumns = 128;  // columns a block, one a thread
constexpr int64_t kRows = 64;  // rows a partial sum of the weight gradient

/** N neighbouring elements, which move in one access. */
template <class T, int N>
struct alignas(N * sizeof(T)) Pack {
  T at[N];
};
template <int N, class T>
__device__ inline Pack<T, N>& pack(T* p) {
  return *reinterpret_cast<Pack<T, N>*>(p);
}
template <int N, class T>
__device__ inline const Pack<T, N>& pack(const T* p) {
  return *reinterpret_cast<const Pack<T, N>*>(p);
}

/** Elements a pack of 16 bytes, or 1 where rows of C elements at these addresses are not aligned to that. */
template <class T>
int pack_size(int64_t C, std::initializer_list<const T*> rows) {
  constexpr int N = 16 / sizeof(T);
  bool aligned = C % N == 0;
  for (const T* p : rows) aligned = aligned && reinterpret_cast<uintptr_t>(p) % 16 == 0;
  return aligned ? N : 1;
}

/** f(i) for the start of each pack of a row that is this lane's. */
template <int N, class F>
__device__ inline void each_pack(int64_t C, F f) {
#pragma unroll 4
  for (int64_t i = threadIdx.x % kWarp * N; i < C; i += kWarp * N) f(i);
}

template <class T, int N>
__global__ void __launch_bounds__(kWarps * kWarp)
    rows_forward(const T* x, const T* w, T* y, T* mean, T* rstd, int64_t rows, int64_t C, T eps) {
  const int64_t row = int64_t{blockIdx.x} * kWarps + threadIdx.x / kWarp;
  if (row >= rows) return;
  x += row * C, y += row * C;
  T sum = 0, square = 0;
  each_pack<N>(C, [&](int64_t i) {
    const Pack<T, N> xs = pack<N>(x + i);
    for (int j = 0; j < N; ++j) sum += xs.at[j];
  });
  const T m = warp_sum(sum) / static_cast<T>(C);
  each_pack<N>(C, [&](int64_t i) {
    const Pack<T, N> xs = pack<N>(x + i);
    for (int j = 0; j < N; ++j) square += (xs.at[j] - m) * (xs.at[j] - m);
  });
  const T r = T(1) / std::sqrt(warp_sum(square) / static_cast<T>(C) + eps);
  each_pack<N>(C, [&](int64_t i) {
    const Pack<T, N> xs = pack<N>(x + i), ws = pack<N>(w + i);
    Pack<T, N> ys;
    for (int j = 0; j < N; ++j) ys.at[j] = (xs.at[j] - m) * r * ws.at[j];
    pack<N>(y + i) = ys;
  });
  if (threadIdx.x % kWarp == 0) mean[row] = m, rstd[row] = r;
}

template <class T, int N>
__global__ void __launch_bounds__(kWarps * kWarp) rows_backward(const T* x, const T* w, const T* dy, const T* mean, const T* rstd,
                                                                T* dx, bool add, int64_t rows, int64_t C) {
  const int64_t row = int64_t{blockIdx.x} * kWarps + threadIdx.x / kWarp;
  if (row >= rows) return;
  x += row * C, dy += row * C, dx += row * C;
  const T m = mean[row], r = rstd[row];
  T a = 0, b = 0;  // means of dy*w and of dy*w*xhat
  each_pack<N>(C, [&](int64_t i) {
    const Pack<T, N> xs = pack<N>(x + i), ws = pack<N>(w + i), ds = pack<N>(dy + i);
    for (int j = 0; j < N; ++j) {
      const T g = ds.at[j] * ws.at[j];
      a += g, b += g * (xs.at[j] - m) * r;
    }
  });
  a = warp_sum(a) / static_cast<T>(C), b = warp_sum(b) / static_cast<T>(C);
  each_pack<N>(C, [&](int64_t i) {
    const Pack<T, N> xs = pack<N>(x + i), ws = pack<N>(w + i), ds = pack<N>(dy + i);
    Pack<T, N> out = add ? pack<N>(dx + i) : Pack<T, N>{};
    for (int j = 0; j < N; ++j) out.at[j] += r * (ds.at[j] * ws.at[j] - a - (xs.at[j] - m) * r * b);
    pack<N>(dx + i) = out;
  });
}

/** partial[t, c] = sum of dy*xhat over rows t*kRows ... ; blocks are [t, tile of columns]. */
template <class T>
__global__ void __launch_bounds__(kColumns) weight_partials(const T* x, const T* dy, const T* mean, const T* rstd, T* partial,
                                                            int64_t rows, int64_t C, int64_t tiles) {
  const int64_t t = blockIdx.x / tiles, c = blockIdx.x % tiles * kColumns + threadIdx.x;
  if (c >= C) return;
  const int64_t begin = t * kRows, end = begin + kRows < rows ? begin + kRows : rows;
  T sum = 0;
#pragma unroll 8
  for (int64_t row = begin; row < end; ++row) sum += dy[row * C + c] * (x[row * C + c] - mean[row]) * rstd[row];
  partial[t * C + c] = sum;
}

template <class T>
__global__ void __launch_bounds__(kColumns) add_partials(const T* partial, T* dw, int64_t count, int64_t C) {
  const int64_t c = int64_t{blockIdx.x} * kColumns + threadIdx.x;
  if (c >= C) return;
  T sum = 0;
#pragma unroll 8
  for (int64_t t = 0; t < count; ++t) sum += partial[t * C + c];
  dw[c] += sum;
}

template <class T>
void forward(Call& c) {
  const T *x = c.in[0].as<T>(), *w = c.in[1].as<T>();
  T *y = c.out[0].as<T>(), *mean = c.saved[0].as<T>(), *rstd = c.saved[1].as<T>();
  const int64_t C = c.in[0].dim(-1), rows = c.saved[0].size();
  auto kernel = pack_size<T>(C, {x, w, y}) == 1 ? rows_forward<T, 1> : rows_forward<T, 16 / sizeof(T)>;
  launch(c, kernel, (rows + kWarps - 1) / kWarps, kWarps * kWarp, x, w, y, mean, rstd, rows, C, static_cast<T>(c.num("eps")));
}

template <class T>
void backward(Call& c) {
  const T *x = c.in[0].as<T>(), *w = c.in[1].as<T>(), *dy = c.dout[0].as<T>();
  const T *mean = c.saved[0].as<T>(), *rstd = c.saved[1].as<T>();
  const int64_t C = c.in[0].dim(-1), rows = c.saved[0].size();
  if (c.din[0]) {
    T* dx = c.din[0].as<T>();
    auto kernel = pack_size<T>(C, {x, w, dy, dx}) == 1 ? rows_backward<T, 1> : rows_backward<T, 16 / sizeof(T)>;
    launch(c, kernel, (rows + kWarps - 1) / kWarps, kWarps * kWarp, x, w, dy, mean, rstd, dx, c.adds, rows, C);
  }
  if (c.din[1]) {
    const int64_t tiles = (C + kColumns - 1) / kColumns, sums = (rows + kRows - 1) / kRows;
    T* partial = c.scratch<T>(sums * C);
    launch(c, weight_partials<T>, sums * tiles, kColumns, x, dy, mean, rstd, partial, rows, C, tiles);
    launch(c, add_partials<T>, tiles, kColumns, partial, c.din[1].as<T>(), sums, C);
  }
}

const CudaTwin twin{layer_norm, [](Call& c) { A2S_BY_DTYPE(c, forward); }, [](Call& c) { A2S_BY_DTYPE(c, backward); }};

}  // namespace
}  // namespace a2s
