#include <cmath>
#include <string>

#include "ops/spectral/frames.h"
#include "ops/spectral/spectral.h"

namespace a2s {
namespace {

template <class T>
T gain(const Call& c) {
  return c.flag("normalized") ? static_cast<T>(1 / std::sqrt(c.num("n_fft"))) : T(1);
}

template <class T>
void forward(Call& c) {
  const int64_t bins = c.integer("n_fft") / 2 + 1;
  constexpr int V = Frames<T>::V;
  const T scale = gain<T>(c);
  T* y = c.out[0].as<T>();
  if (c.in[2]) fill_zero(c.out[0]);
  Frames<T> frames(c, 2, c.in[1].as<T>(), c.in[1].dim(0), T(0), 0);
  frames.each([&](const auto& g) {
    frames.spectrum(g);
    for (int64_t f = 0; f < 2 * bins; ++f) {
      T* lanes = g.block + f * V;
      for (int v = 0; v < V; ++v) lanes[v] *= scale;
      g.store(lanes, y, 2 * bins, f / 2 + f % 2 * bins, frames.frames());
    }
  });
}

template <class T>
void backward(Call& c) {
  if (!c.din[0]) return;
  const int64_t bins = c.integer("n_fft") / 2 + 1;
  constexpr int V = Frames<T>::V;
  const T scale = gain<T>(c);
  const T* dy = c.dout[0].as<T>();
  Frames<T> frames(c, 2, c.in[1].as<T>(), c.in[1].dim(0), T(0), 0);
  frames.adjoint(
      [&](const auto& g) {
        for (int64_t f = 0; f < 2 * bins; ++f) {
          T* lanes = g.block + f * V;
          g.load(lanes, dy, 2 * bins, f / 2 + f % 2 * bins, frames.frames());
          for (int v = 0; v < V; ++v) lanes[v] *= scale;
        }
      },
      c.din[0].as<T>());
}

}  // namespace

double stft_flops(const Call& c) {
  const double n = c.num("n_fft");
  return 2.5 * n * std::log2(n) * static_cast<double>(c.out[0].dim(0) * c.out[0].dim(-1));
}

void stft_axes(Axes& axes, const Call& c) {
  bind_frames(axes, c);
  if (const int64_t W = axes["W"], n_fft = c.integer("n_fft"); W < 1 || W > n_fft)
    fail_shape("stft: window: expected 1 to n_fft=" + std::to_string(n_fft) + " weights, got " + std::to_string(W));
}
void stft_forward(Call& c) { A2S_BY_DTYPE(c, forward); }
void stft_backward(Call& c) { A2S_BY_DTYPE(c, backward); }

}  // namespace a2s
