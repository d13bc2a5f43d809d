// What the dense convolutions share: the geometry (conv1d is a plane of one row), padding, blocks and tasks.
#pragma once
#include <algorithm>
#include <atomic>

#include "ops/conv/conv.h"
#include "ops/conv/tap_kernel.h"

namespace a2s {

struct ConvShape {
  int64_t B, C, H, W, O, groups, Cg, Og;
  int64_t kh, kw, stride_h, stride_w, dilation_h, dilation_w;
  int64_t pad_h, pad_w, pad_right;  // pad_w: left; pad_right: only a conv1d's may differ
  int64_t Ho, Wo;
  PadMode mode;
  const int32_t* lengths;

  /** Valid columns of y of item b. */
  int64_t length(int64_t b) const { return lengths ? lengths[b] : Wo; }
  int64_t taps() const { return kh * kw; }
  int64_t weights() const { return O * Cg * kh * kw; }
  /** Whether it is of lines, without groups or steps. */
  bool of_lines() const { return groups == 1 && H == 1 && kh == 1 && stride_w == 1; }
};

/** From a prepared call of conv1d or conv2d. */
ConvShape conv_shape(const Call& c);

/** Where position `at` of a padded axis of `size` reads; -1: a zero, which also stands further out than a reflection reaches. */
inline int64_t padded_source(int64_t at, int64_t size, PadMode mode) {
  if (at >= 0 && at < size) return at;
  if (mode == PadMode::zero) return -1;
  if (mode == PadMode::replicate) return at < 0 ? 0 : size - 1;
  const int64_t mirrored = at < 0 ? -at : 2 * (size - 1) - at;
  return mirrored >= 0 && mirrored < size ? mirrored : -1;
}

/** to[i * to_step] = the padded axis `from[0, size)` at start + i * step. */
template <class T>
void copy_line(T* to, int64_t to_step, int64_t n, const T* from, int64_t start, int64_t step, int64_t size, PadMode mode) {
  auto first = [&](int64_t bound) { return std::clamp<int64_t>((bound - start + step - 1) / step, 0, n); };
  const int64_t begin = start >= 0 ? 0 : first(0), end = start >= size ? 0 : first(size);
  auto outside = [&](int64_t i) {
    const int64_t at = padded_source(start + i * step, size, mode);
    to[i * to_step] = at < 0 ? T(0) : from[at];
  };
  for (int64_t i = 0; i < std::min(begin, n); ++i) outside(i);
  if (step == 1 && to_step == 1 && end > begin) std::copy(from + start + begin, from + start + end, to + begin);
  else
    for (int64_t i = begin; i < end; ++i) to[i * to_step] = from[start + i * step];
  for (int64_t i = std::max(begin, end); i < n; ++i) outside(i);
}

/** A rectangle of positions, and the blocks that a plane is cut into. */
struct Blocks {
  int64_t H, W, h, w, across, down;
  /** About `columns` positions a block; a block is whole rows or a part of one. */
  Blocks(int64_t H, int64_t W, int64_t columns) : H(H), W(W) {
    across = std::max<int64_t>(1, (W + columns - 1) / columns);
    w = across == 1 ? W : ((W + across - 1) / across + 31) / 32 * 32;
    across = std::max<int64_t>(1, (W + w - 1) / std::max<int64_t>(w, 1));
    h = std::clamp<int64_t>(w > 0 ? columns / w : 1, 1, std::max<int64_t>(H, 1));
    down = (H + h - 1) / h;
  }
  struct Block {
    int64_t h0, w0, h, w;
  };
  int64_t count() const { return across * down; }
  Block at(int64_t i) const {
    const int64_t h0 = i / across * h, w0 = i % across * w;
    return {h0, w0, std::min(h, H - h0), std::min(w, W - w0)};
  }
};

/** Positions a block: a packed block of `row` elements a position stays in the L2 cache, and there is work for every thread. */
inline int64_t block_columns(int64_t row, int64_t positions, int64_t planes, bool shared = true) {
  int64_t columns = std::clamp<int64_t>(65536 / row, 128, 1024);
  while (shared && columns > 128 && planes * positions < 12 * columns) columns /= 2;
  return columns;
}

/** In how many parts to cut the panels of a block so that there are enough tasks of a useful size. */
inline int64_t panel_parts(int64_t panels, int64_t tasks, double flops) {
  const int64_t useful = static_cast<int64_t>(flops / 2e6) + 1;
  return std::clamp<int64_t>(std::min(16 / std::max<int64_t>(tasks, 1), useful / std::max<int64_t>(tasks, 1)), 1, panels);
}

/** `count` lines, of which line i has size(i) and begins at from + i * step, padded: positions start, start + 1, … of each, `wide` of them. */
template <class T, class F>
T* padded_lines(const Context& ctx, const T* from, int64_t count, int64_t step, int64_t start, int64_t wide, PadMode mode, F&& size) {
  T* to = ctx.scratch.alloc<T>(count * wide);
  ctx.pool.ranges(count, 1 + 16384 / wide, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) copy_line(to + i * wide, 1, wide, from + i * step, start, 1, size(i), mode);
  });
  return to;
}

