#include "judge/config.h"

#include <sstream>

#include "core/error.h"
#include "ops/spectral/fft.h"

namespace a2s {
namespace {

template <class Value>
[[noreturn]] void refuse(const char* field, const char* expected, Value got) {
  std::ostringstream message;
  message << "judge config: " << field << ": expected " << expected << ", got " << got;
  fail_config(message.str());
}

void in_range(const char* field, int64_t value, int64_t low, int64_t high) {
  if (value >= low && value <= high) return;
  refuse(field, (std::to_string(low) + " to " + std::to_string(high)).c_str(), value);
}

void check_head(const JudgeHead& head) {
  if (head.kind == JudgeKind::ctc) in_range("head.labels", head.labels, 2, 1000000);
  if (head.kind != JudgeKind::speaker) return;
  in_range("head.dim", head.dim, 1, 1000000);
  in_range("head.speakers", head.speakers, 2, 1000000);
  if (!(head.scale > 0 && head.scale <= 1e4)) refuse("head.scale", "more than 0, at most 10000", head.scale);
  if (!(head.margin >= 0 && head.margin <= 2)) refuse("head.margin", "0 to 2", head.margin);
}

}  // namespace

void JudgeConfig::validate() const {
  in_range("sample_rate", sample_rate, 100, 1000000);
  in_range("n_fft", n_fft, 4, 1 << 16);
  if (!RealFft<float>::supports(n_fft)) refuse("n_fft", "an even number without prime factors above 5", n_fft);
  in_range("hop_length", hop_length, 1, n_fft);
  in_range("n_mels", n_mels, 1, 4096);
  in_range("frame_stack", frame_stack, 1, 64);
  in_range("channels", channels, 1, 1000000);
  in_range("kernel", kernel, 1, 1000);
  if (kernel % 2 == 0) refuse("kernel", "an odd number", kernel);
  if (dilations.empty()) refuse("dilations", "at least one", "none");
  for (int64_t d : dilations) in_range("dilations", d, 1, 4096);
  if (!(dropout >= 0 && dropout < 1)) refuse("dropout", "at least 0 and less than 1", dropout);
  check_head(head);
}

}  // namespace a2s
