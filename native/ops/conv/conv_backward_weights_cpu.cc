// dw: with the input laid out position by position, channels inside, the gradient of a panel of filters is a product of
// dy (panel by outputs) with rows of channels, one row an output. Where taps are neighbours their channels are too, and one
// product serves all taps of a row. Each piece of the outputs keeps its own sum; pieces are added in order.
#include "core/add.h"
#include "ops/conv/conv_shape.h"
#include "ops/conv/transpose_lines.h"

namespace a2s {
namespace {

/** to[j, c] = the padded row c at start + j, for `n` positions of `channels` rows that lie `step` apart. */
template <class T>
void pack_positions(T* to, const T* from, int64_t channels, int64_t step, int64_t start, int64_t n, int64_t size, PadMode mode) {
  const int64_t begin = std::clamp<int64_t>(-start, 0, n), end = std::clamp<int64_t>(size - start, begin, n);
  auto outside = [&](int64_t j) {
    const int64_t at = padded_source(start + j, size, mode);
    for (int64_t ch = 0; ch < channels; ++ch) to[j * channels + ch] = at < 0 ? T(0) : from[ch * step + at];
  };
  for (int64_t j = 0; j < begin; ++j) outside(j);
  if (end > begin) transpose_lines(to + begin * channels, from + start + begin, channels, step, end - begin);
  for (int64_t j = end; j < n; ++j) outside(j);
}

/** dw += the sums of all pieces, each [group, kh, Og, kw, Cg]; a few channels of all taps at a time, which lie together in dw. */
template <class T>
void add_pieces(const Context& ctx, const ConvShape& s, const T* partial, int64_t pieces, T* dw) {
  constexpr int64_t kChannels = 64;
  ctx.pool.ranges(s.O, 1 + 16384 / (s.Cg * s.taps() * pieces), [&](int64_t begin, int64_t end) {
    T sum[kChannels];
    for (int64_t o = begin; o < end; ++o)
      for (int64_t c = 0; c < s.Cg; c += kChannels)
        for (int64_t tap = 0, n = std::min(kChannels, s.Cg - c); tap < s.taps(); ++tap) {
          const int64_t i = tap / s.kw, j = tap % s.kw;
          const T* from = partial + (((o / s.Og * s.kh + i) * s.Og + o % s.Og) * s.kw + j) * s.Cg + c;
          std::copy_n(from, n, sum);
          for (int64_t piece = 1; piece < pieces; ++piece) add_range(sum, from + piece * s.weights(), sum, n);
          T* to = dw + (o * s.Cg + c) * s.taps() + tap;
          for (int64_t ch = 0; ch < n; ++ch) to[ch * s.taps()] += sum[ch];
        }
  });
}

}  // namespace

template <class T>
void conv_backward_weights(const Context& ctx, const ConvShape& s, const T* x, const T* dy, T* dw) {
  const Blocks blocks(s.Ho, s.Wo, block_columns(s.Cg * s.stride_h * s.stride_w, s.Ho * s.Wo, s.B));
  const int64_t high = (blocks.h - 1) * s.stride_h + (s.kh - 1) * s.dilation_h + 1;
  const int64_t wide = (blocks.w - 1) * s.stride_w + (s.kw - 1) * s.dilation_w + 1;
  const Panels panels(s.Og, tap_panel<T>());

  const int64_t steps = s.B * blocks.count();  // of the sum
  const int64_t pieces = std::clamp<int64_t>(std::min<int64_t>((1 << 21) / s.weights(), steps), 1, 16);
  const int64_t parts = panel_parts(panels.count, pieces * s.groups, 2.0 * s.weights() * s.B * s.Ho * s.Wo);
  T* partial = ctx.scratch.alloc<T>(pieces * s.weights());  // [piece, group, kh, Og, kw, Cg]

  const int64_t packed = high * wide * s.Cg, panel_size = tap_panel<T>() * blocks.h * blocks.w;
  each_task<T>(ctx, pieces * s.groups * parts, packed + panel_size + (blocks.h * blocks.w * 4) / sizeof(T) + 16,
               [&](int64_t task, T* rows) {
                 const int64_t part = task % parts, g = task / parts % s.groups, piece = task / parts / s.groups;
                 const int64_t begin = part * panels.count / parts, end = (part + 1) * panels.count / parts;
                 T* to = partial + (piece * s.groups + g) * s.Og * s.Cg * s.taps();
                 T* gradients = rows + packed;
                 int32_t* offset = reinterpret_cast<int32_t*>(gradients + panel_size);
                 bool started = false;
                 for (int64_t step = piece * steps / pieces; step < (piece + 1) * steps / pieces; ++step) {
                   const int64_t b = step / blocks.count();
                   Blocks::Block k = blocks.at(step % blocks.count());
                   k.w = std::min(k.w, s.length(b) - k.w0);
                   if (k.w <= 0) continue;
                   for (int64_t h = 0, n = 0; h < k.h; ++h)
                     for (int64_t j = 0; j < k.w; ++j)
                       offset[n++] = static_cast<int32_t>((h * s.stride_h * wide + j * s.stride_w) * s.Cg);
                   for (int64_t i = 0; i < high; ++i) {
                     const int64_t from = padded_source(k.h0 * s.stride_h + i - s.pad_h, s.H, s.mode);
                     T* row = rows + i * wide * s.Cg;
                     if (from < 0) {
                       std::fill_n(row, wide * s.Cg, T(0));
                       continue;
                     }
                     pack_positions(row, x + ((b * s.C + g * s.Cg) * s.H + from) * s.W, s.Cg, s.H * s.W,
                                    k.w0 * s.stride_w - s.pad_w, wide, s.W, s.mode);
                   }
                   for (int64_t p = begin; p < end; ++p) {
                     const int64_t first = panels.begin(p), M = panels.height(p), R = k.h * k.w;
                     for (int64_t h = 0; h < k.h; ++h)
                       transpose_lines(gradients + h * k.w * M,
                                       dy + ((b * s.O + g * s.Og + first) * s.Ho + k.h0 + h) * s.Wo + k.w0, M, s.Ho * s.Wo, k.w);
                     const int64_t run = s.dilation_w == 1 ? s.kw : 1;  // neighbouring taps in one product
                     for (int64_t i = 0; i < s.kh; ++i)
                       for (int64_t j = 0; j < s.kw; j += run)
                         tap_product(TapProduct<T>{gradients, M, rows + (i * s.dilation_h * wide + j * s.dilation_w) * s.Cg,
                                                   offset, R, to + ((i * s.Og + first) * s.kw + j) * s.Cg, s.kw * s.Cg,
                                                   run * s.Cg, nullptr, started});
                   }
                   started = true;
                 }
                 for (int64_t i = 0; i < s.kh && !started; ++i)
                   std::fill(to + (i * s.Og + panels.begin(begin)) * s.kw * s.Cg,
                             to + (i * s.Og + panels.begin(end)) * s.kw * s.Cg, T(0));
               });

  add_pieces(ctx, s, partial, pieces, dw);
}

template void conv_backward_weights(const Context&, const ConvShape&, const float*, const float*, float*);
template void conv_backward_weights(const Context&, const ConvShape&, const double*, const double*, double*);

}  // namespace a2s
