// y: per block of outputs the input it sees is laid out once, split by stride phase, so that tap (c, i, j) of all
// outputs of the block is one contiguous row; then the panels of filters run over these rows.
#include "ops/conv/conv_lines.h"
#include "ops/conv/conv_shape.h"
#include "ops/conv/minimal_filter.h"

namespace a2s {
namespace {

/** Whether lines of x are read where they lie: not where they compete for few sets of the first-level cache. */
template <class T>
bool in_place(const ConvShape& s) {
  return s.pad_w == 0 && s.pad_right == 0 && s.W * int64_t{sizeof(T)} % 1024 != 0;
}

template <class T>
void forward_lines(const Context& ctx, const ConvShape& s, const T* x, const T* w, const T* bias, const T* residual, T* y) {
  T* filters = ctx.scratch.alloc<T>(filters_size(s.O, s.C, s.kw));
  pack_filters(ctx, s.O, s.C, s.kw, w, filters);
  const int64_t wide = s.pad_w + s.W + s.pad_right;
  if (wide > s.W) x = padded_lines(ctx, x, s.B * s.C, s.W, -s.pad_w, wide, s.mode, [&](int64_t) { return s.W; });
  conv_lines<T>(ctx, {.B = s.B, .C = s.C, .O = s.O, .n = s.Wo, .taps = s.kw, .dilation = s.dilation_w, .filters = filters, .bias = bias,
                      .x = x, .x_step = wide, .y = y, .y_step = s.Wo, .residual = residual, .lengths = s.lengths});
}

}  // namespace

template <class T>
void conv_forward(const Context& ctx, const ConvShape& s, const T* x, const T* w, const T* bias, const T* residual, T* y) {
  if (s.of_lines() && (in_place<T>(s) || minimally_filtered(s.O, s.C, s.kw))) return forward_lines(ctx, s, x, w, bias, residual, y);

  const int64_t R = s.Cg * s.taps(), phases = s.stride_h * s.stride_w;
  T* filters = ctx.scratch.alloc<T>(s.weights());
  pack_panels(ctx, s.groups, s.Og, R, w, filters);
  const bool shared = ctx.pool.threads() > 1;
  const Blocks blocks(s.Ho, s.Wo, block_columns(s.Cg * phases, s.Ho * s.Wo, s.B * s.groups, shared));
  const int64_t high = blocks.h + (s.kh - 1) * s.dilation_h / s.stride_h,
                wide = blocks.w + (s.kw - 1) * s.dilation_w / s.stride_w;
  const int64_t plane = plane_stride<T>(high * wide);

  int32_t* offset = ctx.scratch.alloc<int32_t>(R);
  for (int64_t ch = 0, r = 0; ch < s.Cg; ++ch)
    for (int64_t i = 0; i < s.kh * s.dilation_h; i += s.dilation_h)
      for (int64_t j = 0; j < s.kw * s.dilation_w; j += s.dilation_w)
        offset[r++] = static_cast<int32_t>((ch * phases + i % s.stride_h * s.stride_w + j % s.stride_w) * plane +
                                           i / s.stride_h * wide + j / s.stride_w);

  const Panels panels(s.Og, tap_panel<T>());
  const int64_t items = s.B * s.groups * blocks.count(),
                parts = shared ? panel_parts(panels.count, items, 2.0 * s.B * s.O * R * s.Ho * s.Wo) : 1;
  const int64_t packed = s.Cg * phases * plane, planar = blocks.h > 1 ? tap_panel<T>() * blocks.h * wide : 0;
  each_task<T>(ctx, items * parts, packed + planar, [&](int64_t task, T* buffer) {
    const int64_t part = task % parts, block = task / parts % blocks.count(), g = task / parts / blocks.count() % s.groups;
    const int64_t b = task / parts / blocks.count() / s.groups;
    Blocks::Block k = blocks.at(block);
    const int64_t all = k.w;
    k.w = std::clamp<int64_t>(s.length(b) - k.w0, 0, all);

    if (k.w > 0)
      for (int64_t ch = 0; ch < s.Cg; ++ch)
        for (int64_t p = 0; p < phases; ++p)
          for (int64_t i = 0; i < high; ++i) {
            const int64_t from = padded_source((k.h0 + i) * s.stride_h + p / s.stride_w - s.pad_h, s.H, s.mode);
            T* to = buffer + (ch * phases + p) * plane + i * wide;
            const T* line = x + ((b * s.C + g * s.Cg + ch) * s.H + from) * s.W;
            if (from < 0) std::fill_n(to, wide, T(0));
            else copy_line(to, 1, wide, line, k.w0 * s.stride_w + p % s.stride_w - s.pad_w, s.stride_w, s.W, s.mode);
          }

    T* planes = buffer + packed;  // a block of several rows is computed with the columns between its rows, which are dropped
    for (int64_t i = part * panels.count / parts; i < (part + 1) * panels.count / parts; ++i) {
      const int64_t first = g * s.Og + panels.begin(i), M = panels.height(i);
      T* to = y + ((b * s.O + first) * s.Ho + k.h0) * s.Wo + k.w0;
      TapProduct<T> product{filters + first * R, M, buffer, offset, R, to, s.Ho * s.Wo, k.w, bias ? bias + first : nullptr};
      if (residual) product.residual = residual + (to - y);
      if (k.h > 1) product.y = planes, product.N = product.ldy = (k.h - 1) * wide + k.w;
      if (k.w > 0) tap_product(product);
      for (int64_t m = 0; m < M; ++m)
        for (int64_t h = 0; h < k.h; ++h) {
          T* row = to + (m * s.Ho + h) * s.Wo;
          if (k.h > 1) std::copy_n(planes + m * product.ldy + h * wide, k.w, row);
          std::fill(row + k.w, row + all, T(0));
        }
    }
  });
}

template void conv_forward(const Context&, const ConvShape&, const float*, const float*, const float*, const float*, float*);
template void conv_forward(const Context&, const ConvShape&, const double*, const double*, const double*, const double*, double*);

}  // namespace a2s
