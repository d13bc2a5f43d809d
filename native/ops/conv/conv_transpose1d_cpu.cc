// Many channels a group: the passes are those of the conv1d that this is the adjoint of, forward and backward exchanged. Few, as
// in grouped up-sampling, where a product would idle: the outputs of one phase (u + trim_left) mod stride see the same taps, so
// that they, and backward the gradients, are sums and products of shifted lines.
#include <cstring>

#include "core/simd.h"
#include "ops/conv/conv_lines.h"
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

constexpr int64_t kPhases = 8;  // at a time

/** y[i S + r] = bias + sum_{c, q} w[c, q, r] x[c x_step + i - q] for i < n, r < kPhases, c < C, q < Q, which are known when compiling or 0. */
template <int kC, int kQ, class T>
A2S_INLINE void spread_of(T* y, const T* x, int64_t x_step, const T* w, T bias, int64_t C, int64_t Q, int64_t S, int64_t n) {
  typedef T Vector __attribute__((vector_size(kPhases * sizeof(T))));
  const int64_t channels = kC ? kC : C, shifts = kQ ? kQ : Q;
  for (int64_t i = 0; i < n; ++i) {
    Vector sum = Vector{} + bias;
    for (int64_t c = 0; c < channels; ++c)
      for (int64_t q = 0; q < shifts; ++q) {
        Vector taps;
        std::memcpy(&taps, w + (c * shifts + q) * kPhases, sizeof taps);
        sum += x[c * x_step + i - q] * taps;
      }
    std::memcpy(y + i * S, &sum, sizeof sum);
  }
}
/** The same of two channels and shifts for S = 4 or 2, whose taps w repeats, four i in 16 / S vectors; returns for how many. */
template <int S>
A2S_INLINE int64_t spread_fours(float* y, const float* x, int64_t x_step, const float* w, float bias, int64_t n) {
  typedef float Four __attribute__((vector_size(16)));
  typedef float Vector __attribute__((vector_size(32)));
  int64_t i = 0;
  for (; i + 4 <= n; i += 4) {
    Vector low = Vector{} + bias, high = low;
    for (int64_t c = 0; c < 2; ++c)
      for (int64_t q = 0; q < 2; ++q) {
        Four u;
        Vector taps;
        std::memcpy(&u, x + c * x_step + i - q, sizeof u);
        std::memcpy(&taps, w + (c * 2 + q) * kPhases, sizeof taps);
        if (S == 2) low += __builtin_shufflevector(u, u, 0, 0, 1, 1, 2, 2, 3, 3) * taps;
        else {
          low += __builtin_shufflevector(u, u, 0, 0, 0, 0, 1, 1, 1, 1) * taps;
          high += __builtin_shufflevector(u, u, 2, 2, 2, 2, 3, 3, 3, 3) * taps;
        }
      }
    std::memcpy(y + i * S, &low, sizeof low);
    if (S == 4) std::memcpy(y + i * S + 8, &high, sizeof high);
  }
  return i;
}
A2S_CLONES void spread(float* y, const float* x, int64_t x_step, const float* w, float bias, int64_t C, int64_t Q, int64_t S, int64_t n) {
  if (C != 2 || Q != 2) return spread_of<0, 0>(y, x, x_step, w, bias, C, Q, S, n);
  const int64_t done = S == 4 ? spread_fours<4>(y, x, x_step, w, bias, n) : S == 2 ? spread_fours<2>(y, x, x_step, w, bias, n) : 0;
  spread_of<2, 2>(y + done * S, x + done, x_step, w, bias, C, Q, S, n - done);
}
void spread(double* y, const double* x, int64_t x_step, const double* w, double bias, int64_t C, int64_t Q, int64_t S, int64_t n) {
  spread_of<0, 0>(y, x, x_step, w, bias, C, Q, S, n);
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
  conv_transpose_lines<T>(c.ctx, {.B = s.B, .C = s.C, .O = s.O, .groups = s.O / s.Og, .T_in = s.T, .n = s.To, .taps = s.k,
                                  .stride = s.stride, .trim = s.trim, .w = c.in[1].as<T>(),
                                  .bias = c.in[2] ? c.in[2].as<T>() : nullptr, .x = c.in[0].as<T>(), .x_step = s.T,
                                  .y = c.out[0].as<T>(), .y_step = s.To, .lengths = s.lengths});
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

template <class T>
void conv_transpose_lines(const Context& ctx, const LineConvTranspose<T>& p) {
  const int64_t S = p.stride, Cg = p.C / p.groups, Og = p.O / p.groups, Q = (p.taps + S - 1) / S;
  const int64_t V = (p.n + p.trim + S - 1) / S;  // outputs v S - trim + r, r < S, of each v < V, which see x[v - Q + 1 .. v]
  const int64_t block = std::max<int64_t>(1, 4096 / S), chunks = (S + kPhases - 1) / kPhases, weights = Cg * Q * kPhases;
  const int64_t repeated = S == 2 || S == 4 ? S : kPhases;
  each_task<T>(ctx, p.B * p.O, block * S + kPhases + chunks * weights, [&](int64_t task, T* sums) {
    const int64_t b = task / p.O, o = task % p.O, length = p.lengths ? p.lengths[b] : p.n;
    const T *x = p.x + (b * p.C + o / Og * Cg) * p.x_step, bias = p.bias ? p.bias[o] : T(0);
    auto taps = [&](int64_t c) { return p.w + ((o / Og * Cg + c) * Og + o % Og) * p.taps; };
    T *line = p.y + task * p.y_step, *w = sums + block * S + kPhases;
    for (int64_t i = 0; i < chunks; ++i)
      for (int64_t c = 0; c < Cg; ++c)
        for (int64_t q = 0; q < Q; ++q)
          for (int64_t k = 0; k < kPhases; ++k) {
            const int64_t r = i * kPhases + k % repeated;
            w[i * weights + (c * Q + q) * kPhases + k] = r < S && q * S + r < p.taps ? taps(c)[q * S + r] : T(0);
          }
    for (int64_t v0 = p.trim / S; v0 < V; v0 += block) {
      const int64_t v1 = std::min(V, v0 + block), first = v0 * S - p.trim;
      const int64_t begin = std::clamp(Q - 1, v0, v1), end = std::clamp(p.T_in, begin, v1);  // that see nothing outside x
      // Phases beyond the last one fall on the next output, which is written after them, as the last phases are before the first.
      for (int64_t i = chunks - 1; i >= 0; --i)
        spread(sums + (begin - v0) * S + i * kPhases, x + begin, p.x_step, w + i * weights, bias, Cg, Q, S, end - begin);
      auto edge = [&](int64_t from, int64_t to) {
        for (int64_t v = from; v < to; ++v)
          for (int64_t r = 0; r < S; ++r) {
            T sum = bias;
            for (int64_t c = 0; c < Cg; ++c)
              for (int64_t q = std::max<int64_t>(0, v - p.T_in + 1); q < std::min(Q, v + 1); ++q)
                if (q * S + r < p.taps) sum += taps(c)[q * S + r] * x[c * p.x_step + v - q];
            sums[(v - v0) * S + r] = sum;
          }
      };
      edge(v0, begin);
      edge(end, v1);
      const int64_t from = std::max<int64_t>(first, 0), to = std::min(first + (v1 - v0) * S, length);
      if (from < to) std::copy_n(sums + from - first, to - from, line + from);
    }
    std::fill(line + length, line + p.n, T(0));
  });
}
template void conv_transpose_lines(const Context&, const LineConvTranspose<float>&);
template void conv_transpose_lines(const Context&, const LineConvTranspose<double>&);

void conv_transpose1d_forward(Call& c) { A2S_BY_DTYPE(c, forward); }
void conv_transpose1d_backward(Call& c) { A2S_BY_DTYPE(c, backward); }

}  // namespace a2s
