#include "codec/training.h"

#include "core/rng.h"
#include "ops/elementwise/elementwise.h"

namespace a2s {
namespace {

struct Forward {
  Codec::Encoded encoded;
  Codec::Quantised quantised;
  Var* wav;
};

/** Random codes in place of some, which then pass no gradient. */
Var* replace_codes(Tape& tape, const Codec& codec, Var* dequantized, const CodecNoise& noise) {
  const Rng rng{noise.seed, static_cast<uint32_t>(Stream::codes)};
  const int64_t B = dequantized->value.dims[0], T = dequantized->value.dims[2], G = codec.config().groups;
  const int64_t D = static_cast<int64_t>(codec.config().levels.size());
  const Tensor kept = tape.alloc(DType::i32, {B * T * G}), codes = tape.alloc(DType::i32, {B, G, T});
  for (int64_t b = 0; b < B; ++b) {
    const double share = noise.codes * rng.uniform(noise.step, static_cast<uint64_t>(b));
    for (int64_t t = 0; t < T; ++t)
      for (int64_t g = 0; g < G; ++g) {
        const int64_t at = (b * T + t) * G + g;
        kept.as<int32_t>()[at] = rng.uniform(noise.step, static_cast<uint64_t>(B + 2 * at)) >= share;
        const double u = rng.uniform(noise.step, static_cast<uint64_t>(B + 2 * at + 1));
        codes.as<int32_t>()[(b * G + g) * T + t] = static_cast<int32_t>(u * static_cast<double>(codec.config().codebook_size()));
      }
  }
  auto masked = [&](Var* values, const Tensor& keep) {
    Var* rows = tape.view(tape.apply(transpose, {values}), {B * T * G, 1, D});
    return tape.view(tape.apply(mask_rows, {rows, tape.constant(keep)}), {B, T, G * D});
  };
  const Tensor replaced = tape.alloc(DType::i32, {B * T * G});
  for (int64_t i = 0; i < replaced.size(); ++i) replaced.as<int32_t>()[i] = 1 - kept.as<int32_t>()[i];
  return tape.apply(transpose, {tape.apply(add, {masked(dequantized, kept), masked(codec.dequantise(tape, codes), replaced)})});
}

Forward forward(Tape& tape, const Codec& codec, const Tensor& audio, const Tensor& samples, const CodecStep& step = {}) {
  Forward f;
  auto encode = [&](Tape& on) {
    f.encoded = codec.encode(on, audio, samples);
    f.quantised = codec.quantise(on, f.encoded.latent, f.encoded.frames);
  };
  if (step.frozen_encoder) {
    Tape aside(tape.context(), tape.arena(), Tape::Mode::infer);
    aside.cancel = tape.cancel;
    encode(aside);
    f.encoded.latent = tape.constant(f.encoded.latent->value);
    f.quantised.dequantized = tape.constant(f.quantised.dequantized->value);
  } else {
    encode(tape);
  }
  Var* values = f.quantised.dequantized;
  if (step.noise.codes > 0) values = replace_codes(tape, codec, values, step.noise);
  f.wav = codec.decode(tape, values, f.encoded.frames);
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
                   double weight, const CodecStep& step) {
  if (!(step.noise.codes >= 0 && step.noise.codes <= 1))
    fail_config("codec: noise: codes: expected 0 to 1, got " + std::to_string(step.noise.codes));
  const CodecLosses losses(loss, codec.config().sample_rate);
  Tape tape(pass.ctx, pass.arena);
  tape.cancel = pass.cancel;
  const Forward f = forward(tape, codec, audio, samples, step);
  const Tensor target = target_of(tape, audio, samples, f.wav->value),
               lengths = lengths_of(tape, f.encoded.frames, codec.config().hop());
  Var* total = tape.apply(scale, {losses.codec(tape, f.wav, target, lengths, step.discriminators)}, {{"factor", weight}});
  tape.backward(total);
  return {number(total->value) / weight, parts_of(f)};
}

double train(const CodecPass& pass, const Discriminators& discriminators, const Tensor& recorded, const Tensor& decoded, double weight) {
  for (auto [name, t] : {std::pair{"recorded", &recorded}, {"decoded", &decoded}})
    if (t->rank != 2 || t->dtype != discriminators.dtype() || t->size() != recorded.size() || t->dims[0] != recorded.dims[0])
      fail_shape("discriminators: " + std::string(name) + ": expected " + name_of(discriminators.dtype()) + " [B, S], both alike, got " +
                 name_of(t->dtype) + " " + shape_string(t->shape()));
  Tape tape(pass.ctx, pass.arena);
  tape.cancel = pass.cancel;
  Var* total = tape.apply(scale, {discriminator_step_loss(tape, discriminators, decoded, recorded)}, {{"factor", weight}});
  tape.backward(total);
  return number(total->value) / weight;
}

}  // namespace a2s
