// NanoCodec: 22 kHz speech to groups of finite scalar codes and back.
//
//   audio [B, S] -> encode -> latent [B, GD, T] -> quantise -> codes [B, G, T], dequantized [B, GD, T] -> decode -> wav [B, T *
//   hop]
//
// Casanova et al.: NanoCodec, arXiv 2508.05835; the encoder, quantiser and decoder of NVIDIA NeMo's AudioCodecModel.
// Parameters bear the names of the published state dict.
#pragma once
#include "codec/decoder.h"
#include "codec/encoder.h"

namespace a2s {

class Codec {
 public:
  /** Random weights; without a seed zeros, to be loaded. @throws Config */
  Codec(const CodecConfig& config, DType dtype, std::optional<uint64_t> seed);

  const CodecConfig& config() const { return config_; }
  DType dtype() const { return params_.dtype(); }
  Params& params() { return params_; }

  /** Constants of the quantiser that a published state dict holds besides the parameters, all int32. */
  struct Buffer {
    std::string name;
    std::vector<int64_t> shape;
    std::vector<int32_t> values;
  };
  std::vector<Buffer> buffers() const;

  struct Encoded {
    Var* latent;    // [B, GD, T]
    Tensor frames;  // ints [B]: ceil(samples / hop)
  };
  /** audio [B, S] in [-1, 1], samples ints [B] (absent: all S). An item is extended with zeros to whole frames, as many
   *  as cover its samples; T is the longest item's count. What lies beyond an item's samples is not read. */
  Encoded encode(Tape& tape, const Tensor& audio, const Tensor& samples = {}) const;

  struct Quantised {
    Var* dequantized;  // [B, GD, T]
    Tensor codes;      // ints [B, G, T]; 0 beyond frames[b]
  };
  /** Straight-through: the gradient of the rounding is 1. @throws Data for latents that are not finite. */
  Quantised quantise(Tape& tape, Var* latent, const Tensor& frames = {}) const;
  /** codes ints [B, G, T] -> [B, GD, T]. @throws Shape for codes outside 0 .. codebook_size - 1. */
  Var* dequantise(Tape& tape, const Tensor& codes, const Tensor& frames = {}) const;
  /** dequantized [B, GD, T] -> wav [B, T * hop] in [-1, 1], zero beyond frames[b] * hop. @throws Data when it is not finite. */
  Var* decode(Tape& tape, Var* dequantized, const Tensor& frames = {}) const;

  const Decoder& decoder() const { return decoder_; }

 private:
  CodecConfig config_;
  Params params_;
  Encoder encoder_;
  Decoder decoder_;
  Var* levels(Tape& tape) const;
};

}  // namespace a2s
