// The codec as it is trained: one buffer for the batch, gradients straight through the rounding.
#pragma once
#include "codec/losses.h"
#include "codec/passes.h"

namespace a2s {

/** Everything between audio and audio. */
struct CodecEvaluation {
  Tensor latent;       // [B, GD, T]
  Tensor codes;        // ints [B, G, T], 0 beyond frames[b]
  Tensor frames;       // ints [B]: ceil(samples / hop)
  Tensor dequantized;  // [B, GD, T]
  Tensor wav;          // [B, T * hop], 0 beyond frames[b] * hop
};

struct CodecTrained {
  double loss;
  CodecEvaluation parts;
};

/** What disturbs a training step; the same for the same seed and step. */
struct CodecNoise {
  uint64_t seed = 0, step = 0;
  double codes = 0;  // most of an item's codes that the decoder sees replaced by random ones; each item draws its own share below it
};

/** audio [B, S] in [-1, 1], samples ints [B] (absent: all S). Unlike encode_batch the items share one buffer, at whose end
 *  the encoder repeats the last sample: the last codes of a shorter item differ from those it has alone.
 *  @throws Shape or Data naming the argument. */
CodecEvaluation evaluate(const CodecPass& pass, const Codec& codec, const Tensor& audio, const Tensor& samples);

/** How a step learns, beside its loss. */
struct CodecStep {
  CodecNoise noise = {};
  const Discriminators* discriminators = nullptr;  // constants here; for the losses that ask for them
  bool frozen_encoder = false;  // codes stay what they are: encoder and quantiser are evaluated and get no gradients
};

/** Adds weight * d loss to the gradients; the loss is over whole frames. What noise replaced passes no gradient to the
 *  encoder; the returned codes and their values are those before the noise. @throws as evaluate; Config when no loss has a
 *  weight, or one that needs discriminators and there are none, or a share of codes is not from 0 to 1. */
CodecTrained train(const CodecPass& pass, const Codec& codec, const Tensor& audio, const Tensor& samples, const CodecLoss& loss,
                   double weight, const CodecStep& step = {});

/** The discriminators' own step: adds weight * d loss to their gradients and returns the loss. recorded and decoded [B, S].
 *  @throws Shape naming the argument. */
double train(const CodecPass& pass, const Discriminators& discriminators, const Tensor& recorded, const Tensor& decoded, double weight);

}  // namespace a2s
