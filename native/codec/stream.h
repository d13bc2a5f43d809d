// Decoding in portions: speech while its codes are still being generated, and long speech in bounded memory.
//
// Portions of any sizes give, one after the other, the same bits as one call of Codec::decode: each convolution keeps the
// last inputs that later outputs still see, and each of its outputs is summed in an order that does not depend on where
// a portion begins.
#pragma once
#include "codec/model.h"

namespace a2s {

class CodecStream {
 public:
  /** `streams` decodings side by side, each before its first frame. Every portion takes the codec's parameters as they are then. The codec
   *  must outlive it. */
  CodecStream(const Codec& codec, int64_t streams);

  int64_t streams() const { return streams_; }
  /** Bytes of the state. */
  size_t bytes() const { return arena_.capacity(); }

  /** The next frames of every stream, codes ints [streams, G, n], n >= 1 -> wav [streams, n * hop] in the tape's arena.
   *  The tape must be in infer mode. @throws Shape for such codes as these are not; the streams are then as before.
   *  Data, or Cancelled when the tape is, in the middle of the work: every stream must then be restarted. */
  Tensor feed(Tape& tape, const Tensor& codes);

  /** Stream b is before its first frame again. */
  void restart(int64_t b);

 private:
  template <class T>
  friend class StreamPass;
  /** Of a convolution, by NormConv::index: its last inputs [streams, C, context] that later outputs still see, and how many outputs each
   *  stream has had. */
  struct Layer {
    Tensor context;
    std::vector<int64_t> outputs;
  };
  const Codec& codec_;
  int64_t streams_;
  Arena arena_;
  std::vector<Layer> layers_;
};

}  // namespace a2s
