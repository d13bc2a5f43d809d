// Convolution of lines that already lie as it reads them: each begins with what came before its first output.
#pragma once
#include "core/op.h"
#include "ops/snake/snake.h"

namespace a2s {

/** y[b, o, t] = bias[o] + sum_{c, j} w[o, c, j] x[b, c, t + j dilation] + residual[b, o, t] for t < n, and activations of it. */
template <class T>
struct LineConv {
  int64_t B, C, O, n, taps, dilation = 1;
  const T* filters;         // of pack_filters
  const T* bias = nullptr;  // [O]
  const T* x;
  int64_t x_step;  // from a line [b, c] to the next one
  T* y;
  int64_t y_step;
  const T* residual = nullptr;       // lines as far apart as those of y, which they may be
  const int32_t* lengths = nullptr;  // [B]: how many t are computed, the rest is 0; null: n
  const int64_t* before = nullptr;   // [B]: outputs that the signal has before these; null: none
  const HalfSnake<T>* activation = nullptr;
  T* activated = nullptr;  // where to; may be y
  int64_t activated_step = 0;
};
template <class T>
void conv_lines(const Context& ctx, const LineConv<T>& p);

/** y[b, o, u] = bias[o] + sum_{c of o's group, j} w[c, o, j] x[b, c, t] with u = t stride + j - trim, for u < n: a transposed convolution. */
template <class T>
struct LineConvTranspose {
  int64_t B, C, O, groups, T_in, n, taps, stride, trim;
  const T* w;               // [C, O / groups, taps]
  const T* bias = nullptr;  // [O]
  const T* x;
  int64_t x_step;
  T* y;
  int64_t y_step;
  const int32_t* lengths = nullptr;  // [B]: how many u are computed, the rest is 0; null: n
};
template <class T>
void conv_transpose_lines(const Context& ctx, const LineConvTranspose<T>& p);

/** Filters w [O, C, taps] as conv_lines takes them, which is filters_size elements. */
template <class T>
void pack_filters(const Context& ctx, int64_t O, int64_t C, int64_t taps, const T* w, T* filters);
int64_t filters_size(int64_t O, int64_t C, int64_t taps);

/** Filters w [groups, O, R] as panels of columns [R, height], as many elements. */
template <class T>
void pack_panels(const Context& ctx, int64_t groups, int64_t O, int64_t R, const T* w, T* panels);

}  // namespace a2s
