#include "codec/model.h"

#include <algorithm>

#include "ops/fsq/fsq.h"

namespace a2s {
namespace {

const CodecConfig& checked(const CodecConfig& config) {
  config.validate();
  return config;
}

void check_audio(const Tensor& audio, const Tensor& samples, DType dtype) {
  if (audio.rank != 2 || audio.dtype != dtype)
    fail_shape(std::string("codec encode: audio: expected ") + name_of(dtype) + " [B, S], got " + name_of(audio.dtype) + " " +
               shape_string(audio.shape()));
  if (!samples) return;
  if (samples.rank != 1 || samples.dtype != DType::i32 || samples.dims[0] != audio.dims[0])
    fail_shape("codec encode: samples: expected i32 [" + std::to_string(audio.dims[0]) + "], got " + name_of(samples.dtype) +
               " " + shape_string(samples.shape()));
  for (int64_t b = 0; b < samples.size(); ++b)
    if (const int32_t n = samples.as<int32_t>()[b]; n < 0 || n > audio.dims[1])
      fail_shape("codec encode: samples: element " + std::to_string(b) + ": expected 0 to " + std::to_string(audio.dims[1]) +
                 ", got " + std::to_string(n));
}

}  // namespace

Codec::Codec(const CodecConfig& config, DType dtype, std::optional<uint64_t> seed)
    : config_(checked(config)),
      params_(dtype),
      encoder_(Declarer(params_, "audio_encoder."), config_),
      decoder_(Declarer(params_, "audio_decoder."), config_) {
  params_.allocate(seed);
}

std::vector<Codec::Buffer> Codec::buffers() const {
  const int64_t D = static_cast<int64_t>(config_.levels.size());
  std::vector<int32_t> levels(config_.levels.begin(), config_.levels.end()), base(levels.size(), 1);
  for (size_t d = 1; d < base.size(); ++d) base[d] = base[d - 1] * levels[d - 1];
  std::vector<Buffer> all;
  for (int64_t g = 0; g < config_.groups; ++g) {
    const std::string prefix = "vector_quantizer.fsqs." + std::to_string(g);
    all.push_back({prefix + ".num_levels", {1, D, 1}, levels});
    all.push_back({prefix + ".dim_base_index", {1, D, 1}, base});
  }
  return all;
}

Codec::Encoded Codec::encode(Tape& tape, const Tensor& audio, const Tensor& samples) const {
  check_audio(audio, samples, params_.dtype());
  const int64_t B = audio.dims[0], S = audio.dims[1], hop = config_.hop();
  auto count = [&](int64_t b) { return samples ? samples.as<int32_t>()[b] : S; };
  Tensor frames = tape.alloc(DType::i32, {B});
  int64_t T = 0;
  for (int64_t b = 0; b < B; ++b) {
    const int64_t n = (count(b) + hop - 1) / hop;
    frames.as<int32_t>()[b] = static_cast<int32_t>(n);
    T = std::max(T, n);
  }
  if (T == 0) fail_shape("codec encode: audio: expected at least one sample in the batch, got " + shape_string(audio.shape()));
  Tensor padded = tape.alloc(audio.dtype, {B, 1, T * hop});
  fill_zero(padded);
  const size_t width = size_of(audio.dtype);
  for (int64_t b = 0; b < B; ++b)
    std::memcpy(static_cast<char*>(padded.data) + static_cast<size_t>(b * T * hop) * width,
                static_cast<const char*>(audio.data) + static_cast<size_t>(b * S) * width, static_cast<size_t>(count(b)) * width);
  return {encoder_.forward(tape, tape.constant(padded), frames), frames};
}

Var* Codec::levels(Tape& tape) const {
  Tensor t = tape.alloc(DType::i32, {static_cast<int64_t>(config_.levels.size())});
  std::copy(config_.levels.begin(), config_.levels.end(), t.as<int32_t>());
  return tape.constant(t);
}

Codec::Quantised Codec::quantise(Tape& tape, Var* latent, const Tensor& frames) const {
  auto [dequantized, codes, unused1, unused2] =
      tape.apply_all(fsq_encode, {latent, levels(tape), frames ? tape.constant(frames) : nullptr});
  return {dequantized, codes->value};
}

Var* Codec::dequantise(Tape& tape, const Tensor& codes, const Tensor& frames) const {
  if (codes.rank == 3 && codes.dims[1] != config_.groups)
    fail_shape("codec dequantise: codes: expected " + std::to_string(config_.groups) + " codebooks, got " +
               shape_string(codes.shape()));
  Var* y = tape.apply(fsq_decode, {tape.constant(codes), levels(tape), frames ? tape.constant(frames) : nullptr});
  if (params_.dtype() == DType::f32) return y;
  Tensor wide = new_tensor(tape.arena(), DType::f64, y->value.shape());
  std::copy_n(y->value.as<float>(), wide.size(), wide.as<double>());
  return tape.constant(wide);
}

Var* Codec::decode(Tape& tape, Var* dequantized, const Tensor& frames) const {
  return decoder_.forward(tape, dequantized, frames);
}

}  // namespace a2s
