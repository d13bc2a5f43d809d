// Waveforms cut into windowed frames and transformed, kLanes frames of one item at a time, and the adjoint of that:
// what stft, log_stft and log_mel share. A group of frames never mixes items, and pieces of work are whole groups,
// so neither the batch around an item nor the number of threads changes a bit of its result.
#pragma once
#include <algorithm>
#include <vector>

#include "core/op.h"
#include "ops/spectral/fft.h"

namespace a2s {

/** The framing attributes that spectral ops share: see spectral.h. */
struct FrameLayout {
  enum Pad { none, zero, reflect };
  int64_t n_fft, hop;
  Pad pad;

  explicit FrameLayout(const Call& c);
  /** Samples of padding on each side. */
  int64_t padding() const { return pad == none ? 0 : n_fft / 2; }
  /** Frames of an item that has so many samples. */
  int64_t frames(int64_t samples) const;
};

/** Checks n_fft and the number of samples, and binds F and T. */
void bind_frames(Axes& axes, const Call& c);

/** `win`, where 0 stands for n_fft; refuses one above n_fft. */
int64_t window_size(const Call& c);
/** The window of `window_size` weights that the attributes `window` and `win` ask for. */
template <class T>
const std::vector<T>& hann_window(const Call& c);

template <class T>
class Frames {
 public:
  static constexpr int V = RealFft<T>::kLanes;

  /** Frames begin .. begin + count of an item, one a lane; lanes from `count` on hold anything finite. */
  struct Group {
    T* block;  // see RealFft
    T* rows;   // `extra_rows` rows for the op's own use
    int64_t item, begin;
    int count;

    /** Lanes to and from row `r` of a [B, R, T] tensor whose base is `y`; load gives 0 in lanes from `count` on. */
    void store(const T* lanes, T* y, int64_t R, int64_t r, int64_t frames) const {
      std::copy_n(lanes, count, y + (item * R + r) * frames + begin);
    }
    void load(T* lanes, const T* y, int64_t R, int64_t r, int64_t frames) const {
      std::fill(std::copy_n(y + (item * R + r) * frames + begin, count, lanes), lanes + V, T(0));
    }
  };

  /** For input 0 of `c` with its lengths in input `lengths_arg`. Takes scratch: construct outside parallel regions. */
  Frames(const Call& c, int lengths_arg, const T* window, int64_t window_size, T pre_emphasis, int64_t extra_rows);

  int64_t frames() const { return frames_; }

  /** Calls body(group) once for each group of frames that items have, in parallel. */
  template <class F>
  void each(F&& body) const {
    pieces([&](const Group& g, int64_t) { body(g); });
  }

  /** Fills g.block with the spectra of the group's frames. */
  void spectrum(const Group& g) const;

  /** dx = the adjoint of `spectrum` applied to what body(group) leaves in group.block. Ends the use of `spectrum`. */
  template <class F>
  void adjoint(F&& body, T* dx) {
    const int64_t span = (std::min(chunk_, frames_) - 1) * layout_.hop + layout_.n_fft;
    T* segments = c_.scratch<T>(items_ * chunks_ * span);
    pieces([&](const Group& g, int64_t chunk) {
      T* segment = segments + chunk * span;
      const int64_t at = g.begin - chunk % chunks_ * chunk_;
      if (at == 0) std::fill_n(segment, span, T(0));
      body(g);
      add_frames(g, segment + at * layout_.hop);
    });
    each_item([&](int64_t item) { join(item, segments + item * chunks_ * span, span, dx); });
  }

 private:
  template <class F>
  void pieces(F&& f) const {
    c_.ctx.pool.ranges(items_ * chunks_, grain_, [&](int64_t begin, int64_t end) {
      T* block = blocks_ + begin / grain_ * block_size_;
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        const int64_t item = chunk / chunks_, first = chunk % chunks_ * chunk_;
        const int64_t last = std::min(first + chunk_, layout_.frames(samples(item)));
        for (int64_t t = first; t < last; t += V)
          f(Group{block, block + fft_.rows() * V, item, t, static_cast<int>(std::min<int64_t>(V, last - t))}, chunk);
      }
    });
  }
  template <class F>
  void each_item(F&& f) const {
    c_.ctx.pool.ranges(items_, (int64_t{1} << 16) / padded_size_, [&](int64_t begin, int64_t end) {
      for (int64_t item = begin; item < end; ++item) f(item);
    });
  }
  int64_t samples(int64_t item) const { return lengths_ ? lengths_[item] : size_; }
  /** Sample of the item that stands at position `i` of its padded copy, or -1. */
  int64_t source(int64_t i, int64_t samples) const;
  void pad_item(int64_t item) const;
  void add_frames(const Group& g, T* segment) const;
  void join(int64_t item, const T* segments, int64_t span, T* dx) const;

  const Call& c_;
  const FrameLayout layout_;
  const RealFft<T>& fft_;
  const T* window_;
  const int64_t window_size_;
  const T pre_emphasis_;
  const int32_t* lengths_;
  int64_t items_, size_, frames_;
  int64_t chunk_, chunks_, grain_;  // frames a chunk, chunks an item, chunks a task
  int64_t block_size_, padded_size_;
  T* blocks_;  // one a task
  T* padded_;  // [B, padded_size_], zeros where there is no sample
};

}  // namespace a2s
