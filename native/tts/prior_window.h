// The monotonic window over the text that keeps cross-attention moving during generation.
//
// After each step the newest frame's attention names the text position attended to, within a window that starts at the last
// one and looks a few positions ahead. The prior of the next step opens that neighbourhood and damps everything else.
// A position attended to too often is skipped; one that stays attended is closed together with all before it.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace a2s {

struct PriorSettings {
  double epsilon = 0.1;     // weight outside the window
  int64_t look_ahead = 6;   // positions that the window reaches beyond the attended one
  int64_t start_after = 0;  // steps without a prior
  int64_t sink = 8;         // times a position may be attended to before the window moves on by itself
  int64_t stuck = 10;       // times after which a position and all before it are closed
  bool track_ending = false;  // whether the end of speech is tied to the end of the text
  int64_t release = 5;        // steps near the end of the text after which EOS is free
  int64_t force = 20;         // steps near the end of the text after which EOS is forced
};

class PriorWindow {
 public:
  enum class Ending { free, forbidden, forced };

  /** text_length: text positions N of the item, the text EOS included. */
  PriorWindow(const PriorSettings& settings, int64_t text_length);

  /** Takes in one step's attention over the text, [N]. */
  void observe(std::span<const double> attention);

  /** Weights of the text positions [N] for the next step; empty until the prior starts. */
  const std::vector<double>& weights() const { return weights_; }
  int64_t attended() const { return attended_; }
  /** What the next token may say about the end; `free` unless endings are tracked. */
  Ending ending() const;

 private:
  void advance(std::span<const double> attention);
  void open();
  void track();

  PriorSettings settings_;
  int64_t length_;
  int64_t steps_ = 0;
  int64_t attended_ = 1;
  std::vector<int64_t> count_;  // how often each position was attended to
  std::vector<double> weights_;
  bool unfinished_ = false;
  int64_t near_end_ = 0;  // steps since the end of the text came near
};

}  // namespace a2s
