#include "tts/prior_window.h"

#include <algorithm>

namespace a2s {
namespace {

constexpr int64_t kShortText = 5;     // texts up to this length have no window
constexpr int64_t kNeverChosen = 3;   // last positions that attention cannot choose
constexpr int64_t kNearEnd = 5;       // the end is near from this many positions before it

}  // namespace

PriorWindow::PriorWindow(const PriorSettings& settings, int64_t text_length)
    : settings_(settings), length_(text_length), count_(static_cast<size_t>(text_length), 0) {}

void PriorWindow::observe(std::span<const double> attention) {
  if (steps_++ < settings_.start_after) return;
  advance(attention);
  open();
  track();
}

void PriorWindow::advance(std::span<const double> attention) {
  int64_t first = std::min(attended_, length_ - 1);
  if (count_[static_cast<size_t>(first)] >= settings_.sink) ++first;
  const int64_t last = std::min(first + settings_.look_ahead, length_ - kNeverChosen);
  attended_ = length_ - 1;
  if (first < last)
    attended_ = std::max_element(attention.begin() + first, attention.begin() + last) - attention.begin();
  ++count_[static_cast<size_t>(attended_)];
}

void PriorWindow::open() {
  if (length_ <= kShortText) {
    weights_.assign(static_cast<size_t>(length_), 1);
  } else {
    weights_.assign(static_cast<size_t>(length_), settings_.epsilon);
    for (int64_t d = -1; d <= settings_.look_ahead; ++d)
      weights_[static_cast<size_t>(std::clamp<int64_t>(attended_ + d, 1, length_ - 1))] = 1;
  }
  for (int64_t t = length_ - 1; t >= 0; --t)
    if (count_[static_cast<size_t>(t)] >= settings_.stuck) {
      std::fill_n(weights_.begin(), t + 1, settings_.epsilon);
      return;
    }
}

void PriorWindow::track() {
  if (near_end_ > 0 || attended_ >= length_ - kNearEnd) ++near_end_;
  unfinished_ = attended_ < length_ - kNeverChosen && near_end_ <= settings_.release;
}

PriorWindow::Ending PriorWindow::ending() const {
  if (!settings_.track_ending) return Ending::free;
  return near_end_ >= settings_.force ? Ending::forced : unfinished_ ? Ending::forbidden : Ending::free;
}

}  // namespace a2s
