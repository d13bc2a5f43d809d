#include <algorithm>

#include "core/math.h"
#include "ops/snake/snake.h"

namespace a2s {
namespace {

constexpr int64_t kTask = 8192;  // elements a task

template <class T>
A2S_INLINE void leaky_line(const T* x, T* y, int64_t n, T slope) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] > 0 ? x[i] : slope * x[i];
}
template <class T>
A2S_INLINE void leaky_gradient(const T* x, const T* dy, T* dx, int64_t n, T slope) {
  for (int64_t i = 0; i < n; ++i) dx[i] = x[i] > 0 ? dy[i] : slope * dy[i];
}
template <class T>
A2S_INLINE void snake_line(const T* x, T* y, int64_t n, T alpha) {
  const T scale = 1 / (alpha + T(1e-9));
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) {
    const T s = math::sin(alpha * x[i]);
    y[i] = x[i] + s * s * scale;
  }
}
/** dx, and the sum of d y / d alpha * dy: short sums in T, their total in f64. */
template <class T>
A2S_INLINE double snake_gradient(const T* x, const T* dy, T* dx, int64_t n, T alpha) {
  const T scale = 1 / (alpha + T(1e-9));
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += 1024) {
    const int64_t end = std::min(n, begin + 1024);
    T sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = begin; i < end; ++i) {
      const T s = math::sin(alpha * x[i]), twice = math::sin(2 * alpha * x[i]) * scale;
      if (dx) dx[i] = dy[i] * (1 + alpha * twice);
      sum += dy[i] * (x[i] * twice - s * s * scale * scale);
    }
    total += sum;
  }
  return total;
}

A2S_CLONES void leaky(const float* x, float* y, int64_t n, float slope) { leaky_line(x, y, n, slope); }
void leaky(const double* x, double* y, int64_t n, double slope) { leaky_line(x, y, n, slope); }
A2S_CLONES void leaky(const float* x, const float* dy, float* dx, int64_t n, float slope) { leaky_gradient(x, dy, dx, n, slope); }
void leaky(const double* x, const double* dy, double* dx, int64_t n, double slope) { leaky_gradient(x, dy, dx, n, slope); }
A2S_CLONES void snake(const float* x, float* y, int64_t n, float alpha) { snake_line(x, y, n, alpha); }
void snake(const double* x, double* y, int64_t n, double alpha) { snake_line(x, y, n, alpha); }
A2S_CLONES double snake(const float* x, const float* dy, float* dx, int64_t n, float alpha) {
  return snake_gradient(x, dy, dx, n, alpha);
}
double snake(const double* x, const double* dy, double* dx, int64_t n, double alpha) {
  return snake_gradient(x, dy, dx, n, alpha);
}

template <class T>
void half_forward(Call& c) {
  const T* x = c.in[0].as<T>();
  T* y = c.out[0].as<T>();
  const int64_t C = c.in[0].dims[1], n = c.in[0].dims[2], pad = c.integer("pad_left");
  const HalfSnake<T> activation{c.in[1].as<T>(), c.in[1].size(), static_cast<T>(c.num("slope"))};
  c.ctx.pool.ranges(c.in[0].dims[0] * C, 1 + kTask / (n + 1), [&](int64_t begin, int64_t end) {
    for (int64_t line = begin; line < end; ++line) {
      T* to = y + line * (pad + n) + pad;
      std::fill(to - pad, to, T(0));
      activation.line(line % C, x + line * n, to, n);
    }
  });
}

template <class T>
void half_backward(Call& c) {
  const T *x = c.in[0].as<T>(), *alpha = c.in[1].as<T>(), *dy = c.dout[0].as<T>();
  T* dx = c.din[0] ? c.din[0].as<T>() : nullptr;
  const int64_t B = c.in[0].dims[0], C = c.in[0].dims[1], n = c.in[0].dims[2], A = c.in[1].size();
  const int64_t pad = c.integer("pad_left");
  double* partial = c.scratch<double>(B * C);  // d alpha of each line
  c.ctx.pool.ranges(B * C, 1 + kTask / (n + 1), [&](int64_t begin, int64_t end) {
    for (int64_t line = begin; line < end; ++line) {
      T* to = dx ? dx + line * n : nullptr;
      const T* from = dy + line * (pad + n) + pad;
      if (line % C < A) partial[line] = snake(x + line * n, from, to, n, alpha[line % C]);
      else if (dx) leaky(x + line * n, from, to, n, static_cast<T>(c.num("slope")));
    }
  });
  if (!c.din[1]) return;
  for (int64_t a = 0; a < A; ++a) {
    double sum = 0;
    for (int64_t b = 0; b < B; ++b) sum += partial[b * C + a];
    c.din[1].as<T>()[a] += static_cast<T>(sum);
  }
}

template <class T>
void leaky_forward(Call& c) {
  c.ctx.pool.ranges(c.in[0].size(), 2 * kTask, [&](int64_t begin, int64_t end) {
    leaky(c.in[0].as<T>() + begin, c.out[0].as<T>() + begin, end - begin, static_cast<T>(c.num("slope")));
  });
}

template <class T>
void leaky_backward(Call& c) {
  if (!c.din[0]) return;
  c.ctx.pool.ranges(c.in[0].size(), 2 * kTask, [&](int64_t begin, int64_t end) {
    leaky(c.in[0].as<T>() + begin, c.dout[0].as<T>() + begin, c.din[0].as<T>() + begin, end - begin,
          static_cast<T>(c.num("slope")));
  });
}

}  // namespace

template <class T>
void HalfSnake<T>::line(int64_t channel, const T* x, T* y, int64_t n) const {
  channel < A ? snake(x, y, n, alpha[channel]) : leaky(x, y, n, slope);
}
template struct HalfSnake<float>;
template struct HalfSnake<double>;

void half_snake_axes(Axes& axes, const Call& c) {
  if (axes["A"] != axes["C"] / 2)
    fail_shape("half_snake: alpha: expected [" + std::to_string(axes["C"] / 2) + "], half of C=" + std::to_string(axes["C"]) +
               ", got " + shape_string(c.in[1].shape()));
  axes.bind("To", axes["T"] + c.integer("pad_left"));
}
void half_snake_forward(Call& c) { A2S_BY_DTYPE(c, half_forward); }
void half_snake_backward(Call& c) { A2S_BY_DTYPE(c, half_backward); }
void leaky_relu_forward(Call& c) { A2S_BY_DTYPE(c, leaky_forward); }
void leaky_relu_backward(Call& c) { A2S_BY_DTYPE(c, leaky_backward); }

}  // namespace a2s
