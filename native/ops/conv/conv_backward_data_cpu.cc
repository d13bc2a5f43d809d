// dx: position u of the padded input takes from output t through tap j when u = t*stride + j*dilation. Positions of one
// phase u mod stride see the same taps, at shifts (j*dilation - phase) / stride, so that each phase is a correlation of
// dy with the filters turned round. Gradients of added frames go to the frames that they repeat.
#include "ops/conv/conv_shape.h"

namespace a2s {
namespace {

/** The taps that reach one phase of an axis. */
struct Taps {
  int64_t first = 0, step = 0, count = 0;  // tap index, and its shift in output positions
  Taps(int64_t phase, int64_t k, int64_t stride, int64_t dilation) {
    for (int64_t j = 0; j < k; ++j) {
      if (j * dilation % stride != phase) continue;
      if (count++ == 0) first = j;
      else if (step == 0) step = j - first;
    }
  }
};

/** Positions [low, high) of phase p of the padded axis, counted in strides. */
struct Span {
  int64_t low, high;
  Span(int64_t begin, int64_t end, int64_t phase, int64_t stride)
      : low((begin - phase + stride - 1) / stride), high((end - phase + stride - 1) / stride) {}
};

/** Adds the gradients of the padded planes [lines, H + 2 pad_h, pad_w + W + pad_right] to what each position repeats. */
template <class T>
void fold(const Call& c, const ConvShape& s, const T* padded, T* dx) {
  const int64_t high = s.H + 2 * s.pad_h, wide = s.pad_w + s.W + s.pad_right;
  c.ctx.pool.ranges(s.B * s.C, 1 + 16384 / (high * wide), [&](int64_t begin, int64_t end) {
    std::fill(dx + begin * s.H * s.W, dx + end * s.H * s.W, T(0));
    for (int64_t line = begin; line < end; ++line)
      for (int64_t h = 0; h < high; ++h) {
        const T* from = padded + (line * high + h) * wide;
        T* to = dx + (line * s.H + padded_source(h - s.pad_h, s.H, s.mode)) * s.W;
        auto edge = [&](int64_t w) { to[padded_source(w - s.pad_w, s.W, s.mode)] += from[w]; };
        for (int64_t w = 0; w < s.pad_w; ++w) edge(w);
        for (int64_t w = 0; w < s.W; ++w) to[w] += from[s.pad_w + w];
        for (int64_t w = s.pad_w + s.W; w < wide; ++w) edge(w);
      }
  });
}

}  // namespace

template <class T>
void conv_backward_data(const Call& c, const ConvShape& s) {
  const T *w = c.in[1].as<T>(), *dy = c.dout[0].as<T>();
  // Without padding by repetition only positions inside x are computed, in place.
  const bool folds = s.mode != PadMode::zero && (s.pad_h || s.pad_w || s.pad_right);
  const int64_t top = folds ? 0 : s.pad_h, left = folds ? 0 : s.pad_w;  // first position, in the padded input
  const int64_t H = folds ? s.H + 2 * s.pad_h : s.H, W = folds ? s.pad_w + s.W + s.pad_right : s.W;
  T* dx = folds ? c.scratch<T>(s.B * s.C * H * W) : c.din[0].as<T>();
  const int64_t reach_h = (s.kh - 1) * s.dilation_h / s.stride_h, reach_w = (s.kw - 1) * s.dilation_w / s.stride_w;
  const Panels panels(s.Cg, tap_panel<T>());

  for (int64_t p = 0; p < s.stride_h * s.stride_w; ++p) {
    const int64_t ph = p / s.stride_w, pw = p % s.stride_w;
    const Taps th(ph, s.kh, s.stride_h, s.dilation_h), tw(pw, s.kw, s.stride_w, s.dilation_w);
    const Span vh(top, top + H, ph, s.stride_h), vw(left, left + W, pw, s.stride_w);
    const Blocks blocks(vh.high - vh.low, vw.high - vw.low, block_columns(s.Og, (vh.high - vh.low) * (vw.high - vw.low), s.B * s.groups));
    const int64_t high = blocks.h + reach_h, wide = blocks.w + reach_w, plane = plane_stride<T>(high * wide);
    const int64_t R = s.Og * th.count * tw.count;

    ScratchScope scope(c.ctx.scratch);
    int32_t* offset = c.scratch<int32_t>(R);
    T* filters = c.scratch<T>(s.groups * s.Cg * R);
    for (int64_t o = 0, r = 0; o < s.Og; ++o)
      for (int64_t i = 0; i < th.count; ++i)
        for (int64_t j = 0; j < tw.count; ++j, ++r) {
          const int64_t kh = th.first + i * th.step, kw = tw.first + j * tw.step;
          const int64_t qh = (kh * s.dilation_h - ph) / s.stride_h, qw = (kw * s.dilation_w - pw) / s.stride_w;
          offset[r] = static_cast<int32_t>(o * plane + (reach_h - qh) * wide + reach_w - qw);
        }
    c.ctx.pool.ranges(s.O, 1 + 16384 / (s.Cg * s.taps()), [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o)  // filter by filter, as they lie
        for (int64_t at = 0; at < panels.count; ++at) {
          const int64_t first = panels.begin(at), M = panels.height(at);
          T* to = filters + (o / s.Og * s.Cg + first) * R + o % s.Og * th.count * tw.count * M;
          for (int64_t i = 0; i < th.count; ++i)
            for (int64_t j = 0; j < tw.count; ++j, to += M) {
              const T* from = w + ((o * s.Cg + first) * s.kh + th.first + i * th.step) * s.kw + tw.first + j * tw.step;
              for (int64_t m = 0; m < M; ++m) to[m] = from[m * s.taps()];
            }
        }
    });

    const int64_t items = s.B * s.groups * blocks.count(), parts = panel_parts(panels.count, items, 2.0 * s.B * s.C * R * blocks.H * blocks.W);
    const int64_t packed = s.Og * plane + kTapSlack;
    each_task<T>(c.ctx, items * parts, packed + tap_panel<T>() * blocks.h * wide, [&](int64_t task, T* rows) {
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

      const int64_t u0 = (vw.low + k.w0) * s.stride_w + pw - left;  // of the first column, in dx
      const bool direct = k.h == 1 && s.stride_w == 1;
      for (int64_t i = part * panels.count / parts; i < (part + 1) * panels.count / parts; ++i) {
        const int64_t first = g * s.Cg + panels.begin(i), M = panels.height(i);
        T* to = dx + ((b * s.C + first) * H + (vh.low + k.h0) * s.stride_h + ph - top) * W + u0;
        TapProduct<T> product{filters + first * R, M, rows, offset, R, to, H * W, (k.h - 1) * wide + k.w};
        if (!direct) product.y = rows + packed, product.ldy = product.N;
        tap_product(product);
        for (int64_t m = 0; m < M && !direct; ++m)
          for (int64_t h = 0; h < k.h; ++h)
            for (int64_t j = 0; j < k.w; ++j)
              to[(m * H + h * s.stride_h) * W + j * s.stride_w] = product.y[m * product.ldy + h * wide + j];
      }
    });
  }
  if (folds) fold(c, s, dx, c.din[0].as<T>());
}

template void conv_backward_data<float>(const Call&, const ConvShape&);
template void conv_backward_data<double>(const Call&, const ConvShape&);

}  // namespace a2s
