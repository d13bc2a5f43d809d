#include "ops/gemm/gemm.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cstring>
#include <type_traits>

#include "core/cpu.h"
#include "core/math.h"
#include "core/simd.h"
#include "ops/gemm/gemm_kernel.h"

namespace a2s {
namespace {

using namespace gemm_detail;

/** Rows of A that a task packs at once; they may spill into the third level, from which a tile needs two bytes a cycle. */
template <class T>
constexpr int64_t kMaxTaskRows = 1536 / sizeof(T);
/** Below this much arithmetic (about 12 us) a task is not worth handing to another thread, or to one that has to be woken. */
constexpr double kTaskFlops = 1.5e6, kWakingTaskFlops = 3e6;
/** Reading a byte of B takes as long as so much arithmetic: what products of few rows wait for. */
constexpr double kByteFlops = 5;
constexpr int64_t kTasksPerThread = 16;
/** Parts of a product that a team makes, for each member. */
constexpr int64_t kTogetherParts = 6;
/** Tiles of rows that a task has at least when B is packed for all of them. */
constexpr int64_t kTaskTiles = 2;
/** What is packed of B at once for all tasks; it stays in a third-level cache. */
constexpr int64_t kPortionBytes = 4 << 20;
/** Stored rows of a transposed A that are taken to their tiles at a time. */
constexpr int64_t kGathered = 16;
/** Rows of a panel that are packed as f32 before they become bf16. */
constexpr int64_t kStripRows = 2 * kBf16Step;

template <class T>
const Kernels<T>& kernels() {
#if defined(__x86_64__)
  if (cpu_isa() >= Isa::avx512) return KernelsFor<T>::avx512;
  if (cpu_isa() >= Isa::avx2) return KernelsFor<T>::avx2;
#endif
  return KernelsFor<T>::baseline;
}

const Bf16Kernels& bf16_kernels() {
#if defined(__x86_64__)
  switch (cpu_isa()) {
    case Isa::amx: return Bf16KernelsFor::amx;
    case Isa::avx512bf16: return Bf16KernelsFor::avx512bf16;
    case Isa::avx512: return Bf16KernelsFor::avx512;
    case Isa::avx2: return Bf16KernelsFor::avx2;
    case Isa::baseline: break;
  }
#endif
  return Bf16KernelsFor::baseline;
}

/** Those that multiply T with panels of P. */
template <class T, class P>
const Tiles<T, P>& tiles_of() {
  if constexpr (std::is_same_v<T, P>) return kernels<T>();
  else return bf16_kernels();
}

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

/** How many k a packed block of kc has. */
template <class P>
int64_t depth(int64_t kc) {
  return std::is_same_v<P, Bf16> ? ceil_div(kc, kBf16Step) * kBf16Step : kc;
}

/** Packed rows of A and packed panels of B; each thread has its own, so gemm() also runs inside a parallel region. */
template <class T>
struct Buffers {
  Arena memory;
  T* a = memory.alloc<T>(kMaxTaskRows<T> * kRowStride);
  T* panel = memory.alloc<T>(kBlock * kMaxColumns<T>);
  T* strip = memory.alloc<T>(kStripRows * kMaxColumns<T>);

  /** What `a` holds: rows [row_begin, row_end) of block k0, or of all from there where there is room, of the product with this number. */
  struct Packing {
    uint64_t product = 0;
    int64_t row_begin = 0, row_end = 0, k0 = 0;
    bool operator==(const Packing&) const = default;
  } holds;

  /** Room for a portion of B. */
  T* portion() { return portion_ ? portion_ : portion_ = memory.alloc<T>(kPortionBytes / sizeof(T)); }

