// The inner kernels of gemm(), written once in vector types and compiled once per instruction set. Everything that
// generates code here is `static`: a copy shared between translation units would run AVX-512 on a CPU without it.
#pragma once
#include <cstdint>
#include <type_traits>

#include "core/bf16.h"

namespace a2s::gemm_detail {

/** Length of a block of k. One sum per element and block: changing it changes bits. Long, because C is read and written
 *  once a block; a panel of this length still fits a small second-level cache. */
constexpr int64_t kBlock = 768;
/** Elements from one row of packed A to the next; a multiple of 4 KiB would make the rows compete for one cache set. */
constexpr int64_t kRowStride = kBlock + 16;
/** Packed operands of bf16 are filled with zeros to a multiple of so many k: what a matrix unit takes at once. */
constexpr int64_t kBf16Step = 32;
/** The largest tile: so many rows, and two vectors of 64 bytes. */
constexpr int kMaxRows = 32;
template <class T>
constexpr int kMaxColumns = 128 / sizeof(T);

/** P: what a panel of B holds. */
template <class T, class P>
struct Tiles {
  /** Of the largest tile. */
  int rows = 0;
  /** 1, or a tile writes whole blocks of so many rows, reads so many of A, and cannot add. */
  int block = 1;
  using Tile = void (*)(int64_t kc, const T* a, int64_t step, const P* panel, T* c, int64_t ldc, bool add);
  /** tile[r]: C[r, columns] = or += A · panel, for r in 1 .. rows. The rows of A are `step` apart; those of bf16, which are always packed,
   *  kRowStride. */
  Tile tile[kMaxRows + 1] = {};
  /** Before and after a thread's calls of tiles, where they need it. */
  void (*enter)() = nullptr, (*leave)() = nullptr;
};

/** The kernels of one instruction set. A panel of B is [kc][columns], a row of A is kc elements. */
template <class T>
struct Kernels : Tiles<T, T> {
  int columns = 0, lanes = 0;
  /** The same where A lies as gather[r] puts it, [kc][r]. Bits are those of `tile`. */
  typename Tiles<T, T>::Tile across[kMaxRows + 1] = {};
  /** gather[r]: r elements of each of `count` rows, which lie `step` apart in `from`, one after another. */
  void (*gather[kMaxRows + 1])(const T* from, int64_t step, int64_t count, T* out) = {};
  /** `rows` rows of a panel, which lie `step` apart in `from`. */
  void (*copy)(const T* from, int64_t step, int64_t rows, T* out) = nullptr;
  /** out[j * ld + i] = rows[i][j] for i < lanes and j < n. */
  void (*transpose)(const T* const* rows, int64_t n, T* out, int64_t ld) = nullptr;
};

/** Those for operands rounded to bf16, summed in f32. A panel is [kc / 2][columns][2], for as many columns as in f32. */
struct Bf16Kernels : Tiles<float, Bf16> {
  /** A row of packed A from n elements, zeros after them; `out` may be `from`. It holds bf16, or f32 that are no more than that. */
  void (*round)(const float* from, int64_t n, float* out) = nullptr;
  /** `pairs` double rows of a panel from twice as many rows of f32. */
  void (*pair)(const float* from, int64_t pairs, Bf16* out) = nullptr;
};

template <class T, int kBytes>
struct Vector {
  typedef T type __attribute__((vector_size(kBytes), aligned(alignof(T)), may_alias));
};

/** Panels are read in memory order: fetched into the second-level cache this far ahead of their use, then into the
 *  first. Only the second-level distance hides main memory, and fetching that far into the first would flood it. */
constexpr int64_t kFarBytes = 8192, kNearBytes = 1024;
/** C is fetched a row every kApart steps, the last of them kBefore steps before it is needed. All rows at once would take every place for a line
 *  on its way, so that A and the panel waited behind main memory; much earlier, and the panel would push them out again. */
constexpr int64_t kApart = 8, kBefore = 64;

/** A tile of kRows rows and two vectors. `Step` adds `size` k at a time to the sums, which are `a_step` elements of a row of A, or, where
 *  that is 0, kRows elements one after another. */
template <class Step, class T, class P, int kBytes, int kRows>
static void tile(int64_t kc, const T* a, int64_t step, const P* panel, T* c, int64_t ldc, bool add) {
  using V = typename Vector<T, kBytes>::type;
  constexpr int kLanes = kBytes / sizeof(T);
  typedef T Register __attribute__((vector_size(kBytes)));  // sums of V, which may lie anywhere, would be kept in memory
  Register sum[kRows][2] = {};
  constexpr int64_t kLast = kRows * kApart + kBefore;
  const T* row = c;
  asm("" : "+r"(row));  // or the addresses of all rows are kept in registers through the loop below
  int64_t k = 0, end = kc > kLast ? kc - kLast : 0;
  for (int i = 0;; ++i, row += ldc) {
#pragma GCC unroll 4
    for (; k < end; k += Step::size) {
      const char* at = reinterpret_cast<const char*>(panel);
#pragma GCC unroll 2
      for (int line = 0; line < 2 * kBytes; line += 64) {
        __builtin_prefetch(at + kFarBytes + line, 0, 2);
        __builtin_prefetch(at + kNearBytes + line);
      }
      Step::run(a, step, panel, sum);
      a += Step::a_step ? Step::a_step : kRows;
      panel += 2 * kBytes / sizeof(P);
    }
    if (i == kRows) break;
    __builtin_prefetch(row, 1);
    __builtin_prefetch(row + 2 * kLanes - 1, 1);
    end = i + 1 < kRows && end + kApart < kc ? end + kApart : kc;
  }
#pragma GCC unroll 12
  for (int i = 0; i < kRows; ++i) {
    V* out = reinterpret_cast<V*>(c + i * ldc);
    if (add) sum[i][0] += out[0], sum[i][1] += out[1];
    out[0] = sum[i][0], out[1] = sum[i][1];
  }
}

/** kAcross: A is [kc][kRows]. */
template <bool kAcross>
struct PlainStep {
  static constexpr int size = 1, a_step = kAcross ? 0 : 1;
  template <class V, int kRows, class T>
  static inline __attribute__((always_inline)) void run(const T* a, int64_t step, const T* panel, V (&sum)[kRows][2]) {
    const auto* b = reinterpret_cast<const typename Vector<T, sizeof(V)>::type*>(panel);
    const V b0 = b[0], b1 = b[1];
    if (!kAcross) asm("" : "+r"(step));  // or each row has a pointer of its own, more than there are registers
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
      if (!kAcross && i && i % 3 == 0) a += 3 * step;  // its two next rows: what an address may hold
      const T x = a[kAcross ? i : i % 3 * step];
      sum[i][0] += x * b0;
      sum[i][1] += x * b1;
    }
  }
};