/** Planes a whole number of cache lines apart, an odd one, so that equal positions of many rows do not share a cache set. */
template <class T>
int64_t plane_stride(int64_t elements) {
  const int64_t line = 64 / static_cast<int64_t>(sizeof(T));
  return ((elements + line - 1) / line | 1) * line;
}

/** Calls body(i, buffer) for each i in [0, count); `buffer` holds `size` elements and is nobody else's meanwhile. */
template <class T, class F>
void each_task(const Context& ctx, int64_t count, int64_t size, F&& body) {
  const int64_t slots = std::min<int64_t>(ctx.pool.threads(), count);
  size = (size + 15) / 16 * 16;
  T* buffers = ctx.scratch.alloc<T>(slots * size);
  std::atomic<int64_t> next{0};
  ctx.pool.run(slots, [&](int64_t slot) {
    for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) body(i, buffers + slot * size);
  });
}

/** Lines [B, C, n] of which those of item b count up to length(b): the others' ends become zeros. */
template <class T, class F>
void copy_valid(const Context& ctx, const T* from, T* to, int64_t B, int64_t C, int64_t n, F&& length) {
  ctx.pool.ranges(B * C, 1 + 16384 / (n + 1), [&](int64_t begin, int64_t end) {
    for (int64_t line = begin; line < end; ++line) {
      const int64_t valid = length(line / C);
      std::copy_n(from + line * n, valid, to + line * n);
      std::fill(to + line * n + valid, to + (line + 1) * n, T(0));
    }
  });
}

/** Adds to db [C] the sums of the valid parts of dy [B, C, H, n]. */
template <class T, class F>
void add_bias_gradient(const Context& ctx, const T* dy, T* db, int64_t B, int64_t C, int64_t H, int64_t n, F&& length) {
  ctx.pool.ranges(C, 1 + 16384 / (B * H * n + 1), [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      double sum = 0;
      for (int64_t b = 0; b < B; ++b)
        for (int64_t h = 0; h < H; ++h) {
          const T* row = dy + ((b * C + c) * H + h) * n;
          const int64_t valid = length(b);
#pragma omp simd reduction(+ : sum)
          for (int64_t i = 0; i < valid; ++i) sum += row[i];
        }
      db[c] += static_cast<T>(sum);
    }
  });
}

/** y from x; bias and residual, which has y's shape, may be null. */
template <class T>
void conv_forward(const Context& ctx, const ConvShape& s, const T* x, const T* w, const T* bias, const T* residual, T* y);
/** dx, overwritten. */
template <class T>
void conv_backward_data(const Context& ctx, const ConvShape& s, const T* dy, const T* w, T* dx);
/** Adds to dw. */
template <class T>
void conv_backward_weights(const Context& ctx, const ConvShape& s, const T* x, const T* dy, T* dw);

}  // namespace a2s
