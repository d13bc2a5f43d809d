// What the codec is trained to do: spectra like the recording's at several resolutions, and to convince the discriminators.
#pragma once
#include "codec/discriminators.h"

namespace a2s {

/** Weights of the terms; 0: not computed. */
struct CodecLoss {
  double waveform = 0;     // mean squared difference of samples
  double mel = 0;          // mean absolute difference of log mel spectra; published recipe: 1
  double stft = 0;         // of log magnitudes; 20
  double adversarial = 0;  // least squares, against the discriminators; 1
  double features = 0;     // of the discriminators' layers; 1
  double offset = 1;       // added to mels and magnitudes before the logarithm: what is far below it hardly counts; published: 1
  /** Samples of the spectral terms' windows, published: these. Windows shorter than a pitch period ask for each pulse at its place. */
  std::vector<int64_t> windows = {32, 64, 128, 256, 512, 1024};

  bool judged() const { return adversarial != 0 || features != 0; }
};

class CodecLosses {
 public:
  /** @throws Config when no term has a weight, one has a negative or no finite one, or a window is no power of 2 of 32 to 4096. */
  CodecLosses(const CodecLoss& weights, int64_t sample_rate);

  /** Weighted sum of the codec's terms [1]. wav and target [B, S], samples ints [B] (absent: all S): what lies beyond an item's
   *  samples does not count in the spectral terms and in that of the waveform. Discriminators are constants here; they judge all
   *  of S, and must be given when a term asks for them. @throws Config, Shape */
  Var* codec(Tape& tape, Var* wav, const Tensor& target, const Tensor& samples, const Discriminators* discriminators) const;

 private:
  CodecLoss weights_;
  int64_t sample_rate_;
};

/** The discriminators' own loss [1] for a batch of decoded speech (a constant here) and its recordings, both [B, S]. */
Var* discriminator_step_loss(Tape& tape, const Discriminators& discriminators, const Tensor& decoded, const Tensor& recorded);

}  // namespace a2s