/** bf16 without instructions for it: rows of A are f32, and the pairs of a panel are widened. */
struct WideningStep {
  static constexpr int size = 2, a_step = 2;
  template <class V, int kRows>
  static inline __attribute__((always_inline)) void run(const float* a, int64_t, const Bf16* panel, V (&sum)[kRows][2]) {
    using Bits = typename Vector<uint32_t, sizeof(V)>::type;
    const Bits* from = reinterpret_cast<const Bits*>(panel);
#pragma GCC unroll 2
    for (int odd = 0; odd < 2; ++odd) {
      const V b0 = (V)(odd ? from[0] & 0xffff0000u : from[0] << 16), b1 = (V)(odd ? from[1] & 0xffff0000u : from[1] << 16);
#pragma GCC unroll 12
      for (int i = 0; i < kRows; ++i) {
        const float x = a[i * kRowStride + odd];
        sum[i][0] += x * b0;
        sum[i][1] += x * b1;
      }
    }
  }
};

template <int kBytes, bool kPairs>
static void round_row(const float* from, int64_t n, float* out) {
  using Bits = typename Vector<uint32_t, kBytes>::type;
  constexpr int kLanes = kBytes / 4;
  auto* halves = reinterpret_cast<Bf16*>(out);
  for (int64_t i = 0; i < n; i += kBf16Step) {
    float rest[kBf16Step] = {};
    const float* x = from + i;
    if (n - i < kBf16Step) x = rest, __builtin_memcpy(rest, from + i, (n - i) * sizeof(float));
#pragma GCC unroll 8
    for (int j = 0; j < kBf16Step; j += kLanes) {
      const Bits bits = rounded(*reinterpret_cast<const Bits*>(x + j));
      using Halves = typename Vector<Bf16, kBytes / 2>::type;
      if constexpr (kPairs) *reinterpret_cast<Halves*>(halves + i + j) = __builtin_convertvector(bits >> 16, Halves);
      else *reinterpret_cast<Bits*>(out + i + j) = bits & 0xffff0000u;
    }
  }
}

template <int kBytes>
static void pair_rows(const float* from, int64_t pairs, Bf16* out) {
  using Bits = typename Vector<uint32_t, kBytes>::type;
  for (; pairs > 0; --pairs, from += kBytes, out += kBytes) {
    const Bits* row = reinterpret_cast<const Bits*>(from);
    Bits* to = reinterpret_cast<Bits*>(out);
    to[0] = (rounded(row[0]) >> 16) | (rounded(row[2]) & 0xffff0000u);
    to[1] = (rounded(row[1]) >> 16) | (rounded(row[3]) & 0xffff0000u);
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

template <class T, int kRows>
static void gather(const T* from, int64_t step, int64_t count, T* out) {
  for (; count > 0; --count, from += step, out += kRows) __builtin_memcpy(out, from, kRows * sizeof(T));
}

/** Calls add(std::integral_constant<int, r>) for r from kRows down to 1. */
template <int kRows, class F>
static constexpr void each_height(F&& add) {
  add(std::integral_constant<int, kRows>{});
  if constexpr (kRows > 1) each_height<kRows - 1>(add);
}

/** Kernels on vectors of kBytes, with tiles of kRows rows and two vectors: kRows * 2 + 3 registers. */
template <class T, int kBytes, int kRows>
static constexpr Kernels<T> make_kernels() {
  Kernels<T> k;
  k.rows = kRows, k.lanes = kBytes / sizeof(T), k.columns = 2 * k.lanes;
  k.copy = copy<T, kBytes>, k.transpose = transpose<T, kBytes>;
  each_height<kRows>([&](auto rows) {
    k.tile[rows] = tile<PlainStep<false>, T, T, kBytes, rows>;
    k.across[rows] = tile<PlainStep<true>, T, T, kBytes, rows>;
    k.gather[rows] = gather<T, rows>;
  });
  return k;
}

template <class Step, int kBytes, int kRows>
static constexpr Bf16Kernels make_bf16_kernels() {
  Bf16Kernels k;
  k.rows = kRows;
  k.round = round_row<kBytes, Step::a_step != Step::size>, k.pair = pair_rows<kBytes>;
  each_height<kRows>([&](auto rows) { k.tile[rows] = tile<Step, float, Bf16, kBytes, rows>; });
  return k;
}

/** Each defined in the file of its instruction set. */
template <class T>
struct KernelsFor {
  static const Kernels<T> baseline, avx2, avx512;
};
struct Bf16KernelsFor {
  static const Bf16Kernels baseline, avx2, avx512, avx512bf16, amx;
};

}  // namespace a2s::gemm_detail
