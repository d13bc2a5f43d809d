#include <algorithm>
#include <cmath>

#include "ops/fsq/fsq.h"

namespace a2s {
namespace {

/** One scalar of a group. In the tensor's precision throughout, as the reference computes it. */
template <class T>
struct Scalar {
  int32_t levels, half, base;  // base: what one step adds to the code
  T scale, offset, shift;
  Scalar(int32_t levels, int32_t base)
      : levels(levels), half(levels / 2), base(base), scale(T(levels - 1) / 2 * T(1 - 1e-3)), offset(levels % 2 ? T(0) : T(0.5)),
        shift(std::tan(offset / scale)) {}
};

/** Calls f(scalar, d) for the D scalars of a group. */
template <class T, class F>
void each_scalar(const Tensor& levels, F&& f) {
  int32_t base = 1;
  for (int64_t d = 0; d < levels.size(); ++d) {
    const Scalar<T> s(levels.as<int32_t>()[d], base);
    f(s, d);
    base *= s.levels;
  }
}

int64_t frames(const Call& c, int64_t b) { return c.in[2] ? c.in[2].as<int32_t>()[b] : c.in[0].dims[2]; }

[[noreturn]] void refuse(int64_t b, int64_t channel, int64_t t, double value) {
  fail(ErrorCode::Data, "fsq_encode: latent[" + std::to_string(b) + ", " + std::to_string(channel) + ", " + std::to_string(t) +
                            "]: expected a finite number, got " + std::to_string(value));
}

template <class T>
void encode(Call& c) {
  const T* x = c.in[0].as<T>();
  T* y = c.out[0].as<T>();
  int32_t* codes = c.out[1].as<int32_t>();
  const int64_t GD = c.in[0].dims[1], n = c.in[0].dims[2], D = c.in[1].size(), G = GD / D;
  c.ctx.pool.ranges(c.in[0].dims[0] * G, 1 + 1024 / (n * D + 1), [&](int64_t begin, int64_t end) {
    for (int64_t group = begin; group < end; ++group) {
      const int64_t b = group / G, valid = frames(c, b);
      int32_t* code = codes + group * n;
      std::fill_n(code, n, 0);
      each_scalar<T>(c.in[1], [&](const Scalar<T>& s, int64_t d) {
        const int64_t line = (group * D + d) * n;
        for (int64_t t = 0; t < valid; ++t) {
          if (!std::isfinite(x[line + t])) refuse(b, group % G * D + d, t, x[line + t]);
          const T k = std::nearbyint(s.scale * std::tanh(x[line + t] + s.shift) - s.offset);
          y[line + t] = k / static_cast<T>(s.half);
          code[t] += (static_cast<int32_t>(k) + s.half) * s.base;
        }
        std::fill(y + line + valid, y + line + n, T(0));
      });
    }
  });
}

template <class T>
void encode_backward(Call& c) {
  if (!c.din[0]) return;
  const T *x = c.in[0].as<T>(), *dy = c.dout[0].as<T>();
  T* dx = c.din[0].as<T>();
  const int64_t n = c.in[0].dims[2], D = c.in[1].size(), G = c.in[0].dims[1] / D;
  for (int64_t group = 0; group < c.in[0].dims[0] * G; ++group)
    each_scalar<T>(c.in[1], [&](const Scalar<T>& s, int64_t d) {
      const int64_t line = (group * D + d) * n, valid = frames(c, group / G);
      for (int64_t t = line; t < line + valid; ++t) {
        const T h = std::tanh(x[t] + s.shift);
        dx[t] = dy[t] * (1 - h * h) * s.scale / static_cast<T>(s.half);
      }
      std::fill(dx + line + valid, dx + line + n, T(0));
    });
}

/** Checks `levels` and returns their product, the number of codes. */
int64_t check_levels(const Call& c) {
  check_ints(c, 1, 2, 1 << 24);
  int64_t codes = 1;
  for (int64_t d = 0; d < c.in[1].size(); ++d) {
    codes *= c.in[1].as<int32_t>()[d];
    if (codes > 1 << 24)
      fail_config(std::string(c.op.name) + ": levels: expected a product of at most 16777216, which f32 holds exactly, got more");
  }
  return codes;
}

}  // namespace

void fsq_encode_axes(Axes& axes, const Call& c) {
  if (axes["D"] < 1 || axes["GD"] % axes["D"])
    fail_shape("fsq_encode: latent: axis GD: expected a multiple of D=" + std::to_string(axes["D"]) + ", got " +
               shape_string(c.in[0].shape()));
  axes.bind("G", axes["GD"] / axes["D"]);
}

void fsq_encode_check(const Call& c) {
  check_levels(c);
  check_ints(c, 2, 0, c.in[0].dims[2]);
}

void fsq_encode_forward(Call& c) { A2S_BY_DTYPE(c, encode); }
void fsq_encode_backward(Call& c) { A2S_BY_DTYPE(c, encode_backward); }

void fsq_decode_axes(Axes& axes, const Call&) { axes.bind("GD", axes["G"] * axes["D"]); }

void fsq_decode_check(const Call& c) {
  check_ints(c, 0, 0, check_levels(c) - 1);
  check_ints(c, 2, 0, c.in[0].dims[2]);
}

void fsq_decode_forward(Call& c) {
  const int32_t* codes = c.in[0].as<int32_t>();
  const int64_t G = c.in[0].dims[1], n = c.in[0].dims[2], D = c.in[1].size();
  for (int64_t group = 0; group < c.in[0].dims[0] * G; ++group)
    each_scalar<float>(c.in[1], [&](const Scalar<float>& s, int64_t d) {
      float* line = c.out[0].as<float>() + (group * D + d) * n;
      for (int64_t t = 0; t < n; ++t)
        line[t] = t < frames(c, group / G)
                      ? static_cast<float>(codes[group * n + t] / s.base % s.levels - s.half) / static_cast<float>(s.half)
                      : 0.f;
    });
}

}  // namespace a2s
