#include <sstream>

#include "core/math.h"
#include "ops/spectral/frames.h"
#include "ops/spectral/mel.h"
#include "ops/spectral/spectral.h"

namespace a2s {
namespace {

template <class T>
struct MelFrame {
  const MelBank<T>& bank;
  int64_t bins;
  T eps, offset;
  bool power;
};

/** Magnitudes or powers of all bins into p, then mel + offset of each filter into mel. */
template <class T>
A2S_INLINE void energies(const MelFrame<T>& s, const T* block, T* p, T* mel) {
  constexpr int V = Frames<T>::V;
  for (int64_t f = 0; f < s.bins; ++f)
    for (int v = 0; v < V; ++v) {
      const T re = block[2 * f * V + v], im = block[(2 * f + 1) * V + v], square = re * re + im * im + s.eps;
      p[f * V + v] = s.power ? square : std::sqrt(square);
    }
  for (const auto& filter : s.bank.filters) {
    T sum[V];
    for (int v = 0; v < V; ++v) sum[v] = s.offset;
    for (int64_t f = filter.begin; f < filter.end; ++f)
      for (int v = 0; v < V; ++v) sum[v] += filter.weights[f - filter.begin] * p[f * V + v];
    for (int v = 0; v < V; ++v) mel[v] = sum[v];
    mel += V;
  }
}

template <class T>
A2S_INLINE void logarithms(T* mel, int64_t n) {
  for (int64_t i = 0; i < n; ++i) mel[i] = math::log(mel[i]);
}

/** d block in place, from p (used up), mel + offset and d y. */
template <class T>
A2S_INLINE void energies_grad(const MelFrame<T>& s, T* block, T* p, const T* mel, const T* dy) {
  constexpr int V = Frames<T>::V;
  // d re = re d p / p and d im alike for magnitudes; d re = 2 re d p for powers. d p is gathered in the place of p.
  for (int64_t f = 0; f < s.bins; ++f)
    for (int v = 0; v < V; ++v) {
      const T scale = s.power ? T(2) : p[f * V + v] > 0 ? 1 / p[f * V + v] : T(0);
      block[2 * f * V + v] *= scale, block[(2 * f + 1) * V + v] *= scale;
      p[f * V + v] = 0;
    }
  for (const auto& filter : s.bank.filters) {
    T d[V];
    for (int v = 0; v < V; ++v) d[v] = dy[v] / mel[v];
    for (int64_t f = filter.begin; f < filter.end; ++f)
      for (int v = 0; v < V; ++v) p[f * V + v] += filter.weights[f - filter.begin] * d[v];
    mel += V, dy += V;
  }
  for (int64_t f = 0; f < s.bins; ++f)
    for (int v = 0; v < V; ++v) block[2 * f * V + v] *= p[f * V + v], block[(2 * f + 1) * V + v] *= p[f * V + v];
}

A2S_CLONES void measure(const MelFrame<float>& s, const float* b, float* p, float* m) { energies(s, b, p, m); }
A2S_CLONES void measure(const MelFrame<double>& s, const double* b, double* p, double* m) { energies(s, b, p, m); }
A2S_CLONES void logs(float* m, int64_t n) { logarithms(m, n); }
A2S_CLONES void logs(double* m, int64_t n) { logarithms(m, n); }
A2S_CLONES void measure_grad(const MelFrame<float>& s, float* b, float* p, const float* m, const float* dy) { energies_grad(s, b, p, m, dy); }
A2S_CLONES void measure_grad(const MelFrame<double>& s, double* b, double* p, const double* m, const double* dy) { energies_grad(s, b, p, m, dy); }

double f_max(const Call& c) { return c.num("f_max") > 0 ? c.num("f_max") : c.num("sample_rate") / 2; }

template <class T>
MelFrame<T> mel_frame(const Call& c) {
  const MelSettings settings{c.integer("sample_rate"), c.integer("n_fft"), c.integer("n_mels"), c.num("f_min"), f_max(c),
                             c.num("scale") == 1, c.num("norm") == 1};
  return {MelBank<T>::get(settings), c.integer("n_fft") / 2 + 1, static_cast<T>(c.num("eps")), static_cast<T>(c.num("offset")), c.num("power") == 2};
}

template <class T>
Frames<T> mel_frames(const Call& c, int64_t extra_rows) {
  return Frames<T>(c, 1, hann_window<T>(c).data(), window_size(c), static_cast<T>(c.num("pre_emphasis")), extra_rows);
}

template <class T>
void forward(Call& c) {
  constexpr int V = Frames<T>::V;
  const MelFrame<T> settings = mel_frame<T>(c);
  const int64_t mels = c.integer("n_mels");
  if (c.in[1]) fill_zero(c.out[0]);
  const Frames<T> frames = mel_frames<T>(c, settings.bins + mels);
  frames.each([&](const auto& g) {
    T* mel = g.rows + settings.bins * V;
    frames.spectrum(g);
    measure(settings, g.block, g.rows, mel);
    logs(mel, mels * V);
    for (int64_t m = 0; m < mels; ++m) g.store(mel + m * V, c.out[0].as<T>(), mels, m, frames.frames());
  });
}

template <class T>
void backward(Call& c) {
  if (!c.din[0]) return;
  constexpr int V = Frames<T>::V;
  const MelFrame<T> settings = mel_frame<T>(c);
  const int64_t mels = c.integer("n_mels");
  Frames<T> frames = mel_frames<T>(c, settings.bins + 2 * mels);
  frames.adjoint(
      [&](const auto& g) {
        T *mel = g.rows + settings.bins * V, *dy = mel + mels * V;
        frames.spectrum(g);
        measure(settings, g.block, g.rows, mel);
        for (int64_t m = 0; m < mels; ++m) g.load(dy + m * V, c.dout[0].as<T>(), mels, m, frames.frames());
        measure_grad(settings, g.block, g.rows, mel, dy);
      },
      c.din[0].as<T>());
}

}  // namespace

void log_mel_axes(Axes& axes, const Call& c) {
  bind_frames(axes, c);
  window_size(c);
  axes.bind("M", c.integer("n_mels"));
  const double low = c.num("f_min"), high = f_max(c), nyquist = c.num("sample_rate") / 2;
  if (high > low && high <= nyquist) return;
  std::ostringstream message;
  message << "log_mel: f_max: expected above f_min=" << low << " and at most sample_rate/2=" << nyquist << ", got " << high;
  fail_config(message.str());
}
void log_mel_forward(Call& c) { A2S_BY_DTYPE(c, forward); }
void log_mel_backward(Call& c) { A2S_BY_DTYPE(c, backward); }

}  // namespace a2s
