#include "codec/passes.h"

#include <algorithm>
#include <atomic>
#include <numeric>

#include "codec/stream.h"
#include "core/side_by_side.h"

namespace a2s {
namespace {

constexpr int64_t kPortion = 128;  // frames decoded at a time: bounds the memory of activations, and keeps them in the caches

/** Counts of valid elements of B items, each in 0 .. most; all `most` when there is no tensor. */
std::vector<int64_t> counts_of(const Tensor& counts, const char* name, int64_t B, int64_t most) {
  std::vector<int64_t> out(static_cast<size_t>(B), most);
  if (!counts) return out;
  if (counts.rank != 1 || counts.dtype != DType::i32 || counts.dims[0] != B)
    fail_shape(std::string("codec: ") + name + ": expected i32 [" + std::to_string(B) + "], got " + name_of(counts.dtype) + " " +
               shape_string(counts.shape()));
  for (int64_t b = 0; b < B; ++b) {
    const int64_t n = out[static_cast<size_t>(b)] = counts.as<int32_t>()[b];
    if (n < 0 || n > most)
      fail_shape(std::string("codec: ") + name + "[" + std::to_string(b) + "]: expected 0 to " + std::to_string(most) + ", got " +
                 std::to_string(n));
  }
  return out;
}

void require(const Tensor& t, const char* name, DType dtype, int rank, const char* axes) {
  if (!t || t.dtype != dtype || t.rank != rank)
    fail_shape(std::string("codec: ") + name + ": expected " + name_of(dtype) + " " + axes + ", got " +
               (t ? std::string(name_of(t.dtype)) + " " + shape_string(t.shape()) : "none"));
}

/** Calls lane(ctx, items) once on each thread; items(f) calls f(b) for the items that fall to it, the longest first. Threads that have
 *  items of their own wait for nothing between operators. */
template <class F>
void share_items(const CodecPass& pass, const std::vector<int64_t>& counts, F&& lane) {
  std::vector<int64_t> order(counts.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t x, int64_t y) { return counts[static_cast<size_t>(x)] > counts[static_cast<size_t>(y)]; });
  std::atomic<size_t> next{0};
  auto items = [&](auto&& f) {
    for (size_t i = next++; i < order.size(); i = next++) f(order[i]);
  };
  const int64_t lanes = std::min<int64_t>(pass.ctx.pool.threads(), static_cast<int64_t>(counts.size()));
  if (lanes <= 1) return lane(Context{pass.ctx.pool, pass.arena}, items);
  in_lanes(pass.ctx.pool, lanes, [&](int64_t, LaneArenas& own) { lane(Context{pass.ctx.pool, own.memory}, items); });
}

}  // namespace

CodedBatch encode_batch(const CodecPass& pass, const Codec& codec, const Tensor& audio, const Tensor& samples) {
  require(audio, "audio", codec.dtype(), 2, "[B, S]");
  const int64_t B = audio.dims[0], S = audio.dims[1], G = codec.config().groups, hop = codec.config().hop();
  const std::vector<int64_t> counts = counts_of(samples, "samples", B, S);
  const int64_t most = counts.empty() ? 0 : *std::max_element(counts.begin(), counts.end());
  const int64_t T = (most + hop - 1) / hop;
  CodedBatch out{new_tensor(pass.arena, DType::i32, {B, G, T}), new_tensor(pass.arena, DType::i32, {B})};
  fill_zero(out.codes);
  auto encode_item = [&](const Context& ctx, int64_t b) {
    const int64_t n = counts[static_cast<size_t>(b)], frames = (n + hop - 1) / hop;
    out.frames.as<int32_t>()[b] = static_cast<int32_t>(frames);
    if (n == 0) return;
    ScratchScope scope(ctx.scratch);
    Tape tape(ctx, ctx.scratch, Tape::Mode::infer);
    tape.cancel = pass.cancel;
    const Tensor item =
        make_tensor(static_cast<char*>(audio.data) + b * S * static_cast<int64_t>(size_of(audio.dtype)), audio.dtype, {1, n});
    const Tensor codes = codec.quantise(tape, codec.encode(tape, item).latent).codes;
    for (int64_t g = 0; g < G; ++g)
      std::copy_n(codes.as<int32_t>() + g * frames, frames, out.codes.as<int32_t>() + (b * G + g) * T);
  };
  share_items(pass, counts, [&](const Context& ctx, auto&& items) { items([&](int64_t b) { encode_item(ctx, b); }); });
  return out;
}

Tensor decode_batch(const CodecPass& pass, const Codec& codec, const Tensor& codes, const Tensor& frames) {
  require(codes, "codes", DType::i32, 3, "[B, K, T]");
  const int64_t B = codes.dims[0], G = codes.dims[1], T = codes.dims[2], hop = codec.config().hop();
  const std::vector<int64_t> counts = counts_of(frames, "frames", B, T);
  const Tensor wav = new_tensor(pass.arena, codec.dtype(), {B, T * hop});
  fill_zero(wav);
  if (B == 0) return wav;
  const int64_t width = static_cast<int64_t>(size_of(wav.dtype));
  auto decode_item = [&](CodecStream& stream, const Context& ctx, int64_t b) {
    stream.restart(0);
    for (int64_t t = 0; t < counts[static_cast<size_t>(b)]; t += kPortion) {
      const int64_t n = std::min(kPortion, counts[static_cast<size_t>(b)] - t);
      ScratchScope scope(ctx.scratch);
      Tape tape(ctx, ctx.scratch, Tape::Mode::infer);
      tape.cancel = pass.cancel;
      const Tensor part = tape.alloc(DType::i32, {1, G, n});
      for (int64_t g = 0; g < G; ++g) std::copy_n(codes.as<int32_t>() + (b * G + g) * T + t, n, part.as<int32_t>() + g * n);
      const Tensor piece = stream.feed(tape, part);
      std::memcpy(static_cast<char*>(wav.data) + (b * T + t) * hop * width, piece.data, piece.bytes());
    }
  };
  codec.decoder().packed(pass.ctx);  // by all threads
  share_items(pass, counts, [&](const Context& ctx, auto&& items) {
    CodecStream stream(codec, 1);
    items([&](int64_t b) { decode_item(stream, ctx, b); });
  });
  return wav;
}

}  // namespace a2s
