// The inner kernels of gemm(), written once in vector types and compiled once per instruction set. Everything that
// generates code here is `static`: a copy shared between translation units would run AVX-512 on a CPU without it.
#pragma once
#include <cstdint>

namespace a2s::gemm_detail {

/** The upper half of an f32: a bfloat16. */
using Bf16 = uint16_t;

/** Length of a block of k. One sum per element and block: changing it changes bits. Long, because C is read and written
 *  once a block; a panel of this length still fits a small second-level cache. */
constexpr int64_t kBlock = 768;
/** Elements from one row of packed A to the next; a multiple of 4 KiB would make the rows compete for one cache set. */
constexpr int64_t kRowStride = kBlock + 16;
/** The largest tile: 12 rows and two vectors of 64 bytes. */
constexpr int kMaxRows = 12;
template <class T>
constexpr int kMaxColumns = 128 / sizeof(T);

template <class T, class P>
using Tile = void (*)(int64_t kc, const T* a, const P* panel, T* c, int64_t ldc, bool add);

/** The kernels of one instruction set. A panel of B is [kc][columns], a row of A is kc elements. */
template <class T>
struct Kernels {
  int rows, columns, lanes;
  /** tile[r]: C[r, columns] = or += A · panel, for r in 1 .. rows. */
  Tile<T, T> tile[kMaxRows + 1];
  /** The same for panels of bf16; none for f64. */
  Tile<T, Bf16> tile_bf16[kMaxRows + 1];
  /** `rows` rows of a panel, which lie `step` apart in `from`. */
  void (*copy)(const T* from, int64_t step, int64_t rows, T* out);
  /** out[j * ld + i] = rows[i][j] for i < lanes and j < n. */
  void (*transpose)(const T* const* rows, int64_t n, T* out, int64_t ld);
};

template <class T, int kBytes>
struct Vector {
  typedef T type __attribute__((vector_size(kBytes), aligned(alignof(T)), may_alias));
};

/** A vector of a panel, widened. */
template <class T, int kBytes>
static inline __attribute__((always_inline)) typename Vector<T, kBytes>::type load(const T* from) {
  return *reinterpret_cast<const typename Vector<T, kBytes>::type*>(from);
}
template <class T, int kBytes>
static inline __attribute__((always_inline)) typename Vector<T, kBytes>::type load(const Bf16* from) {
  using Bits = typename Vector<uint32_t, kBytes>::type;
  const Bits bits = __builtin_convertvector(*reinterpret_cast<const typename Vector<Bf16, kBytes / 2>::type*>(from), Bits) << 16;
  return reinterpret_cast<typename Vector<T, kBytes>::type>(bits);
}

/** Panels are read in memory order: fetched into the second-level cache this far ahead of their use, then into the
 *  first. Only the second-level distance hides main memory, and fetching that far into the first would flood it. */
constexpr int64_t kFarBytes = 8192, kNearBytes = 1024;
/** C is fetched this many steps before it is needed: earlier, and the panel would push it out again. */
constexpr int64_t kLate = 32;

template <class T, class P, int kBytes, int kRows>
static void tile(int64_t kc, const T* a, const P* panel, T* c, int64_t ldc, bool add) {
  using V = typename Vector<T, kBytes>::type;
  constexpr int kLanes = kBytes / sizeof(T);
  V sum[kRows][2] = {};
  int64_t k = 0;
  for (int64_t end = kc > kLate ? kc - kLate : kc;; end = kc) {
#pragma GCC unroll 4
    for (; k < end; ++k) {
      const char* at = reinterpret_cast<const char*>(panel);
#pragma GCC unroll 2
      for (int line = 0; line < 2 * kLanes * int(sizeof(P)); line += 64) {
        __builtin_prefetch(at + kFarBytes + line, 0, 2);
        __builtin_prefetch(at + kNearBytes + line);
      }
      const V b0 = load<T, kBytes>(panel), b1 = load<T, kBytes>(panel + kLanes);
#pragma GCC unroll 12
      for (int i = 0; i < kRows; ++i) {
        const T x = a[i * kRowStride];
        sum[i][0] += x * b0;
        sum[i][1] += x * b1;
      }
      ++a;
      panel += 2 * kLanes;
    }
    if (end == kc) break;
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
      __builtin_prefetch(c + i * ldc, 1);
      __builtin_prefetch(c + i * ldc + 2 * kLanes - 1, 1);
    }
  }
#pragma GCC unroll 12
  for (int i = 0; i < kRows; ++i) {
    V* out = reinterpret_cast<V*>(c + i * ldc);
    if (add) sum[i][0] += out[0], sum[i][1] += out[1];
    out[0] = sum[i][0], out[1] = sum[i][1];
  }
}

