// Dimensions of a judge.
#pragma once
#include <cstdint>
#include <vector>

namespace a2s {

/** What a judge says of speech. */
enum class JudgeKind : int {
  ctc,      // which labels are spoken, frame by frame
  speaker,  // who speaks, as a direction
  quality,  // how good it sounds, as one number
};

struct JudgeHead {
  JudgeKind kind = JudgeKind::ctc;
  int64_t labels = 0;    // ctc: V, the blank 0 included
  int64_t dim = 0;       // speaker: width of an embedding
  int64_t speakers = 0;  // speaker: classes while training
  double scale = 16;     // speaker: of the cosines in the loss
  double margin = 0.15;  // speaker: by which the right cosine has to win
};

/** The defaults are those of judgeConfig in @align2speak/contracts. */
struct JudgeConfig {
  int64_t sample_rate = 22050;  // Hz
  int64_t n_fft = 1024;         // samples
  int64_t hop_length = 256;     // samples from one mel frame to the next
  int64_t n_mels = 80;
  int64_t frame_stack = 2;  // mel frames a step of the network
  int64_t channels = 160;
  int64_t kernel = 5;                                  // steps that a convolution spans, odd
  std::vector<int64_t> dilations = {1, 2, 4, 1, 2, 4};  // one block each
  double dropout = 0.1;                                // while training
  JudgeHead head;

  int64_t blocks() const { return static_cast<int64_t>(dilations.size()); }
  /** Whole mel frames of so many samples. */
  int64_t mel_frames(int64_t samples) const { return samples / hop_length; }
  /** Steps of the network over so many samples. */
  int64_t steps(int64_t samples) const { return (mel_frames(samples) + frame_stack - 1) / frame_stack; }
  /** @throws Config with the name of the first field that is out of range or at odds with another. */
  void validate() const;
};

}  // namespace a2s
