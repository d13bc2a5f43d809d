// dx: position u of the padded input takes from output t through tap j when u = t*stride + j*dilation. Positions of one
// phase u mod stride see the same taps, at shifts (j*dilation - phase) / stride, so that each phase is a correlation of
// dy with the filters turned round. The gradients of positions that padding added go to the positions that they repeat.
#include <array>

#include "ops/conv/conv_lines.h"
#include "ops/conv/conv_shape.h"
#include "ops/conv/minimal_filter.h"

namespace a2s {
namespace {

/** For shorter lines it takes longer to prepare filters for fewer products than these save. */
constexpr int64_t kLongLine = 512;

/** The taps of an axis that reach one phase: first, first + step, … */
struct Taps {
  int64_t phase, first = 0, step = 0, count = 0;
  Taps(int64_t phase, int64_t k, int64_t stride, int64_t dilation) : phase(phase) {
    for (int64_t j = 0; j < k; ++j) {
      if (j * dilation % stride != phase) continue;
      if (count++ == 0) first = j;
      else if (step == 0) step = j - first;
    }
  }
  int64_t at(int64_t i) const { return first + i * step; }
};

/** Positions [low, high) of one phase among [begin, end), counted in strides. */
struct Span {
  int64_t low, high;
  Span(int64_t begin, int64_t end, int64_t phase, int64_t stride)
      : low((begin - phase + stride - 1) / stride), high((end - phase + stride - 1) / stride) {}
};

/** A rectangle of the padded input, and where its gradients [B*C, h1 - h0, w1 - w0] go. */
template <class T>
struct Region {
  int64_t h0, h1, w0, w1;
  T* to;
  int64_t H() const { return h1 - h0; }
  int64_t W() const { return w1 - w0; }
};

template <class T>
struct Phase {
  Taps rows, columns;
  int64_t R;   // filters times taps
  T* filters;  // [groups, panels of Cg, R]
};

template <class T>
Phase<T> pack_phase(const Context& ctx, const ConvShape& s, const Panels& panels, const T* w, int64_t p) {
  const Taps rows(p / s.stride_w, s.kh, s.stride_h, s.dilation_h), columns(p % s.stride_w, s.kw, s.stride_w, s.dilation_w);
  const int64_t taps = rows.count * columns.count, R = s.Og * taps;
  T* filters = ctx.scratch.alloc<T>(s.groups * s.Cg * R);
  ctx.pool.ranges(s.O, 1 + 16384 / (s.Cg * s.taps()), [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o)  // filter by filter, as they lie
      for (int64_t at = 0; at < panels.count; ++at) {
        const int64_t first = panels.begin(at), M = panels.height(at);
        T* to = filters + (o / s.Og * s.Cg + first) * R + o % s.Og * taps * M;
        for (int64_t i = 0; i < rows.count; ++i)
          for (int64_t j = 0; j < columns.count; ++j, to += M) {
            const T* from = w + ((o * s.Cg + first) * s.kh + rows.at(i)) * s.kw + columns.at(j);
            for (int64_t m = 0; m < M; ++m) to[m] = from[m * s.taps()];
          }
      }
  });
  return {rows, columns, R, filters};
}

/** The positions of one phase in one region. */
template <class T>
void correlate(const Context& ctx, const ConvShape& s, const Panels& panels, const Phase<T>& p, const T* dy,
               const Region<T>& region) {
  const Span vh(region.h0, region.h1, p.rows.phase, s.stride_h), vw(region.w0, region.w1, p.columns.phase, s.stride_w);
  const int64_t H = vh.high - vh.low, W = vw.high - vw.low;
  const Blocks blocks(H, W, block_columns(s.Og, H * W, s.B * s.groups));
  const int64_t reach_h = (s.kh - 1) * s.dilation_h / s.stride_h, reach_w = (s.kw - 1) * s.dilation_w / s.stride_w;
  const int64_t high = blocks.h + reach_h, wide = blocks.w + reach_w, plane = plane_stride<T>(high * wide);

  ScratchScope scope(ctx.scratch);
  int32_t* offset = ctx.scratch.alloc<int32_t>(p.R);
  for (int64_t o = 0, r = 0; o < s.Og; ++o)
    for (int64_t i = 0; i < p.rows.count; ++i)
      for (int64_t j = 0; j < p.columns.count; ++j) {
        const int64_t qh = (p.rows.at(i) * s.dilation_h - p.rows.phase) / s.stride_h;
        const int64_t qw = (p.columns.at(j) * s.dilation_w - p.columns.phase) / s.stride_w;
        offset[r++] = static_cast<int32_t>(o * plane + (reach_h - qh) * wide + reach_w - qw);
      }

  const int64_t items = s.B * s.groups * blocks.count(), parts = panel_parts(panels.count, items, 2.0 * s.B * s.C * p.R * H * W);
  const int64_t packed = s.Og * plane;
  each_task<T>(ctx, items * parts, packed + tap_panel<T>() * blocks.h * wide, [&](int64_t task, T* rows) {
    const int64_t part = task % parts, g = task / parts / blocks.count() % s.groups, b = task / parts / blocks.count() / s.groups;
    const Blocks::Block k = blocks.at(task / parts % blocks.count());
    for (int64_t o = 0; o < s.Og; ++o)
      for (int64_t i = 0; i < high; ++i) {
        const int64_t from = vh.low + k.h0 + i - reach_h;
        T* to = rows + o * plane + i * wide;
        const T* line = dy + ((b * s.O + g * s.Og + o) * s.Ho + from) * s.Wo;
        if (from < 0 || from >= s.Ho) std::fill_n(to, wide, T(0));
        else copy_line(to, 1, wide, line, vw.low + k.w0 - reach_w, 1, s.length(b), PadMode::zero);
      }

    const int64_t h0 = (vh.low + k.h0) * s.stride_h + p.rows.phase - region.h0,
                  w0 = (vw.low + k.w0) * s.stride_w + p.columns.phase - region.w0;
    const bool direct = k.h == 1 && s.stride_w == 1;  // the sums are a run of the region
    for (int64_t i = part * panels.count / parts; i < (part + 1) * panels.count / parts; ++i) {
      const int64_t first = g * s.Cg + panels.begin(i), M = panels.height(i), step = region.H() * region.W();
      T* to = region.to + (b * s.C + first) * step + h0 * region.W() + w0;
      TapProduct<T> product{p.filters + first * p.R, M, rows, offset, p.R, to, step, (k.h - 1) * wide + k.w};
      if (!direct) product.y = rows + packed, product.ldy = product.N;
      tap_product(product);
      for (int64_t m = 0; m < M && !direct; ++m)
        for (int64_t h = 0; h < k.h; ++h)
          for (int64_t j = 0; j < k.w; ++j)
            to[m * step + h * s.stride_h * region.W() + j * s.stride_w] = product.y[m * product.ldy + h * wide + j];
    }
  });
}

/** The convolution of dy, with zeros around it, and the filters turned round. */
template <class T>
void backward_lines(const Context& ctx, const ConvShape& s, const T* dy, const T* w, T* dx) {
  ScratchScope scope(ctx.scratch);
  T* filters = ctx.scratch.alloc<T>(minimal_filters_size(s.C, s.O, s.kw));
  pack_minimal_filters(ctx, s.C, s.O, s.kw, w, filters, true);

  const bool rim = s.mode != PadMode::zero && s.pad_w + s.pad_right > 0;  // whose gradients are wanted as well
  const int64_t n = rim ? s.pad_w + s.W + s.pad_right : s.W, reach = (s.kw - 1) * s.dilation_w, wide = n + reach;
  const T* padded = padded_lines(ctx, dy, s.B * s.O, s.Wo, (rim ? 0 : s.pad_w) - reach, wide, PadMode::zero, [&](int64_t i) { return s.length(i / s.O); });
  T* all = rim ? ctx.scratch.alloc<T>(s.B * s.C * n) : dx;
  conv_lines<T>(ctx, {.B = s.B, .C = s.O, .O = s.C, .n = n, .taps = s.kw, .dilation = s.dilation_w, .filters = filters, .x = padded,
                      .x_step = wide, .y = all, .y_step = n});
  if (!rim) return;
  ctx.pool.ranges(s.B * s.C, 1 + 16384 / n, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const T* from = all + i * n;
      T* to = dx + i * s.W;
      std::copy_n(from + s.pad_w, s.W, to);
      auto add = [&](int64_t v) { to[padded_source(v - s.pad_w, s.W, s.mode)] += from[v]; };
      for (int64_t v = 0; v < s.pad_w; ++v) add(v);
      for (int64_t v = s.pad_w + s.W; v < n; ++v) add(v);
    }
  });
}

}  // namespace

