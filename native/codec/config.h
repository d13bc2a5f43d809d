// Dimensions of the codec.
#pragma once
#include <cstdint>
#include <vector>

namespace a2s {

/** The defaults are the published 22.05 kHz codec: 21.5 frames a second, 8 codebooks of 2016 codes. */
struct CodecConfig {
  int64_t sample_rate = 22050;      // Hz
  int64_t encoder_channels = 24;    // after the encoder's first convolution; each stage doubles them
  int64_t decoder_channels = 864;   // after the decoder's first convolution; each stage halves them
  std::vector<int64_t> down_sample_rates = {2, 2, 4, 8, 8};  // strides; a kernel is twice its stride
  std::vector<int64_t> up_sample_rates = {8, 8, 4, 2, 2};
  int64_t groups = 8;                               // codebooks
  std::vector<int64_t> levels = {8, 7, 6, 6};       // steps of each scalar of a group
  std::vector<int64_t> res_kernels = {3, 7, 11};    // one chain of residual blocks each
  std::vector<int64_t> res_dilations = {1, 3, 5};   // of the blocks of a chain

  /** Samples a frame: product of the down-sampling rates. */
  int64_t hop() const;
  /** Channels between encoder and decoder. */
  int64_t latent() const { return groups * static_cast<int64_t>(levels.size()); }
  /** Codes a codebook: product of the levels. */
  int64_t codebook_size() const;
  /** @throws Config with the name of the first field that is out of range or at odds with another. */
  void validate() const;
};

}  // namespace a2s
