#include "codec/training.h"

#include "ops/elementwise/elementwise.h"

namespace a2s {
namespace {

struct Forward {
  Codec::Encoded encoded;
  Codec::Quantised quantised;
  Var* wav;
};

Forward forward(Tape& tape, const Codec& codec, const Tensor& audio, const Tensor& samples) {
  Forward f;
  f.encoded = codec.encode(tape, audio, samples);
  f.quantised = codec.quantise(tape, f.encoded.latent, f.encoded.frames);
  f.wav = codec.decode(tape, f.quantised.dequantized, f.encoded.frames);
  return f;
}

CodecEvaluation parts_of(const Forward& f) {
  return {f.encoded.latent->value, f.quantised.codes, f.encoded.frames, f.quantised.dequantized->value, f.wav->value};
}

/** The audio in the decoder's shape: whole frames, zeros beyond each item's samples. */
Tensor target_of(Tape& tape, const Tensor& audio, const Tensor& samples, const Tensor& wav) {
  Tensor target = new_tensor(tape.arena(), wav.dtype, wav.shape());
  fill_zero(target);
  const int64_t B = audio.dims[0], S = audio.dims[1], W = wav.dims[1];
  const size_t width = size_of(wav.dtype);
  for (int64_t b = 0; b < B; ++b) {
    const int64_t count = samples ? samples.as<int32_t>()[b] : S;
    std::memcpy(static_cast<char*>(target.data) + b * W * width, static_cast<const char*>(audio.data) + b * S * width,
                count * width);
  }
  return target;
}

/** Samples of each item, in whole frames. */
Tensor lengths_of(Tape& tape, const Tensor& frames, int64_t hop) {
  Tensor lengths = new_tensor(tape.arena(), DType::i32, frames.shape());
  for (int64_t b = 0; b < frames.size(); ++b) lengths.as<int32_t>()[b] = static_cast<int32_t>(frames.as<int32_t>()[b] * hop);
  return lengths;
}

}  // namespace

CodecEvaluation evaluate(const CodecPass& pass, const Codec& codec, const Tensor& audio, const Tensor& samples) {
  Tape tape(pass.ctx, pass.arena, Tape::Mode::infer);
  tape.cancel = pass.cancel;
  return parts_of(forward(tape, codec, audio, samples));
}

CodecTrained train(const CodecPass& pass, const Codec& codec, const Tensor& audio, const Tensor& samples, const CodecLoss& loss,
                   double weight) {
  const CodecLosses losses(loss, codec.config().sample_rate);
  Tape tape(pass.ctx, pass.arena);
  tape.cancel = pass.cancel;
  const Forward f = forward(tape, codec, audio, samples);
  const Tensor target = target_of(tape, audio, samples, f.wav->value),
               lengths = lengths_of(tape, f.encoded.frames, codec.config().hop());
  Var* total = tape.apply(scale, {losses.codec(tape, f.wav, target, lengths, nullptr)}, {{"factor", weight}});
  tape.backward(total);
  const double value = total->value.dtype == DType::f32 ? total->value.as<float>()[0] : total->value.as<double>()[0];
  return {value / weight, parts_of(f)};
}

}  // namespace a2s
