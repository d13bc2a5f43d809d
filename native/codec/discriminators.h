// The judges that the codec is trained against: networks over the waveform folded at prime periods, and networks over bands of
// its complex spectrogram. Each gives a score per position and the features of its layers.
//
// Kong et al.: HiFi-GAN, arXiv 2010.05646 (periods); Kumar et al.: Descript Audio Codec, arXiv 2306.06546 (bands).
// Parameters bear the names of NVIDIA NeMo's state dict. The published codec was also trained against a third kind, a small
// network over the hidden states of WavLM; that one needs WavLM's weights and is not here.
#pragma once
#include <array>

#include "codec/layers.h"

namespace a2s {

/** The defaults are the published sizes. Their band edges are not public: these are those of the Descript Audio Codec. */
struct DiscriminatorConfig {
  struct Resolution {
    int64_t n_fft, hop, win;
  };
  std::vector<int64_t> periods = {2, 3, 5, 7, 11};
  std::vector<int64_t> period_channels = {32, 128, 512, 1024, 1024};
  std::vector<Resolution> resolutions = {{512, 128, 512}, {1024, 256, 1024}};
  std::vector<std::array<double, 2>> bands = {{0, 0.1}, {0.1, 0.25}, {0.25, 0.5}, {0.5, 0.75}, {0.75, 1}};  // of the bins
  int64_t band_channels = 32;

  /** @throws Config with the name of the first field that is out of range. */
  void validate() const;
};

/** What all networks say of one batch: one entry a network. */
struct Judgement {
  std::vector<Var*> scores;
  std::vector<std::vector<Var*>> features;  // of every layer, the scores last
};

class Discriminators {
 public:
  /** Random weights; without a seed zeros, to be loaded. @throws Config */
  Discriminators(const DiscriminatorConfig& config, DType dtype, std::optional<uint64_t> seed);

  Params& params() { return params_; }
  DType dtype() const { return params_.dtype(); }

  /** wav [B, S]; S must leave every layer more positions than it reflects (at the published sizes 1783 samples do).
   *  With Learning::off the networks are constants, as the codec's own step wants them. @throws Shape */
  Judgement judge(Tape& tape, Var* wav, Learning learning) const;

 private:
  struct Network {
    std::vector<NormConv> layers;
    NormConv post;
  };
  void judge_period(Tape& tape, Var* wav, const Network& network, int64_t period, Learning learning, Judgement& out) const;
  void judge_bands(Tape& tape, Var* wav, size_t resolution, Learning learning, Judgement& out) const;

  DiscriminatorConfig config_;
  Params params_;
  std::vector<Network> periods_;
  std::vector<std::vector<Network>> bands_;  // of each resolution
};

/** Least-squares losses: scores of recordings should be 1, those of decoded speech 0 (and, for the codec, 1). [1] each. */
Var* discriminator_loss(Tape& tape, const Judgement& recorded, const Judgement& decoded);
Var* adversarial_loss(Tape& tape, const Judgement& decoded);
/** Mean absolute difference of the features, mean over layers and networks. [1] */
Var* feature_loss(Tape& tape, const Judgement& recorded, const Judgement& decoded);

}  // namespace a2s
