#include "ops/conv/conv_lines.h"

#include "ops/conv/conv_shape.h"
#include "ops/conv/minimal_filter.h"
#include "ops/conv/transpose_lines.h"

namespace a2s {

int64_t filters_size(int64_t O, int64_t C, int64_t taps) {
  return minimally_filtered(O, C, taps) ? minimal_filters_size(O, C, taps) : O * C * taps;
}

template <class T>
void pack_filters(const Context& ctx, int64_t O, int64_t C, int64_t taps, const T* w, T* filters) {
  if (minimally_filtered(O, C, taps)) return pack_minimal_filters(ctx, O, C, taps, w, filters);
  pack_panels(ctx, 1, O, C * taps, w, filters);
}

template <class T>
void pack_panels(const Context& ctx, int64_t groups, int64_t O, int64_t R, const T* w, T* to) {
  const Panels panels(O, tap_panel<T>());
  ctx.pool.ranges(groups * panels.count, 1 + 8192 / R, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = (i / panels.count * O + panels.begin(i % panels.count)) * R;
      transpose_lines(to + first, w + first, panels.height(i % panels.count), R, R);
    }
  });
}

template <class T>
void conv_lines(const Context& ctx, const LineConv<T>& p) {
  if (minimally_filtered(p.O, p.C, p.taps)) return minimal_filter_lines(ctx, p);
  const int64_t R = p.C * p.taps;
  ScratchScope scope(ctx.scratch);
  int32_t* offset = ctx.scratch.alloc<int32_t>(R);
  for (int64_t c = 0, r = 0; c < p.C; ++c)
    for (int64_t j = 0; j < p.taps; ++j) offset[r++] = static_cast<int32_t>(c * p.x_step + j * p.dilation);

  const bool shared = ctx.pool.threads() > 1;
  const Blocks blocks(1, p.n, block_columns(p.C, p.n, p.B, shared));
  const Panels panels(p.O, tap_panel<T>());
  const int64_t items = p.B * blocks.count(), parts = shared ? panel_parts(panels.count, items, 2.0 * p.B * p.O * R * p.n) : 1;
  ctx.pool.run(items * parts, [&](int64_t task) {
    const int64_t part = task % parts, b = task / parts / blocks.count();
    const Blocks::Block k = blocks.at(task / parts % blocks.count());
    const int64_t w = std::clamp<int64_t>((p.lengths ? p.lengths[b] : p.n) - k.w0, 0, k.w);
    for (int64_t i = part * panels.count / parts; i < (part + 1) * panels.count / parts; ++i) {
      const int64_t first = panels.begin(i), M = panels.height(i), line = b * p.O + first;
      const T* x = p.x + b * p.C * p.x_step + k.w0;
      T* to = p.y + line * p.y_step + k.w0;
      TapProduct<T> product{p.filters + first * R, M, x, offset, R, to, p.y_step, w, p.bias ? p.bias + first : nullptr};
      if (p.residual) product.residual = p.residual + line * p.y_step + k.w0;
      if (w > 0) tap_product(product);
      for (int64_t m = 0; m < M; ++m) {
        T* y = to + m * p.y_step;
        std::fill(y + w, y + k.w, T(0));
        if (p.activation) p.activation->line(first + m, y, p.activated + (line + m) * p.activated_step + k.w0, k.w);
      }
    }
  });
}

template void pack_filters(const Context&, int64_t, int64_t, int64_t, const float*, float*);
template void pack_filters(const Context&, int64_t, int64_t, int64_t, const double*, double*);
template void pack_panels(const Context&, int64_t, int64_t, int64_t, const float*, float*);
template void pack_panels(const Context&, int64_t, int64_t, int64_t, const double*, double*);
template void conv_lines(const Context&, const LineConv<float>&);
template void conv_lines(const Context&, const LineConv<double>&);

}  // namespace a2s