template <class T>
void conv_backward_data(const Context& ctx, const ConvShape& s, const T* dy, const T* w, T* dx) {
  if (s.of_lines() && s.W >= kLongLine && minimally_filtered(s.C, s.O, s.kw)) return backward_lines(ctx, s, dy, w, dx);

  const int64_t bottom = s.pad_h + s.H, right = s.pad_w + s.W;
  std::array<Region<T>, 5> regions{{{s.pad_h, bottom, s.pad_w, right, dx}}};
  size_t count = 1;
  if (s.mode != PadMode::zero)  // the rim: above, below, left, right
    for (Region<T> r :
         {Region<T>{0, s.pad_h, 0, right + s.pad_right}, Region<T>{bottom, bottom + s.pad_h, 0, right + s.pad_right},
          Region<T>{s.pad_h, bottom, 0, s.pad_w}, Region<T>{s.pad_h, bottom, right, right + s.pad_right}})
      if (r.H() > 0 && r.W() > 0) {
        r.to = ctx.scratch.alloc<T>(s.B * s.C * r.H() * r.W());
        regions[count++] = r;
      }

  const Panels panels(s.Cg, tap_panel<T>());
  for (int64_t p = 0; p < s.stride_h * s.stride_w; ++p) {
    ScratchScope scope(ctx.scratch);
    const Phase<T> phase = pack_phase(ctx, s, panels, w, p);
    for (size_t i = 0; i < count; ++i) correlate(ctx, s, panels, phase, dy, regions[i]);
  }
  for (size_t i = 1; i < count; ++i) {
    const Region<T>& r = regions[i];
    for (int64_t line = 0; line < s.B * s.C; ++line)
      for (int64_t h = r.h0; h < r.h1; ++h)
        for (int64_t v = r.w0; v < r.w1; ++v)
          dx[(line * s.H + padded_source(h - s.pad_h, s.H, s.mode)) * s.W + padded_source(v - s.pad_w, s.W, s.mode)] +=
              r.to[(line * r.H() + h - r.h0) * r.W() + v - r.w0];
  }
}

template void conv_backward_data(const Context&, const ConvShape&, const float*, const float*, float*);
template void conv_backward_data(const Context&, const ConvShape&, const double*, const double*, double*);

}  // namespace a2s