template <class V, int kLanes>
static inline __attribute__((always_inline)) void interleave(V a, V b, V& low, V& high) {
  if constexpr (kLanes == 2) {
    low = __builtin_shufflevector(a, b, 0, 2);
    high = __builtin_shufflevector(a, b, 1, 3);
  } else if constexpr (kLanes == 4) {
    low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  } else if constexpr (kLanes == 8) {
    low = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
    high = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
  } else {
    low = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    high = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  }
}

/** Rows of a panel are far apart in a large matrix: each is fetched 16 rows ahead. */
template <class T, int kBytes>
static void copy(const T* from, int64_t step, int64_t rows, T* out) {
  using V = typename Vector<T, kBytes>::type;
  constexpr int kLanes = kBytes / sizeof(T);
  for (int64_t r = 0; r < rows; ++r, from += step, out += 2 * kLanes) {
    __builtin_prefetch(from + 16 * step);
    __builtin_prefetch(from + 16 * step + 2 * kLanes - 1);
    const V a = *reinterpret_cast<const V*>(from), b = *reinterpret_cast<const V*>(from + kLanes);
    *reinterpret_cast<V*>(out) = a;
    *reinterpret_cast<V*>(out + kLanes) = b;
  }
}

/** log2(lanes) perfect shuffles of the rows transpose a square block. */
template <class T, int kBytes>
static void transpose(const T* const* rows, int64_t n, T* out, int64_t ld) {
  using V = typename Vector<T, kBytes>::type;
  constexpr int kLanes = kBytes / sizeof(T);
  int64_t j = 0;
  for (; j + kLanes <= n; j += kLanes) {
    V x[kLanes], y[kLanes];
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) x[i] = *reinterpret_cast<const V*>(rows[i] + j);
#pragma GCC unroll 4
    for (int stage = 1; stage < kLanes; stage *= 2) {
#pragma GCC unroll 8
      for (int i = 0; i < kLanes / 2; ++i) interleave<V, kLanes>(x[i], x[i + kLanes / 2], y[2 * i], y[2 * i + 1]);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) x[i] = y[i];
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) *reinterpret_cast<V*>(out + (j + i) * ld) = x[i];
  }
  for (; j < n; ++j)
    for (int i = 0; i < kLanes; ++i) out[j * ld + i] = rows[i][j];
}

template <class T, int kBytes, int kRows>
static constexpr void add_tiles(Kernels<T>& k) {
  k.tile[kRows] = tile<T, T, kBytes, kRows>;
  if constexpr (sizeof(T) == 4) k.tile_bf16[kRows] = tile<T, Bf16, kBytes, kRows>;
  if constexpr (kRows > 1) add_tiles<T, kBytes, kRows - 1>(k);
}

/** Kernels on vectors of kBytes, with tiles of kRows rows and two vectors: kRows * 2 + 3 registers. */
template <class T, int kBytes, int kRows>
static constexpr Kernels<T> make_kernels() {
  constexpr int kLanes = kBytes / sizeof(T);
  Kernels<T> k{kRows, 2 * kLanes, kLanes, {}, {}, copy<T, kBytes>, transpose<T, kBytes>};
  add_tiles<T, kBytes, kRows>(k);
  return k;
}

/** Each defined in the file of its instruction set. */
template <class T>
struct KernelsFor {
  static const Kernels<T> baseline, avx2, avx512;
};

}  // namespace a2s::gemm_detail
