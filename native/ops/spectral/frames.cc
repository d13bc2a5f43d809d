#include "ops/spectral/frames.h"

#include <cmath>
#include <numbers>
#include <string>

#include "core/simd.h"
#include "ops/spectral/plan_cache.h"

namespace a2s {
namespace {

/** Rows of windowed samples: lane v gets x[v * hop + i] * window[i]. */
template <class T>
A2S_INLINE void fill_lanes(T* block, const T* x, int64_t hop, const T* window, int64_t size, const int32_t* slots) {
  constexpr int V = RealFft<T>::kLanes;
  for (int64_t i = 0; i < size; ++i) {
    T* row = block + slots[i] * V;
    for (int v = 0; v < V; ++v) row[v] = window[i] * x[v * hop + i];
  }
}
template <class T>
A2S_INLINE void add_lanes(T* x, const T* block, int64_t hop, const T* window, int64_t size, const int32_t* slots, int count) {
  constexpr int V = RealFft<T>::kLanes;
  for (int v = 0; v < count; ++v)
    for (int64_t i = 0; i < size; ++i) x[v * hop + i] += window[i] * block[slots[i] * V + v];
}

A2S_CLONES void fill(float* b, const float* x, int64_t hop, const float* w, int64_t n, const int32_t* s) { fill_lanes(b, x, hop, w, n, s); }
A2S_CLONES void fill(double* b, const double* x, int64_t hop, const double* w, int64_t n, const int32_t* s) { fill_lanes(b, x, hop, w, n, s); }
A2S_CLONES void add(float* x, const float* b, int64_t hop, const float* w, int64_t n, const int32_t* s, int count) { add_lanes(x, b, hop, w, n, s, count); }
A2S_CLONES void add(double* x, const double* b, int64_t hop, const double* w, int64_t n, const int32_t* s, int count) { add_lanes(x, b, hop, w, n, s, count); }

struct HannKey {
  int64_t size;
  bool symmetric;
  auto operator<=>(const HannKey&) const = default;
};

template <class T>
struct Hann {
  std::vector<T> weights;
  explicit Hann(const HannKey& key) {
    const double period = static_cast<double>(std::max<int64_t>(1, key.symmetric ? key.size - 1 : key.size));
    for (int64_t i = 0; i < key.size; ++i)
      weights.push_back(key.size == 1 ? T(1) : static_cast<T>(0.5 - 0.5 * std::cos(2 * std::numbers::pi * static_cast<double>(i) / period)));
  }
};

}  // namespace

FrameLayout::FrameLayout(const Call& c)
    : n_fft(c.integer("n_fft")), hop(c.integer("hop")), pad(static_cast<Pad>(c.integer("pad"))) {}

int64_t FrameLayout::frames(int64_t samples) const {
  const int64_t room = samples + 2 * padding() - n_fft;
  return samples == 0 || room < 0 ? 0 : 1 + room / hop;
}

void bind_frames(Axes& axes, const Call& c) {
  const FrameLayout layout(c);
  if (!RealFft<float>::supports(layout.n_fft))
    fail_config(std::string(c.op.name) + ": n_fft: expected an even number without prime factors above 5, got " + std::to_string(layout.n_fft));
  const int64_t samples = axes["S"], frames = layout.frames(samples);
  if (frames == 0)
    fail_shape(std::string(c.op.name) + ": x: expected at least " + std::to_string(layout.pad == FrameLayout::none ? layout.n_fft : 1) +
               " samples, got " + std::to_string(samples));
  axes.bind("F", layout.n_fft / 2 + 1);
  axes.bind("T", frames);
}

int64_t window_size(const Call& c) {
  const int64_t n_fft = c.integer("n_fft"), win = c.integer("win");
  if (win > n_fft)
    fail_config(std::string(c.op.name) + ": win: expected at most n_fft=" + std::to_string(n_fft) + ", got " + std::to_string(win));
  return win ? win : n_fft;
}

template <class T>
const std::vector<T>& hann_window(const Call& c) {
  return cached_plan<Hann<T>>(HannKey{window_size(c), c.integer("window") == 1}).weights;
}

template <class T>
Frames<T>::Frames(const Call& c, int lengths_arg, const T* window, int64_t window_size, T pre_emphasis, int64_t extra_rows)
    : c_(c),
      layout_(c),
      fft_(RealFft<T>::plan(layout_.n_fft)),
      window_(window),
      window_size_(window_size),
      pre_emphasis_(pre_emphasis),
      lengths_(c.in[lengths_arg] ? c.in[lengths_arg].template as<int32_t>() : nullptr),
      items_(c.in[0].dim(0)),
      size_(c.in[0].dim(1)),
      frames_(layout_.frames(size_)) {
  // About 200 us of transforms a task: 2^17 samples, as a chunk of one long item or as several short items.
  chunk_ = std::max<int64_t>(1, (int64_t{1} << 17) / (layout_.n_fft * V)) * V;
  chunks_ = (frames_ + chunk_ - 1) / chunk_;
  grain_ = std::max<int64_t>(1, chunk_ / std::max<int64_t>(frames_, V));
  block_size_ = (fft_.rows() + extra_rows) * V;
  blocks_ = c.scratch<T>((items_ * chunks_ + grain_ - 1) / grain_ * block_size_);
  // The lanes of the last group may lie beyond the item: room for them, so that no frame is a special case.
  const int64_t lanes = (frames_ + V - 1) / V * V;
  padded_size_ = std::max((lanes - 1) * layout_.hop + layout_.n_fft, size_ + 2 * layout_.padding());
  padded_ = c.scratch<T>(items_ * padded_size_);
  each_item([&](int64_t item) { pad_item(item); });
}

template <class T>
int64_t Frames<T>::source(int64_t i, int64_t samples) const {
  int64_t s = i - layout_.padding();
  if (s >= 0 && s < samples) return s;
  if (layout_.pad != FrameLayout::reflect || samples == 0) return -1;
  if (samples == 1) return 0;
  const int64_t period = 2 * (samples - 1);
  s = (s % period + period) % period;
  return s < samples ? s : period - s;
}

template <class T>
void Frames<T>::pad_item(int64_t item) const {
  const int64_t n = samples(item), edge = layout_.padding();
  const T* x = c_.in[0].template as<T>() + item * size_;
  T* p = padded_ + item * padded_size_;
  std::fill_n(p, padded_size_, T(0));
  if (n == 0) return;
  p[edge] = x[0];
  for (int64_t i = 1; i < n; ++i) p[edge + i] = x[i] - pre_emphasis_ * x[i - 1];
  if (layout_.pad != FrameLayout::reflect) return;
  for (int64_t i = 0; i < edge; ++i) {
    p[i] = p[edge + source(i, n)];
    p[edge + n + i] = p[edge + source(edge + n + i, n)];
  }
}

template <class T>
void Frames<T>::spectrum(const Group& g) const {
  const int64_t offset = (layout_.n_fft - window_size_) / 2;
  if (window_size_ < layout_.n_fft) std::fill_n(g.block, layout_.n_fft * V, T(0));
  fill(g.block, padded_ + g.item * padded_size_ + g.begin * layout_.hop + offset, layout_.hop, window_, window_size_, fft_.slots() + offset);
  fft_.forward(g.block);
}

template <class T>
void Frames<T>::add_frames(const Group& g, T* segment) const {
  const int64_t offset = (layout_.n_fft - window_size_) / 2;
  fft_.adjoint(g.block);
  add(segment + offset, g.block, layout_.hop, window_, window_size_, fft_.slots() + offset, g.count);
}

/** Adds the segments up in place of the padded copy, then undoes padding and pre-emphasis. */
template <class T>
void Frames<T>::join(int64_t item, const T* segments, int64_t span, T* dx) const {
  const int64_t n = samples(item), edge = layout_.padding(), frames = layout_.frames(n);
  T *p = padded_ + item * padded_size_, *d = dx + item * size_;
  std::fill_n(p, padded_size_, T(0));
  for (int64_t t = 0; t < frames; t += chunk_, segments += span) {
    const int64_t length = (std::min(chunk_, frames - t) - 1) * layout_.hop + layout_.n_fft;
    for (int64_t i = 0; i < length; ++i) p[t * layout_.hop + i] += segments[i];
  }
  if (layout_.pad == FrameLayout::reflect && n > 0)
    for (int64_t i = 0; i < edge; ++i) {
      p[edge + source(i, n)] += p[i];
      p[edge + source(edge + n + i, n)] += p[edge + n + i];
    }
  for (int64_t i = 0; i < n; ++i) d[i] = p[edge + i] - (i + 1 < n ? pre_emphasis_ * p[edge + i + 1] : T(0));
  std::fill(d + n, d + size_, T(0));
}

template const std::vector<float>& hann_window<float>(const Call&);
template const std::vector<double>& hann_window<double>(const Call&);
template class Frames<float>;
template class Frames<double>;

}  // namespace a2s
