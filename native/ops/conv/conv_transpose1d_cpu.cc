// Many channels a group: the passes are those of the conv1d that this is the adjoint of, forward and backward exchanged. Few, as
// in grouped up-sampling, where a product would idle: forward an input adds its taps to so many neighbouring outputs; backward
// the outputs of one phase (u + trim_left) mod stride see the same taps, so that gradients are products of shifted lines.
#include <cstring>

#include "core/simd.h"
#include "ops/conv/conv_shape.h"

namespace a2s {
namespace {

constexpr int64_t kProductChannels = 8;  // outputs of a group from which on products pay

struct TransposeShape {
  int64_t B, C, T, O, To, Og, Cg, k, stride, trim;
  const int32_t* lengths;
  int64_t length(int64_t b) const { return lengths ? lengths[b] : To; }
  bool few_channels() const { return Og < kProductChannels; }

  /** The convolution that takes y to x. */
  ConvShape adjoint() const {
    ConvShape a{};
    a.B = B, a.C = O, a.O = C, a.groups = O / Og, a.Cg = Og, a.Og = Cg;
    a.H = a.Ho = a.kh = a.stride_h = a.dilation_h = a.dilation_w = 1;
    a.W = To, a.Wo = T, a.kw = k, a.stride_w = stride, a.pad_w = trim;
    a.mode = PadMode::zero;
    return a;
  }
};

TransposeShape transpose_shape(const Call& c) {
  TransposeShape s{};
  s.B = c.in[0].dims[0], s.C = c.in[0].dims[1], s.T = c.in[0].dims[2];
  s.O = c.out[0].dims[1], s.To = c.out[0].dims[2];
  s.Og = c.in[1].dims[1], s.Cg = s.C / c.integer("groups"), s.k = c.in[1].dims[2];
  s.stride = c.integer("stride"), s.trim = c.integer("trim_left");
  s.lengths = c.in[3] ? c.in[3].as<int32_t>() : nullptr;
  return s;
}

A2S_CLONES void add_scaled(float* y, const float* x, float a, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] += a * x[i];
}
void add_scaled(double* y, const double* x, double a, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] += a * x[i];
}

/** Short sums in T, their total in f64. */
template <class T>
A2S_INLINE double dot_of(const T* x, const T* y, int64_t n) {
  double total = 0;
  for (int64_t i = 0; i < n; i += 1024) {
    T sum = 0;
    const int64_t end = std::min(n, i + 1024);
#pragma omp simd reduction(+ : sum)
    for (int64_t j = i; j < end; ++j) sum += x[j] * y[j];
    total += sum;
  }
  return total;
}
A2S_CLONES double dot(const float* x, const float* y, int64_t n) { return dot_of(x, y, n); }
double dot(const double* x, const double* y, int64_t n) { return dot_of(x, y, n); }

/** y[i * stride + p] += x[i] * w[p] for i < n, p < taps <= stride. */
template <class T>
void spread_any(T* y, const T* x, const T* w, int64_t n, int64_t stride, int64_t taps) {
  for (int64_t i = 0; i < n; ++i)
    for (int64_t p = 0; p < taps; ++p) y[i * stride + p] += x[i] * w[p];
}
template <int S>
A2S_INLINE void spread_of(float* y, const float* x, const float* w, int64_t n) {
  typedef float Taps __attribute__((vector_size(S * sizeof(float))));
  Taps taps, sum;
  std::memcpy(&taps, w, sizeof taps);
  for (int64_t i = 0; i < n; ++i) {
    std::memcpy(&sum, y + i * S, sizeof sum);
    sum += x[i] * taps;
    std::memcpy(y + i * S, &sum, sizeof sum);
  }
}
A2S_CLONES void spread4(float* y, const float* x, const float* w, int64_t n) { spread_of<4>(y, x, w, n); }
A2S_CLONES void spread8(float* y, const float* x, const float* w, int64_t n) { spread_of<8>(y, x, w, n); }

void spread(float* y, const float* x, const float* w, int64_t n, int64_t stride, int64_t taps) {
  if (taps == 8 && stride == 8) spread8(y, x, w, n);
  else if (taps == 4 && stride == 4) spread4(y, x, w, n);
  else spread_any(y, x, w, n, stride, taps);
}
void spread(double* y, const double* x, const double* w, int64_t n, int64_t stride, int64_t taps) {
  spread_any(y, x, w, n, stride, taps);
}

template <class T>
void forward_many(Call& c, const TransposeShape& s) {
  const T* bias = c.in[2] ? c.in[2].as<T>() : nullptr;
  T* y = c.out[0].as<T>();
  conv_backward_data(c.ctx, s.adjoint(), c.in[0].as<T>(), c.in[1].as<T>(), y);
  c.ctx.pool.ranges(s.B * s.O, 1 + 16384 / s.To, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      T* line = y + i * s.To;
      const int64_t length = s.length(i / s.O);
      for (int64_t u = 0; bias && u < length; ++u) line[u] += bias[i % s.O];
      std::fill(line + length, line + s.To, T(0));
    }
  });
}

