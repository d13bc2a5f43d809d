#include "core/math.h"
#include "ops/spectral/frames.h"
#include "ops/spectral/spectral.h"

namespace a2s {
namespace {

/** Magnitudes of `bins` rows into `magnitude` and, when asked for, their logarithms into `y`. */
template <class T>
A2S_INLINE void magnitudes(const T* block, T* magnitude, T* y, int64_t bins, T eps, T offset) {
  constexpr int V = Frames<T>::V;
  for (int64_t f = 0; f < bins; ++f)
    for (int v = 0; v < V; ++v) {
      const T re = block[2 * f * V + v], im = block[(2 * f + 1) * V + v];
      const T m = std::sqrt(re * re + im * im + eps);
      magnitude[f * V + v] = m;
      y[f * V + v] = math::log(m + offset);
    }
}

/** d block from d y and d magnitude, in place. */
template <class T>
A2S_INLINE void magnitudes_grad(T* block, const T* dy, const T* dmagnitude, int64_t bins, T eps, T offset) {
  constexpr int V = Frames<T>::V;
  for (int64_t f = 0; f < bins; ++f) {
    T *re = block + 2 * f * V, *im = re + V;
    for (int v = 0; v < V; ++v) {
      const T m = std::sqrt(re[v] * re[v] + im[v] * im[v] + eps);
      const T g = dmagnitude[f * V + v] + dy[f * V + v] / (m + offset), d = m > 0 ? g / m : T(0);
      re[v] *= d, im[v] *= d;
    }
  }
}

A2S_CLONES void measure(const float* b, float* m, float* y, int64_t n, float e, float o) { magnitudes(b, m, y, n, e, o); }
A2S_CLONES void measure(const double* b, double* m, double* y, int64_t n, double e, double o) { magnitudes(b, m, y, n, e, o); }
A2S_CLONES void measure_grad(float* b, const float* dy, const float* dm, int64_t n, float e, float o) { magnitudes_grad(b, dy, dm, n, e, o); }
A2S_CLONES void measure_grad(double* b, const double* dy, const double* dm, int64_t n, double e, double o) { magnitudes_grad(b, dy, dm, n, e, o); }

template <class T>
void forward(Call& c) {
  constexpr int V = Frames<T>::V;
  const int64_t bins = c.integer("n_fft") / 2 + 1;
  const T eps = static_cast<T>(c.num("eps")), offset = static_cast<T>(c.num("offset"));
  if (c.in[1]) fill_zero(c.out[0]), fill_zero(c.out[1]);
  Frames<T> frames(c, 1, hann_window<T>(c).data(), window_size(c), T(0), 2 * bins);
  frames.each([&](const auto& g) {
    frames.spectrum(g);
    measure(g.block, g.rows, g.rows + bins * V, bins, eps, offset);
    for (int64_t f = 0; f < bins; ++f) {
      g.store(g.rows + f * V, c.out[1].as<T>(), bins, f, frames.frames());
      g.store(g.rows + (bins + f) * V, c.out[0].as<T>(), bins, f, frames.frames());
    }
  });
}

template <class T>
void backward(Call& c) {
  if (!c.din[0]) return;
  constexpr int V = Frames<T>::V;
  const int64_t bins = c.integer("n_fft") / 2 + 1;
  const T eps = static_cast<T>(c.num("eps")), offset = static_cast<T>(c.num("offset"));
  Frames<T> frames(c, 1, hann_window<T>(c).data(), window_size(c), T(0), 2 * bins);
  frames.adjoint(
      [&](const auto& g) {
        frames.spectrum(g);
        for (int64_t f = 0; f < bins; ++f) {
          g.load(g.rows + f * V, c.dout[1].as<T>(), bins, f, frames.frames());
          g.load(g.rows + (bins + f) * V, c.dout[0].as<T>(), bins, f, frames.frames());
        }
        measure_grad(g.block, g.rows + bins * V, g.rows, bins, eps, offset);
      },
      c.din[0].as<T>());
}

}  // namespace

void log_stft_axes(Axes& axes, const Call& c) {
  bind_frames(axes, c);
  window_size(c);
}
void log_stft_forward(Call& c) { A2S_BY_DTYPE(c, forward); }
void log_stft_backward(Call& c) { A2S_BY_DTYPE(c, backward); }

}  // namespace a2s
