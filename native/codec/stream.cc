#include "codec/stream.h"

#include "core/add.h"
#include "ops/conv/conv_lines.h"
#include "ops/conv/conv_shape.h"

namespace a2s {
namespace {

constexpr int64_t kCached = 256 << 10;  // bytes of an activation that stays in the second-level cache beside the others of its piece
constexpr int64_t kLeast = 2048;        // outputs of a piece

}  // namespace

/** One portion of all streams. */
template <class T>
class StreamPass {
 public:
  StreamPass(Tape& tape, CodecStream& stream)
      : tape_(tape), ctx_(tape.context()), arena_(tape.arena()), stream_(stream), layers_(stream.codec_.decoder().layers()),
        weights_(stream.codec_.decoder().packed(ctx_)) {}

  Tensor decode(const Tensor& latent) {
    const int64_t B = latent.dims[0], D = latent.dims[1], n = latent.dims[2];
    const Tensor wav = tape_.alloc(latent.dtype, {B, n * stream_.codec_.config().hop()});
    const NormConv& c = layers_.pre_conv;
    Lines x = new_lines(D, n, c.context()), y = new_lines(c.v->value.dims[0], n);
    for (int64_t i = 0; i < B * D; ++i) std::copy_n(latent.as<T>() + i * n, n, x.line(i));
    convolve(c, x, y);
    run(0, y, Lines{wav.as<T>(), 1, wav.dims[1], wav.dims[1]});
    require_finite(wav);
    for (T& sample : std::span(wav.as<T>(), static_cast<size_t>(wav.size()))) sample = std::clamp(sample, T(-1), T(1));
    return wav;
  }

 private:
  /** A signal [streams, C, n], its lines `step` apart. What a convolution reads has room for its context before each line. */
  struct Lines {
    T* data;
    int64_t C, n, step;
    T* line(int64_t i) const { return data + i * step; }
    Lines part(int64_t from, int64_t count) const { return {data + from, C, count, step}; }
  };

  int64_t streams() const { return stream_.streams(); }
  Lines new_lines(int64_t C, int64_t n, int64_t context = 0) {
    const int64_t before = (context + 15) / 16 * 16, step = plane_stride<T>(before + n);
    return {arena_.alloc<T>(streams() * C * step) + before, C, n, step};
  }

  static HalfSnake<T> snake(const Param* alpha) { return {alpha->value.as<T>(), alpha->value.size(), static_cast<T>(kLeakySlope)}; }

