#include "codec/stream.h"

namespace a2s {

CodecStream::CodecStream(Context ctx, const Codec& codec, int64_t streams) : codec_(codec) {
  if (streams < 1) fail_config("codec stream: streams: expected at least 1, got " + std::to_string(streams));
  codec.decoder().start(ctx, state_, streams);
}

CodecStream::CodecStream(Context ctx, const CodecStream& like) : codec_(like.codec_) {
  codec_.decoder().start(ctx, state_, 1, &like.state_);
}

Tensor CodecStream::feed(Tape& tape, const Tensor& codes) {
  if (codes.dtype != DType::i32 || codes.rank != 3 || codes.dims[0] != streams() || codes.dims[2] < 1)
    fail_shape("codec stream: codes: expected i32 [" + std::to_string(streams()) + ", G, at least 1], got " +
               name_of(codes.dtype) + " " + shape_string(codes.shape()));
  return codec_.decoder().forward(tape, codec_.dequantise(tape, codes), {}, &state_)->value;
}

void CodecStream::restart(int64_t b) {
  if (b < 0 || b >= streams())
    fail_config("codec stream: index: expected below " + std::to_string(streams()) + ", got " + std::to_string(b));
  codec_.decoder().restart(state_, b);
}

}  // namespace a2s