 private:
  T* portion_ = nullptr;
};

template <class T>
Buffers<T>& buffers() {
  thread_local Buffers<T> b;
  return b;
}

/** Another number for each product. */
uint64_t next_number() {
  constexpr uint64_t kTaken = 4096;  // at once: threads that multiply for themselves would wait for each other's line
  static std::atomic<uint64_t> taken{0};
  thread_local uint64_t last = 0;
  if (last % kTaken == 0) last = taken.fetch_add(kTaken, std::memory_order_relaxed);
  return ++last;
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

/** The rows of A in tiles of nearly equal height: where tile t of `count` begins. */
int64_t tile_begin(int64_t rows, int64_t t, int64_t count) { return rows * t / count; }

/** Rows [i, i + rows) and columns [k, k + kc) of an A that is stored transposed, tile after tile, each [kc][height]. A few stored rows at a time,
 *  so that they are read in order. */
template <class T>
void gather_tiles(const Matrix<T>& A, int64_t i, int64_t rows, int64_t k, int64_t kc, T* out) {
  const int64_t count = ceil_div(rows, kernels<T>().rows);
  for (int64_t r = 0, run; r < kc; r += run) {
    run = std::min(kGathered, kc - r);
    if (A.group) run = std::min(run, A.group - (k + r) % A.group);
    const T* from = A.row(k + r) + i;
    for (int64_t t = 0; t < count; ++t) {
      const int64_t begin = tile_begin(rows, t, count), height = tile_begin(rows, t + 1, count) - begin;
      kernels<T>().gather[height](from + begin, A.ld, run, out + begin * kc + r * height);
    }
  }
}

/** Rows [i, i + rows) and columns [k, k + kc) of A, kRowStride apart, or, of a transposed one that stays T, in tiles. */
template <class T, class P>
void pack_rows(const Matrix<T>& A, int64_t i, int64_t rows, int64_t k, int64_t kc, T* out) {
  if constexpr (std::is_same_v<P, Bf16>) {
    if (A.transposed) transpose(A, k, kc, kc, i, rows, out, kRowStride);
    for (int64_t r = 0; r < rows; ++r, out += kRowStride) bf16_kernels().round(A.transposed ? out : A.row(i + r) + k, kc, out);
  } else if (A.transposed) {
    gather_tiles(A, i, rows, k, kc, out);
  } else {
    for (int64_t r = 0; r < rows; ++r, out += kRowStride) std::memcpy(out, A.row(i + r) + k, kc * sizeof(T));
  }
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

void pack_panel(const Matrix<float>& B, int64_t k, int64_t kc, int64_t j, int64_t n, Bf16* out) {
  const int64_t width = kernels<float>().columns;
  float* strip = buffers<float>().strip;
  for (int64_t r = 0; r < kc; r += kStripRows) {
    const int64_t rows = std::min(kStripRows, kc - r), padded = depth<Bf16>(rows);
    pack_panel(B, k + r, rows, j, n, strip);
    std::fill(strip + rows * width, strip + padded * width, 0.f);
    bf16_kernels().pair(strip, padded / 2, out + r * width);
  }
}

/** Blocks [from, to) of k and panels [begin, end) of B: block after block, panel after panel, each [depth][columns]. */
template <class P>
struct Portion {
  int64_t from, to, begin, end;
  /** Where block k0 of panel p begins, in rows of a panel. */
  int64_t row(int64_t k0, int64_t p) const {
    return (k0 - from) * (end - begin) + (p - begin) * depth<P>(std::min(kBlock, to - k0));
  }
};

template <class T, class P>
void pack_portion(Pool& pool, const Matrix<T>& B, int64_t N, const Portion<P>& of, P* memory) {
  const int64_t width = kernels<T>().columns;
  const int64_t grain = std::max<int64_t>(1, (1 << 15) / (width * std::max<int64_t>(1, of.to - of.from)));
  pool.ranges(of.end - of.begin, grain, [&](int64_t first, int64_t last) {
    for (int64_t k0 = of.from; k0 < of.to; k0 += kBlock)
      for (int64_t p = of.begin + first; p < of.begin + last; ++p)
        pack_panel(B, k0, std::min(kBlock, of.to - k0), p * width, std::min(width, N - p * width), memory + of.row(k0, p) * width);
  });
}

/** kColumns: n, where it is known, so that a row is a few vectors; or 0. */
template <int kColumns, class T>
A2S_INLINE void finish_rows(T* __restrict c, int64_t ldc, int64_t rows, int64_t n, const T* __restrict bias, bool gelu,
                            T* __restrict pre, const T* __restrict residual) {
  if (kColumns) n = kColumns;
  if (!bias) bias = kZeros<T>;
  for (int64_t i = 0; i < rows; ++i, c += ldc) {
    if (gelu && pre) {
      T* sum = pre + i * ldc;
      for (int64_t j = 0; j < n; ++j) {
        const T x = c[j] + bias[j];
        sum[j] = x, c[j] = math::gelu(x);
      }
    } else if (gelu) {
      for (int64_t j = 0; j < n; ++j) c[j] = math::gelu(c[j] + bias[j]);
    } else {
      for (int64_t j = 0; j < n; ++j) c[j] += bias[j];
    }
    if (residual)
      for (int64_t j = 0; j < n; ++j) c[j] += residual[i * ldc + j];
  }
}
A2S_CLONES void finish(float* c, int64_t ldc, int64_t rows, int64_t n, const float* bias, bool gelu, float* pre, const float* residual) {
  switch (n) {
    case 16: return finish_rows<16>(c, ldc, rows, n, bias, gelu, pre, residual);
    case 32: return finish_rows<32>(c, ldc, rows, n, bias, gelu, pre, residual);
    default: return finish_rows<0>(c, ldc, rows, n, bias, gelu, pre, residual);
  }
}
void finish(double* c, int64_t ldc, int64_t rows, int64_t n, const double* bias, bool gelu, double* pre, const double* residual) {
  finish_rows<0>(c, ldc, rows, n, bias, gelu, pre, residual);
}

/** Rows [row_begin, row_end) of C and panels [panel_begin, panel_end) of B. */
struct Part {
  int64_t row_begin, row_end, panel_begin, panel_end;
};

/** Some rows and a block of k of A, as a tile reads them: rows that are `step` apart, or `across`, where those of each tile lie together. */
template <class T>
struct Operand {
  const T* data;
  int64_t step;
  bool across = false;

  const T* row(int64_t i) const { return data + i * step; }
};

/** `P`: what packed operands hold, T or bf16. */
template <class T, class P>
struct Product {
  int64_t M, N, K;
  const Matrix<T>& A;
  const Matrix<T>* B;  // or, when null, `packed`
  const P* packed;
  T* C;
  int64_t ldc;
  const Epilogue<T>& epilogue;
  const Tiles<T, P>& k = tiles_of<T, P>();
  const int64_t columns = kernels<T>().columns;
  const uint64_t number = next_number();

  int64_t panels() const { return ceil_div(N, columns); }
  void run(Pool& pool) const;
  void run_packing(Pool& pool, int64_t row_parts, int64_t column_parts) const;
  void run_packed(Pool& pool, const Portion<P>& portion, const P* memory, int64_t row_parts, int64_t column_parts) const;
  void block(const Part& part, int64_t k0, const P* packed_block) const;
  Operand<T> operand(const Part& part, int64_t k0, int64_t kc) const;
  void tiles(int64_t rows, int64_t kc, const Operand<T>& a, const P* panel, T* c, int64_t n, bool add, bool last) const;
  void finish_tile(T* c, int64_t rows, int64_t n) const;
};

/** What comes after the sums of c, rows and columns of C that are in the first-level cache. */
template <class T, class P>
void Product<T, P>::finish_tile(T* c, int64_t rows, int64_t n) const {
  const auto& [accumulate, bias, gelu, pre, residual] = epilogue;
  if (bias || gelu || residual)
    finish(c, ldc, rows, n, bias ? bias + (c - C) % ldc : nullptr, gelu, pre ? pre + (c - C) : nullptr, residual ? residual + (c - C) : nullptr);
}

/** C[rows, n] (+)= A · one panel, in tiles of nearly equal height, or of whole blocks and a rest; `last`: no block of k follows. */
template <class T, class P>
void Product<T, P>::tiles(int64_t rows, int64_t kc, const Operand<T>& a, const P* panel, T* c, int64_t n, bool add, bool last) const {
  const auto* tile = k.tile;
  if constexpr (std::is_same_v<T, P>) tile = a.across ? kernels<T>().across : k.tile;
  const int64_t count = ceil_div(rows, k.rows);
  for (int64_t t = 0; t < count; ++t) {
    const int64_t begin = k.block > 1 ? t * k.rows : tile_begin(rows, t, count);
    const int64_t height = (k.block > 1 ? std::min<int64_t>(rows, begin + k.rows) : tile_begin(rows, t + 1, count)) - begin;
    T* out = c + begin * ldc;
    if (n == columns && (k.block == 1 || (height % k.block == 0 && !add))) {
      tile[height](kc, a.row(begin), a.step, panel, out, ldc, add);
      if (last) finish_tile(out, height, n);
      continue;
    }
    T edge[kMaxRows * kMaxColumns<T>];
    tile[height](kc, a.row(begin), a.step, panel, edge, columns, false);
    for (int64_t i = 0; i < height; ++i)
      for (int64_t j = 0; j < n; ++j) {
        const T sum = edge[i * columns + j];
        out[i * ldc + j] = add ? sum + out[i * ldc + j] : sum;
      }
    if (last) finish_tile(out, height, n);
  }
}

/** Rows of a part and block k0 of k of A: where they lie, or packed. */
template <class T, class P>
Operand<T> Product<T, P>::operand(const Part& part, int64_t k0, int64_t kc) const {
  const int64_t begin = part.row_begin, end = part.row_end;
  const bool across = std::is_same_v<T, P> && A.transposed;
  const bool one_group = !A.group || begin / A.group == (end - 1) / A.group;
  const bool one_set = A.ld * int64_t{sizeof(T)} % 4096 == 0;  // of the first-level cache, for which all rows would compete
  if (std::is_same_v<T, P> && !across && one_group && !one_set) return {A.row(begin) + k0, A.ld};
  // All blocks at once where there is room, for the panels that follow.
  Buffers<T>& buffer = buffers<T>();
  const bool whole = ceil_div(K, kBlock) * (end - begin) <= kMaxTaskRows<T>;
  auto packed = [&](int64_t k) { return buffer.a + (whole ? k / kBlock * (end - begin) * kRowStride : 0); };
  const int64_t first = whole ? 0 : k0;
  const typename Buffers<T>::Packing wanted{number, begin, end, first};
  if (buffer.holds != wanted)
    for (int64_t k = first; k == first || (whole && k < K); k += kBlock)
      pack_rows<T, P>(A, begin, end - begin, k, std::min(kBlock, K - k), packed(k));
  buffer.holds = wanted;
  return {packed(k0), across ? kc : kRowStride, across};
}

/** Block k0 of k's share of a part of C. `packed_block` is the part's first panel; where it is null, panels are packed one by one. */
template <class T, class P>
void Product<T, P>::block(const Part& part, int64_t k0, const P* packed_block) const {
  Buffers<T>& buffer = buffers<T>();
  const int64_t rows = part.row_end - part.row_begin, kc = std::min(kBlock, K - k0), deep = depth<P>(kc);
  const Operand<T> a = operand(part, k0, kc);
  if (k.enter) k.enter();
  for (int64_t p = part.panel_begin; p < part.panel_end; ++p) {
    const int64_t j = p * columns, n = std::min(columns, N - j);
    T* c = C + part.row_begin * ldc + j;
    P* own = reinterpret_cast<P*>(buffer.panel);
    if (!packed_block) pack_panel(*B, k0, kc, j, n, own);
    const P* panel = packed_block ? packed_block + (p - part.panel_begin) * deep * columns : own;
    tiles(rows, deep, a, panel, c, n, k0 > 0 || epilogue.accumulate, k0 + kc == K);
  }
  if (k.leave) k.leave();
}

/** Part i of row_parts times column_parts of C, whose panels are [begin, end). */
Part part_of(int64_t i, int64_t M, int64_t row_parts, int64_t column_parts, int64_t begin, int64_t end) {
  const int64_t r = i / column_parts, c = i % column_parts, panels = end - begin;
  return {M * r / row_parts, M * (r + 1) / row_parts, begin + panels * c / column_parts, begin + panels * (c + 1) / column_parts};
}

/** A portion of B times all of A; without `memory` each task packs its panels for itself. */
template <class T, class P>
void Product<T, P>::run_packed(Pool& pool, const Portion<P>& portion, const P* memory, int64_t row_parts, int64_t column_parts) const {
  const auto& [from, to, begin, end] = portion;
  pool.run(row_parts * column_parts, [&](int64_t i) {
    const Part part = part_of(i, M, row_parts, column_parts, begin, end);
    for (int64_t k0 = from; k0 == from || k0 < to; k0 += kBlock)
      block(part, k0, memory ? memory + portion.row(k0, part.panel_begin) * columns : nullptr);
  });
}

/** B in portions, each packed once for all tasks. */
template <class T, class P>
void Product<T, P>::run_packing(Pool& pool, int64_t row_parts, int64_t column_parts) const {
  const int64_t room = kPortionBytes / (kBlock * columns * int64_t{sizeof(P)});
  const int64_t wide = ceil_div(panels(), ceil_div(panels(), room)), deep = room / wide * kBlock;
  P* memory = reinterpret_cast<P*>(buffers<T>().portion());
  for (int64_t begin = 0; begin < panels(); begin += wide)
    for (int64_t from = 0; from == 0 || from < K; from += deep) {
      const Portion<P> portion{from, std::min(from + deep, K), begin, std::min(begin + wide, panels())};
      pack_portion(pool, *B, N, portion, memory);
      run_packed(pool, portion, memory, row_parts, std::min(column_parts, portion.end - begin));
    }
}

/** Cuts C into tasks. Each packs its rows of A, unless its thread has just done so, and its panels of B unless they are packed. So columns are
 *  cut, which packs every panel once and where it is used, unless A is larger than B or than a task's buffer: then rows are, and B is packed before. */
template <class T, class P>
void Product<T, P>::run(Pool& pool) const {
  assert(ldc >= N);
  if (M == 0 || N == 0) return;
  const double flops = 2.0 * static_cast<double>(M) * static_cast<double>(N) * static_cast<double>(K);
  const int64_t most = pool.threads() == 1 ? 1 : pool.threads() * kTasksPerThread;
  const double work = flops + kByteFlops * static_cast<double>(N) * static_cast<double>(K) * sizeof(P);
  const int64_t wanted = std::clamp<int64_t>(static_cast<int64_t>(work / (pool.awake() ? kTaskFlops : kWakingTaskFlops)), 1, most);
  const int64_t least = ceil_div(M, kMaxTaskRows<T>);
  if (B) {
    const int64_t row_parts = std::max(least, std::min(wanted, M / (kTaskTiles * k.rows)));
    if (row_parts > 1 && (least > 1 || M >= N)) return run_packing(pool, row_parts, std::min(ceil_div(wanted, row_parts), panels()));
  }
  const int64_t column_parts = least > 1 ? 1 : std::min(wanted, panels());
  const int64_t row_parts = std::clamp(ceil_div(wanted, column_parts), least, ceil_div(M, k.rows));
  run_packed(pool, {0, K, 0, panels()}, packed, row_parts, column_parts);
}

/** Rows that a member of a team brings to a product. */
template <class T>
struct Rows {
  int64_t count;
  const T* a;
  T* c;
  const Epilogue<T>& epilogue;
  uint64_t number = next_number();
};

/** So many rows fit a thread's buffer with all their blocks of k, in whole blocks of a tile; 0: none do. */
template <class T>
int64_t most_rows(int64_t K) {
  return kMaxTaskRows<T> / std::max<int64_t>(1, ceil_div(K, kBlock)) / kMaxRows * kMaxRows;
}

/** Panels [begin, end) of B times everybody's rows. A tile takes rows of several members, so that it reads a panel once for all: they are packed
 *  one after another, and what comes out is spread from a buffer. */
template <class T, class P>
void multiply_all(std::span<Rows<T>* const> all, const Packed<T>& B, int64_t begin, int64_t end) {
  struct Row {
    const T *a, *residual;
    T* c;
  };
  std::array<Row, kMaxTaskRows<T>> rows;
  const T* bias = all[0]->epilogue.bias;
  const bool gelu = all[0]->epilogue.gelu;
  const Matrix<T> none{};
  const Epilogue<T> nothing{};
  const Product<T, P> product{0, B.N, B.K, none, nullptr, nullptr, buffers<T>().panel, kernels<T>().columns, nothing};
  const int64_t columns = product.columns, most = most_rows<T>(B.K);
  const auto* packed = reinterpret_cast<const P*>(B.data);
  T *a = buffers<T>().a, *sums = product.C;

  int64_t first = 0, count = 0;  // of the rows in hand
  auto multiply = [&] {
    const typename Buffers<T>::Packing wanted{all[0]->number, first, first + count, 0};
    if (buffers<T>().holds != wanted) {
      for (int64_t k0 = 0; k0 < B.K; k0 += kBlock)
        for (int64_t i = 0; i < count; ++i)
          pack_rows<T, P>({rows[i].a, B.K}, 0, 1, k0, std::min(kBlock, B.K - k0), a + (k0 / kBlock * count + i) * kRowStride);
      buffers<T>().holds = wanted;
    }
    for (int64_t p = begin; p < end; ++p) {
      const int64_t j = p * columns, n = std::min(columns, B.N - j);
      for (int64_t k0 = 0; k0 < B.K; k0 += kBlock) {
        const int64_t deep = depth<P>(std::min(kBlock, B.K - k0));
        product.tiles(count, deep, {a + k0 / kBlock * count * kRowStride, kRowStride}, packed + (k0 * product.panels() + p * deep) * columns, sums,
                      columns, k0 > 0, false);
      }
      if (bias || gelu) finish(sums, columns, count, n, bias ? bias + j : nullptr, gelu, nullptr, nullptr);
      for (int64_t i = 0; i < count; ++i) {
        const T *sum = sums + i * columns, *more = rows[i].residual;
        for (int64_t x = 0; x < n; ++x) rows[i].c[j + x] = more ? sum[x] + more[j + x] : sum[x];
      }
    }
    first += count, count = 0;
  };
  if (product.k.enter) product.k.enter();
  for (const Rows<T>* each : all)
    for (int64_t i = 0; i < each->count; ++i) {
      const T* more = each->epilogue.residual;
      rows[count++] = {each->a + i * B.K, more ? more + i * B.N : nullptr, each->c + i * B.N};
      if (count == most) multiply();
    }
  if (count > 0) multiply();
  if (product.k.leave) product.k.leave();
}

template <class P, class T>
void multiply_together(const Context& ctx, int64_t M, const T* A, const Packed<T>& B, T* C, const Epilogue<T>& e) {
  if (most_rows<T>(B.K) == 0) return gemm(ctx, M, {A, B.K}, B, C, B.N, e);
  Rows<T> own{M, A, C, e};
  const int64_t panels = ceil_div(B.N, kernels<T>().columns), parts = std::min(panels, ctx.team->size() * kTogetherParts);
  ctx.team->step(own, parts, [&](std::span<Rows<T>* const> all, int64_t i) {
    multiply_all<T, P>(all, B, panels * i / parts, panels * (i + 1) / parts);
  });
}

template <class T, class P>
void pack_all(Pool& pool, int64_t K, int64_t N, const Matrix<T>& B, P* memory) {
  pack_portion(pool, B, N, Portion<P>{0, K, 0, ceil_div(N, kernels<T>().columns)}, memory);
}

/** With B, or else with what it was packed to. */
template <class P, class T>
void multiply(Pool& pool, int64_t M, int64_t N, int64_t K, const Matrix<T>& A, const std::type_identity_t<Matrix<T>>* B,
              const std::type_identity_t<T>* packed, T* C, int64_t ldc, const Epilogue<T>& e) {
  Product<T, P>{M, N, K, A, B, reinterpret_cast<const P*>(packed), C, ldc, e}.run(pool);
}

}  // namespace

void gemm(Context ctx, int64_t M, int64_t N, int64_t K, const Matrix<float>& A, const Matrix<float>& B, float* C,
          int64_t ldc, const Epilogue<float>& e) {
  if (ctx.bf16) multiply<Bf16>(ctx.pool, M, N, K, A, &B, nullptr, C, ldc, e);
  else multiply<float>(ctx.pool, M, N, K, A, &B, nullptr, C, ldc, e);
}
void gemm(Context ctx, int64_t M, int64_t N, int64_t K, const Matrix<double>& A, const Matrix<double>& B, double* C,
          int64_t ldc, const Epilogue<double>& e) {
  multiply<double>(ctx.pool, M, N, K, A, &B, nullptr, C, ldc, e);
}
void gemm(Context ctx, int64_t M, const Matrix<float>& A, const Packed<float>& B, float* C, int64_t ldc,
          const Epilogue<float>& e) {
  if (B.bf16) multiply<Bf16>(ctx.pool, M, B.N, B.K, A, nullptr, B.data, C, ldc, e);
  else multiply<float>(ctx.pool, M, B.N, B.K, A, nullptr, B.data, C, ldc, e);
}
void gemm(Context ctx, int64_t M, const Matrix<double>& A, const Packed<double>& B, double* C, int64_t ldc,
          const Epilogue<double>& e) {
  multiply<double>(ctx.pool, M, B.N, B.K, A, nullptr, B.data, C, ldc, e);
}

void gemm_together(Context ctx, int64_t M, const float* A, const Packed<float>& B, float* C, const Epilogue<float>& e) {
  if (B.bf16) multiply_together<Bf16>(ctx, M, A, B, C, e);
  else multiply_together<float>(ctx, M, A, B, C, e);
}
void gemm_together(Context ctx, int64_t M, const double* A, const Packed<double>& B, double* C, const Epilogue<double>& e) {
  multiply_together<double>(ctx, M, A, B, C, e);
}

template <class T>
int64_t packed_size(int64_t K, int64_t N, bool bf16) {
  const int64_t width = ceil_div(N, kernels<T>().columns) * kernels<T>().columns;
  return bf16 && std::is_same_v<T, float> ? depth<Bf16>(K) / 2 * width : K * width;
}
template int64_t packed_size<float>(int64_t, int64_t, bool);
template int64_t packed_size<double>(int64_t, int64_t, bool);

Packed<float> pack(Context ctx, int64_t K, int64_t N, const Matrix<float>& B, float* memory) {
  if (ctx.bf16) pack_all(ctx.pool, K, N, B, reinterpret_cast<Bf16*>(memory));
  else pack_all(ctx.pool, K, N, B, memory);
  return {memory, K, N, ctx.bf16};
}
Packed<double> pack(Context ctx, int64_t K, int64_t N, const Matrix<double>& B, double* memory) {
  pack_all(ctx.pool, K, N, B, memory);
  return {memory, K, N};
}

}  // namespace a2s