  void activate(const Param* alpha, const Lines& x, const Lines& y) {
    const HalfSnake<T> f = snake(alpha);
    ctx_.pool.ranges(streams() * x.C, 1 + 8192 / x.n, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) f.line(i % x.C, x.line(i), y.line(i), x.n);
    });
  }

  /** Puts the context of the convolution before x, and keeps that of the next portion. */
  void continue_context(const NormConv& c, const Lines& x) {
    const Tensor& kept = layer(c).context;
    const int64_t context = kept.dims[2];
    for (int64_t i = 0; i < streams() * x.C; ++i) {
      T *before = kept.as<T>() + i * context, *line = x.line(i);
      std::copy_n(before, context, line - context);
      std::copy_n(line + x.n - context, context, before);
    }
  }

  CodecStream::Layer& layer(const NormConv& c) const { return stream_.layers_[static_cast<size_t>(c.index)]; }
  const T* weight(const NormConv& c) const { return weights_[static_cast<size_t>(c.index)].template as<T>(); }

  /** y of x; `residual` is added, and may be y; activations of y, where their frequencies are given, go to `activated`, which may be y. */
  void convolve(const NormConv& c, const Lines& x, const Lines& y, const Lines* residual = nullptr, const Param* alpha = nullptr,
                const Lines* activated = nullptr) {
    if (tape_.cancel && tape_.cancel->load(std::memory_order_relaxed)) fail(ErrorCode::Cancelled, "codec stream: cancelled");
    continue_context(c, x);
    const HalfSnake<T> f = alpha ? snake(alpha) : HalfSnake<T>{};
    LineConv<T> p{.B = streams(), .C = x.C, .O = y.C, .n = x.n, .taps = c.kernel(), .dilation = c.dilation,
                  .filters = weight(c), .bias = c.bias->value.as<T>(), .x = x.data - c.context(), .x_step = x.step, .y = y.data,
                  .y_step = y.step, .before = layer(c).outputs.data()};
    if (residual) p.residual = residual->data;
    if (alpha) p.activation = &f, p.activated = activated->data, p.activated_step = activated->step;
    conv_lines(ctx_, p);
    for (int64_t& outputs : layer(c).outputs) outputs += x.n;
  }

  /** x [C, n] -> [C / 2, rate n]. The kernel spans two strides: the second half of the last frame's share waits for the next. */
  void up_sample(const Decoder::Stage& s, const Lines& x, const Lines& y) {
    ScratchScope scope(arena_);
    const Lines in = new_lines(x.C, x.n, 1);
    activate(s.alpha, x, in);
    continue_context(s.up, in);
    conv_transpose_lines<T>(ctx_, {.B = streams(), .C = x.C, .O = y.C, .groups = y.C, .T_in = 1 + x.n, .n = y.n, .taps = 2 * s.rate,
                                   .stride = s.rate, .trim = s.rate, .w = weight(s.up), .bias = s.up.bias->value.as<T>(), .x = in.data - 1,
                                   .x_step = in.step, .y = y.data, .y_step = y.step});
  }

  /** A chain of residual blocks from x to y, which may be x. */
  void run_chain(const std::vector<ResBlock>& chain, Lines x, const Lines& y) {
    ScratchScope scope(arena_);
    int64_t input_context = 0, skip_context = 0;
    for (const ResBlock& b : chain)
      input_context = std::max(input_context, b.input_conv.context()), skip_context = std::max(skip_context, b.skip_conv.context());
    const Lines in = new_lines(x.C, x.n, input_context), hidden = new_lines(x.C, x.n, skip_context);
    activate(chain.front().input_alpha, x, in);
    for (size_t i = 0; i < chain.size(); ++i, x = y) {
      convolve(chain[i].input_conv, in, hidden, nullptr, chain[i].skip_alpha, &hidden);
      convolve(chain[i].skip_conv, hidden, y, &x, i + 1 < chain.size() ? chain[i + 1].input_alpha : nullptr, &in);
    }
  }

  /** The mean of the chains of x, in x where there is one. */
  Lines run_chains(const std::vector<std::vector<ResBlock>>& chains, const Lines& x) {
    if (chains.size() == 1) return run_chain(chains.front(), x, x), x;
    const Lines sum = new_lines(x.C, x.n), y = new_lines(x.C, x.n);
    const T factor = static_cast<T>(1.0 / static_cast<double>(chains.size()));
    run_chain(chains.front(), x, sum);
    for (size_t j = 1; j < chains.size(); ++j) {
      run_chain(chains[j], x, y);
      ctx_.pool.ranges(streams() * x.C, 1 + 8192 / x.n, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
          add_range(sum.line(i), y.line(i), sum.line(i), x.n);
          for (int64_t t = 0; j + 1 == chains.size() && t < x.n; ++t) sum.line(i)[t] *= factor;
        }
      });
    }
    return sum;
  }

  /** From the input of a stage to audio, in pieces of time whose activations stay in the cache. */
  void run(size_t stage, const Lines& x, const Lines& wav) {
    ScratchScope scope(arena_);
    if (stage == layers_.stages.size()) {
      const Lines in = new_lines(x.C, x.n, layers_.post_conv.context());
      activate(layers_.post_alpha, x, in);
      return convolve(layers_.post_conv, in, wav);
    }
    const Decoder::Stage& s = layers_.stages[stage];
    const int64_t row = streams() * x.C / 2 * int64_t{sizeof(T)}, most = std::max<int64_t>(1, std::max(kLeast, kCached / row) / s.rate);
    const int64_t pieces = (x.n + most - 1) / most, samples = wav.n / x.n;
    for (int64_t i = 0; i < pieces; ++i) {
      const int64_t from = i * x.n / pieces, count = (i + 1) * x.n / pieces - from;
      ScratchScope piece(arena_);
      const Lines y = new_lines(x.C / 2, count * s.rate);
      up_sample(s, x.part(from, count), y);
      run(stage + 1, run_chains(s.res_layer.chains, y), wav.part(from * samples, count * samples));
    }
  }

  Tape& tape_;
  Context ctx_;
  Arena& arena_;
  CodecStream& stream_;
  const Decoder::Layers& layers_;
  const std::vector<Tensor>& weights_;
};

CodecStream::CodecStream(const Codec& codec, int64_t streams) : codec_(codec), streams_(streams) {
  if (streams < 1) fail_config("codec stream: streams: expected at least 1, got " + std::to_string(streams));
  codec.decoder().each_conv([&](const NormConv& c, bool transposed) {
    const int64_t channels = c.v->value.dims[transposed ? 0 : 1], context = transposed ? 1 : c.context();
    layers_.push_back({new_tensor(arena_, codec.dtype(), {streams, channels, context}), std::vector<int64_t>(static_cast<size_t>(streams))});
    fill_zero(layers_.back().context);
  });
}

Tensor CodecStream::feed(Tape& tape, const Tensor& codes) {
  if (codes.dtype != DType::i32 || codes.rank != 3 || codes.dims[0] != streams_ || codes.dims[2] < 1)
    fail_shape("codec stream: codes: expected i32 [" + std::to_string(streams_) + ", G, at least 1], got " + name_of(codes.dtype) +
               " " + shape_string(codes.shape()));
  const Tensor latent = codec_.dequantise(tape, codes)->value;
  return latent.dtype == DType::f32 ? StreamPass<float>(tape, *this).decode(latent) : StreamPass<double>(tape, *this).decode(latent);
}

void CodecStream::restart(int64_t b) {
  if (b < 0 || b >= streams_)
    fail_config("codec stream: index: expected below " + std::to_string(streams_) + ", got " + std::to_string(b));
  for (Layer& layer : layers_) fill_zero(rows_of(layer.context, b, 1)), layer.outputs[static_cast<size_t>(b)] = 0;
}

}  // namespace a2s
