#include "ops/gemm/gemm.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include "core/cpu.h"
#include "core/math.h"
#include "core/simd.h"
#include "ops/gemm/gemm_kernel.h"

namespace a2s {
namespace {

using namespace gemm_detail;

/** Rows of A that a task packs at once. Many, because each pass over them packs B again; they may spill into the third
 *  level, from which a tile needs two bytes a cycle. */
template <class T>
constexpr int64_t kMaxTaskRows = 1536 / sizeof(T);
/** Below this much arithmetic (about 25 us) a task is not worth handing to another thread. */
constexpr double kTaskFlops = 3e6;
constexpr int64_t kTasksPerThread = 6;

template <class T>
const Kernels<T>& kernels() {
#if defined(__x86_64__)
  if (cpu_isa() >= Isa::avx512) return KernelsFor<T>::avx512;
  if (cpu_isa() >= Isa::avx2) return KernelsFor<T>::avx2;
#endif
  return KernelsFor<T>::baseline;
}

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/** Packed rows of A and one packed panel of B; each thread has its own, so gemm() also runs inside a parallel region. */
template <class T>
struct Buffers {
  Arena memory;
  T* a = memory.alloc<T>(kMaxTaskRows<T> * kRowStride);
  T* panel = memory.alloc<T>(kBlock * kMaxColumns<T>);
};

template <class T>
Buffers<T>& buffers() {
  thread_local Buffers<T> b;
  return b;
}

/** Stands for rows beyond the end of a matrix. */
template <class T>
constexpr T kZeros[std::max(kBlock, kMaxTaskRows<T>)] = {};

/** out[j * ld + i] = stored row (first + i), element (from + j), for i < rows (then zeros up to whole vectors), j < n. */
template <class T>
void transpose(const Matrix<T>& m, int64_t first, int64_t rows, int64_t padded, int64_t from, int64_t n, T* out, int64_t ld) {
  const Kernels<T>& k = kernels<T>();
  const T* row[kMaxColumns<T> / 2];
  for (int64_t i = 0; i < padded; i += k.lanes) {
    for (int64_t l = 0; l < k.lanes; ++l)
      row[l] = i + l < rows ? m.row(first + i + l) + from : kZeros<T>;
    k.transpose(row, n, out + i, ld);
  }
}

/** Rows [i, i + rows) and columns [k, k + kc) of A, one after another. */
template <class T>
void pack_rows(const Matrix<T>& A, int64_t i, int64_t rows, int64_t k, int64_t kc, T* out) {
  if (A.transposed) return transpose(A, k, kc, kc, i, rows, out, kRowStride);
  for (int64_t r = 0; r < rows; ++r) std::memcpy(out + r * kRowStride, A.row(i + r) + k, kc * sizeof(T));
}

/** Rows [k, k + kc) and columns [j, j + n) of B, with zeros up to the panel's width. */
template <class T>
void pack_panel(const Matrix<T>& B, int64_t k, int64_t kc, int64_t j, int64_t n, T* out) {
  const int64_t width = kernels<T>().columns;
  if (B.transposed) return transpose(B, j, n, width, k, kc, out, width);
  for (int64_t r = 0, run; r < kc; r += run) {
    run = n < width ? 1 : B.group ? std::min(kc - r, B.group - (k + r) % B.group) : kc;
    const T* from = B.row(k + r) + j;
    T* to = out + r * width;
    if (n == width) kernels<T>().copy(from, B.ld, run, to);
    else std::fill(std::copy_n(from, n, to), to + width, T(0));
  }
}

template <class T>
A2S_INLINE void finish_rows(T* c, int64_t ldc, int64_t rows, int64_t n, const T* bias, bool gelu, T* pre) {
  for (int64_t i = 0; i < rows; ++i, c += ldc) {
    if (bias)
      for (int64_t j = 0; j < n; ++j) c[j] += bias[j];
    if (pre) std::memcpy(pre + i * ldc, c, n * sizeof(T));
    if (gelu)
      for (int64_t j = 0; j < n; ++j) c[j] = math::gelu(c[j]);
  }
}
A2S_CLONES void finish(float* c, int64_t ldc, int64_t rows, int64_t n, const float* bias, bool gelu, float* pre) {
  finish_rows(c, ldc, rows, n, bias, gelu, pre);
}
void finish(double* c, int64_t ldc, int64_t rows, int64_t n, const double* bias, bool gelu, double* pre) {
  finish_rows(c, ldc, rows, n, bias, gelu, pre);
}

template <class T>
struct Product {
  int64_t M, N, K;
  const Matrix<T>& A;
  const Matrix<T>* B;  // or, when null, `packed`
  const T* packed;
  T* C;
  int64_t ldc;
  const Epilogue<T>& epilogue;
  const Kernels<T>& k = kernels<T>();

