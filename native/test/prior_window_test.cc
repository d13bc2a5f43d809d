// The window over the text, against hand-made attention.
#include "test/test.h"
#include "tts/prior_window.h"

namespace a2s::test {
namespace {

/** Attention with its peak at one position. */
std::vector<double> peak(int64_t length, int64_t at) {
  std::vector<double> a(static_cast<size_t>(length), 0.01);
  a[static_cast<size_t>(at)] = 0.9;
  return a;
}

std::vector<double> weights(int64_t length, double rest, std::vector<int64_t> open) {
  std::vector<double> w(static_cast<size_t>(length), rest);
  for (int64_t i : open) w[static_cast<size_t>(i)] = 1;
  return w;
}

constexpr PriorSettings kSettings{.epsilon = 0.1, .look_ahead = 3};

}  // namespace

TEST(prior_window_follows_the_peak_within_its_reach) {
  PriorWindow w(kSettings, 12);
  CHECK(w.weights().empty() && w.attended() == 1);
  w.observe(peak(12, 2));
  CHECK(w.attended() == 2);
  CHECK(w.weights() == weights(12, 0.1, {1, 2, 3, 4, 5}));
  w.observe(peak(12, 8));  // beyond the window [2, 5): its first position, where all are equal
  CHECK(w.attended() == 2);
  w.observe(peak(12, 0));  // behind the window
  CHECK(w.attended() == 2);
  w.observe(peak(12, 4));
  CHECK(w.attended() == 4);
  CHECK(w.weights() == weights(12, 0.1, {3, 4, 5, 6, 7}));
}

TEST(prior_window_never_opens_the_start_and_stops_at_the_end) {
  PriorWindow w(kSettings, 12);
  w.observe(peak(12, 1));
  CHECK(w.weights() == weights(12, 0.1, {1, 2, 3, 4}));
  for (int64_t at : {3, 5, 7, 8, 11}) w.observe(peak(12, at));
  CHECK(w.attended() == 8);  // the last three are never chosen
  CHECK(w.weights() == weights(12, 0.1, {7, 8, 9, 10, 11}));
}

TEST(prior_window_leaves_a_sink) {
  PriorWindow w(kSettings, 12);
  for (int i = 0; i < 8; ++i) w.observe(peak(12, 3));
  CHECK(w.attended() == 3);
  w.observe(peak(12, 3));  // the ninth time the window starts one later
  CHECK(w.attended() == 4);
}

TEST(prior_window_ends_when_nothing_is_left) {
  PriorWindow w(kSettings, 8);
  for (int64_t at : {3, 4}) w.observe(peak(8, at));
  for (int i = 0; i < 7; ++i) w.observe(peak(8, 4));
  CHECK(w.attended() == 4);
  w.observe(peak(8, 4));  // the window would start at 5 = N - 3
  CHECK(w.attended() == 7);
  CHECK(w.weights() == weights(8, 0.1, {6, 7}));
}

TEST(prior_window_closes_what_it_is_stuck_at) {
  PriorSettings s = kSettings;
  s.sink = 100, s.stuck = 4;
  PriorWindow w(s, 12);
  for (int i = 0; i < 3; ++i) w.observe(peak(12, 2));
  CHECK(w.weights() == weights(12, 0.1, {1, 2, 3, 4, 5}));
  w.observe(peak(12, 2));
  CHECK(w.weights() == weights(12, 0.1, {3, 4, 5}));
}

TEST(prior_window_is_open_for_short_texts) {
  PriorWindow w(kSettings, 5);
  w.observe(peak(5, 1));
  CHECK(w.weights() == std::vector<double>(5, 1));
  PriorWindow one(kSettings, 1);
  one.observe(peak(1, 0));
  CHECK(one.attended() == 0 && one.weights() == std::vector<double>(1, 1));
}

TEST(prior_window_starts_when_asked) {
  PriorSettings s = kSettings;
  s.start_after = 2;
  PriorWindow w(s, 12);
  w.observe(peak(12, 2));
  w.observe(peak(12, 2));
  CHECK(w.weights().empty() && w.attended() == 1);
  w.observe(peak(12, 2));
  CHECK(w.attended() == 2 && !w.weights().empty());
}

TEST(prior_window_ties_the_end_of_speech_to_the_end_of_the_text) {
  using Ending = PriorWindow::Ending;
  PriorSettings s{.look_ahead = 3, .sink = 100, .stuck = 100, .track_ending = true};
  PriorWindow w(s, 12);
  CHECK(w.ending() == Ending::free);
  for (int64_t at : {3, 5, 6}) {
    w.observe(peak(12, at));
    CHECK(w.ending() == Ending::forbidden);
  }
  for (int i = 1; i <= 5; ++i) {  // position 7 = N - 5 is near the end
    w.observe(peak(12, 7));
    CHECK(w.ending() == Ending::forbidden);
  }
  for (int i = 6; i < 20; ++i) {
    w.observe(peak(12, 7));
    CHECK(w.ending() == Ending::free);
  }
  w.observe(peak(12, 7));
  CHECK(w.ending() == Ending::forced);

  s.track_ending = false;
  PriorWindow untracked(s, 12);
  for (int i = 0; i < 30; ++i) untracked.observe(peak(12, 3));
  CHECK(untracked.ending() == Ending::free);
}

}  // namespace a2s::test
