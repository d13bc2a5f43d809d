// Whole batches through the codec, item by item: what an item becomes does not depend on what it shares a batch with, and
// nothing is computed for padding.
#pragma once
#include <atomic>

#include "codec/model.h"

namespace a2s {

/** What a pass runs on; results lie in the arena. */
struct CodecPass {
  Context ctx;
  Arena& arena;
  std::atomic<bool>* cancel = nullptr;
};

struct CodedBatch {
  Tensor codes;   // ints [B, G, T], 0 beyond frames[b]
  Tensor frames;  // ints [B]: ceil(samples / hop)
};

/** audio [B, S] in [-1, 1], samples ints [B] (absent: all S). @throws Shape or Data naming the argument. */
CodedBatch encode_batch(const CodecPass& pass, const Codec& codec, const Tensor& audio, const Tensor& samples);

/** codes ints [B, G, T], frames ints [B] (absent: all T) -> wav [B, T * hop], 0 beyond frames[b] * hop. @throws Shape or Data. */
Tensor decode_batch(const CodecPass& pass, const Codec& codec, const Tensor& codes, const Tensor& frames);

}  // namespace a2s