  int64_t panels() const { return ceil_div(N, k.columns); }
  void run(Pool& pool) const;
  void task(int64_t row_begin, int64_t row_end, int64_t panel_begin, int64_t panel_end) const;
  void tiles(int64_t rows, int64_t kc, const T* a, const T* panel, T* c, int64_t n, bool add) const;
};

/** C[rows, n] (+)= packed A · one panel, in tiles of nearly equal height. */
template <class T>
void Product<T>::tiles(int64_t rows, int64_t kc, const T* a, const T* panel, T* c, int64_t n, bool add) const {
  const int64_t count = ceil_div(rows, k.rows);
  for (int64_t t = 0; t < count; ++t) {
    const int64_t begin = rows * t / count, height = rows * (t + 1) / count - begin;
    T* out = c + begin * ldc;
    if (n == k.columns) {
      k.tile[height](kc, a + begin * kRowStride, panel, out, ldc, add);
      continue;
    }
    T edge[kMaxRows * kMaxColumns<T>];
    k.tile[height](kc, a + begin * kRowStride, panel, edge, k.columns, false);
    for (int64_t i = 0; i < height; ++i)
      for (int64_t j = 0; j < n; ++j) {
        const T sum = edge[i * k.columns + j];
        out[i * ldc + j] = add ? sum + out[i * ldc + j] : sum;
      }
  }
}

template <class T>
void Product<T>::task(int64_t row_begin, int64_t row_end, int64_t panel_begin, int64_t panel_end) const {
  Buffers<T>& buffer = buffers<T>();
  const int64_t rows = row_end - row_begin;
  const bool finishing = epilogue.bias || epilogue.gelu || epilogue.pre;
  for (int64_t k0 = 0; k0 == 0 || k0 < K; k0 += kBlock) {
    const int64_t kc = std::min(kBlock, K - k0);
    pack_rows(A, row_begin, rows, k0, kc, buffer.a);
    for (int64_t p = panel_begin; p < panel_end; ++p) {
      const int64_t j = p * k.columns, n = std::min<int64_t>(k.columns, N - j);
      const T* panel = buffer.panel;
      if (B) pack_panel(*B, k0, kc, j, n, buffer.panel);
      else panel = packed + k0 * panels() * k.columns + j * kc;
      T* c = C + row_begin * ldc + j;
      tiles(rows, kc, buffer.a, panel, c, n, k0 > 0 || epilogue.accumulate);
      if (finishing && k0 + kc == K)
        finish(c, ldc, rows, n, epilogue.bias ? epilogue.bias + j : nullptr, epilogue.gelu,
               epilogue.pre ? epilogue.pre + row_begin * ldc + j : nullptr);
    }
  }
}

/** Cuts C into tasks: as few row ranges as the buffers allow, then as many column ranges as there is work for. */
template <class T>
void Product<T>::run(Pool& pool) const {
  assert(ldc >= N);
  if (M == 0 || N == 0) return;
  const double flops = 2.0 * static_cast<double>(M) * static_cast<double>(N) * static_cast<double>(K);
  const int64_t most = pool.threads() == 1 ? 1 : pool.threads() * kTasksPerThread;
  const int64_t wanted = std::clamp<int64_t>(static_cast<int64_t>(flops / kTaskFlops), 1, most);
  int64_t row_tasks = ceil_div(M, kMaxTaskRows<T>);
  const int64_t column_tasks = std::min(ceil_div(wanted, row_tasks), panels());
  row_tasks = std::clamp(ceil_div(wanted, column_tasks), row_tasks, ceil_div(M, k.rows));
  pool.run(row_tasks * column_tasks, [&](int64_t t) {
    const int64_t r = t / column_tasks, c = t % column_tasks;
    task(M * r / row_tasks, M * (r + 1) / row_tasks, panels() * c / column_tasks, panels() * (c + 1) / column_tasks);
  });
}

template <class T>
Packed<T> pack_all(Pool& pool, int64_t K, int64_t N, const Matrix<T>& B, T* memory) {
  const int64_t width = kernels<T>().columns, panels = ceil_div(N, width);
  const int64_t grain = std::max<int64_t>(1, (1 << 18) / (width * std::max<int64_t>(1, K)));
  pool.ranges(panels, grain, [&](int64_t begin, int64_t end) {
    for (int64_t k = 0; k < K; k += kBlock)
      for (int64_t p = begin; p < end; ++p) {
        const int64_t kc = std::min(kBlock, K - k), j = p * width;
        pack_panel(B, k, kc, j, std::min(width, N - j), memory + k * panels * width + j * kc);
      }
  });
  return {memory, K, N};
}

}  // namespace

void gemm(Context ctx, int64_t M, int64_t N, int64_t K, const Matrix<float>& A, const Matrix<float>& B, float* C,
          int64_t ldc, const Epilogue<float>& e) {
  Product<float>{M, N, K, A, &B, nullptr, C, ldc, e}.run(ctx.pool);
}
void gemm(Context ctx, int64_t M, int64_t N, int64_t K, const Matrix<double>& A, const Matrix<double>& B, double* C,
          int64_t ldc, const Epilogue<double>& e) {
  Product<double>{M, N, K, A, &B, nullptr, C, ldc, e}.run(ctx.pool);
}
void gemm(Context ctx, int64_t M, const Matrix<float>& A, const Packed<float>& B, float* C, int64_t ldc,
          const Epilogue<float>& e) {
  Product<float>{M, B.N, B.K, A, nullptr, B.data, C, ldc, e}.run(ctx.pool);
}
void gemm(Context ctx, int64_t M, const Matrix<double>& A, const Packed<double>& B, double* C, int64_t ldc,
          const Epilogue<double>& e) {
  Product<double>{M, B.N, B.K, A, nullptr, B.data, C, ldc, e}.run(ctx.pool);
}

template <class T>
int64_t packed_size(int64_t K, int64_t N) {
  return K * ceil_div(N, kernels<T>().columns) * kernels<T>().columns;
}
template int64_t packed_size<float>(int64_t, int64_t);
template int64_t packed_size<double>(int64_t, int64_t);

Packed<float> pack(Context ctx, int64_t K, int64_t N, const Matrix<float>& B, float* memory) {
  return pack_all(ctx.pool, K, N, B, memory);
}
Packed<double> pack(Context ctx, int64_t K, int64_t N, const Matrix<double>& B, double* memory) {
  return pack_all(ctx.pool, K, N, B, memory);
}

}  // namespace a2s