template <class T>
void backward_many(Call& c, const TransposeShape& s) {
  const T* dy = c.dout[0].as<T>();
  auto length = [&](int64_t b) { return s.length(b); };
  if (c.din[2]) add_bias_gradient(c.ctx, dy, c.din[2].as<T>(), s.B, s.O, int64_t{1}, s.To, length);
  if (s.lengths) {  // what lies beyond them is no part of y
    T* valid = c.scratch<T>(s.B * s.O * s.To);
    copy_valid(c.ctx, dy, valid, s.B, s.O, s.To, length);
    dy = valid;
  }
  const T* none = nullptr;
  if (c.din[0]) conv_forward(c.ctx, s.adjoint(), dy, c.in[1].as<T>(), none, none, c.din[0].as<T>());
  if (c.din[1]) conv_backward_weights(c.ctx, s.adjoint(), dy, c.in[0].as<T>(), c.din[1].as<T>());
}

template <class T>
void forward(Call& c) {
  const TransposeShape s = transpose_shape(c);
  if (!s.few_channels()) return forward_many<T>(c, s);
  const T *x = c.in[0].as<T>(), *w = c.in[1].as<T>(), *bias = c.in[2] ? c.in[2].as<T>() : nullptr;
  T* y = c.out[0].as<T>();
  const int64_t V = (s.To + s.trim + s.stride - 1) / s.stride;  // outputs v * stride - trim + p, p < stride, of each v < V
  const int64_t block = std::max<int64_t>(1, 4096 / s.stride);  // whose outputs stay in the L1 cache
  each_task<T>(c.ctx, s.B * s.O, block * s.stride, [&](int64_t task, T* sums) {
    const int64_t b = task / s.O, o = task % s.O, length = s.length(b);
    T* line = y + task * s.To;
    for (int64_t v0 = 0; v0 < V; v0 += block) {
      const int64_t count = std::min(block, V - v0), first = v0 * s.stride - s.trim;
      std::fill_n(sums, count * s.stride, bias ? bias[o] : T(0));
      for (int64_t ch = o / s.Og * s.Cg; ch < (o / s.Og + 1) * s.Cg; ++ch)
        for (int64_t q = 0; q * s.stride < s.k; ++q) {
          const int64_t begin = std::max(v0, q), end = std::min(v0 + count, s.T + q);
          if (begin < end)
            spread(sums + (begin - v0) * s.stride, x + (b * s.C + ch) * s.T + begin - q,
                   w + (ch * s.Og + o % s.Og) * s.k + q * s.stride, end - begin, s.stride, std::min(s.stride, s.k - q * s.stride));
        }
      const int64_t from = std::max<int64_t>(first, 0), to = std::min(first + count * s.stride, length);
      if (from < to) std::copy_n(sums + from - first, to - from, line + from);
    }
    std::fill(line + length, line + s.To, T(0));
  });
}

template <class T>
void backward(Call& c) {
  const TransposeShape s = transpose_shape(c);
  if (!s.few_channels()) return backward_many<T>(c, s);
  const T *x = c.in[0].as<T>(), *w = c.in[1].as<T>(), *dy = c.dout[0].as<T>();
  T* dx = c.din[0] ? c.din[0].as<T>() : nullptr;
  const int64_t weights = s.C * s.Og * s.k, groups = s.C / s.Cg, V = s.T + (s.k - 1) / s.stride;
  double* dw = c.din[1] ? c.scratch<double>(s.B * weights) : nullptr;  // a sum for each item, added in order below
  double* db = c.din[2] ? c.scratch<double>(s.B * s.O) : nullptr;
  each_task<T>(c.ctx, s.B * groups, V, [&](int64_t task, T* phase) {
    const int64_t b = task / groups, g = task % groups;
    if (dx) std::fill_n(dx + (b * s.C + g * s.Cg) * s.T, s.Cg * s.T, T(0));
    for (int64_t o = g * s.Og; o < (g + 1) * s.Og; ++o) {
      const T* line = dy + (b * s.O + o) * s.To;
      for (int64_t p = 0; p < s.stride; ++p) {
        copy_line(phase, 1, V, line, p - s.trim, s.stride, s.length(b), PadMode::zero);
        for (int64_t ch = g * s.Cg; ch < (g + 1) * s.Cg; ++ch)
          for (int64_t q = 0; p + q * s.stride < s.k; ++q) {
            const int64_t at = (ch * s.Og + o % s.Og) * s.k + p + q * s.stride, from = (b * s.C + ch) * s.T;
            if (dx) add_scaled(dx + from, phase + q, w[at], s.T);
            if (dw) dw[b * weights + at] = dot(x + from, phase + q, s.T);
          }
      }
      if (db) {
        double sum = 0;
        for (int64_t u = 0; u < s.length(b); ++u) sum += line[u];
        db[b * s.O + o] = sum;
      }
    }
  });
  auto add_items = [&](const double* parts, T* to, int64_t n) {
    for (int64_t i = 0; parts && i < n; ++i) {
      double sum = 0;
      for (int64_t b = 0; b < s.B; ++b) sum += parts[b * n + i];
      to[i] += static_cast<T>(sum);
    }
  };
  add_items(dw, dw ? c.din[1].as<T>() : nullptr, weights);
  add_items(db, db ? c.din[2].as<T>() : nullptr, s.O);
}

}  // namespace

void conv_transpose1d_forward(Call& c) { A2S_BY_DTYPE(c, forward); }
void conv_transpose1d_backward(Call& c) { A2S_BY_DTYPE(c, backward); }

}  // namespace a2s
