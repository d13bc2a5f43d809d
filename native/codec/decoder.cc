#include "codec/decoder.h"

#include <cmath>

#include "ops/conv/conv_shape.h"

namespace a2s {
namespace {

constexpr int64_t kCached = 256 << 10;  // bytes of an activation that stays in the second-level cache beside the others of its block
constexpr int64_t kLeastRows = 2048;  // of a piece

int64_t context_of(const NormConv& c) { return (c.kernel() - 1) * c.dilation; }

/** The first frames of x [B, C, T], which are free, become the context, and its last frames the next one. */
void exchange_context(const NormConv& c, const Tensor& x, DecoderState& state) {
  const Tensor& context = state.contexts[static_cast<size_t>(c.index)];
  const size_t width = size_of(x.dtype), row = static_cast<size_t>(x.dims[2]) * width;
  const size_t kept = static_cast<size_t>(context.dims[2]) * width;
  for (int64_t i = 0; i < x.dims[0] * x.dims[1]; ++i) {
    char* line = static_cast<char*>(x.data) + static_cast<size_t>(i) * row;
    char* before = static_cast<char*>(context.data) + static_cast<size_t>(i) * kept;
    std::memcpy(line, before, kept);
    std::memcpy(before, line + row - kept, kept);
  }
}

/** Activations of x after what came before them: of the state, or zeros. */
Var* activate_after(Tape& tape, const NormConv& c, int64_t before, Param* alpha, Var* x, DecoderState* state) {
  Var* y = activate(tape, alpha, x, before);
  if (state) exchange_context(c, y->value, *state);
  return y;
}

/** Of the convolution c of x [B, C, T], which begins with the context. */
ConvShape shape_of(const NormConv& c, const Tensor& x) {
  const Tensor& v = c.v->value;
  return valid_conv1d_shape(x.dims[0], x.dims[1], x.dims[2], v.dims[0], c.kernel(), c.dilation);
}

template <class T>
void convolve_into(Context ctx, const NormConv& c, const Tensor& x, const Tensor& filters, const Tensor& residual, const Tensor& y) {
  ScratchScope scope(ctx.scratch);
  conv_forward_packed(ctx, shape_of(c, x), x.as<T>(), filters.as<T>(), c.bias->value.as<T>(), residual ? residual.as<T>() : nullptr,
                      y.as<T>());
}

template <class T>
void require_finite(const Tensor& wav) {
  const T* x = wav.as<T>();
  for (int64_t i = 0; i < wav.size(); ++i)
    if (!std::isfinite(x[i])) {
      const int64_t S = wav.dims[2];
      fail(ErrorCode::Data, "codec decoder: wav[" + std::to_string(i / S) + ", " + std::to_string(i % S) +
                                "]: expected a finite sample, got " + std::to_string(x[i]));
    }
}

}  // namespace

Decoder::Decoder(Declarer declare, const CodecConfig& config) {
  int64_t C = config.decoder_channels;
  pre_conv_ = declare.conv("pre_conv.conv", {C, config.latent(), 7}, C);
  for (size_t i = 0; i < config.up_sample_rates.size(); ++i, C /= 2) {
    const int64_t rate = config.up_sample_rates[i];
    Stage& s = stages_.emplace_back(Stage{rate, nullptr, {}, {}});
    s.alpha = declare.alpha("activations." + std::to_string(i), C);
    s.up = declare.conv("up_sample_conv_layers." + std::to_string(i) + ".conv", {C, 1, 2 * rate}, C / 2);
    s.res_layer = declare_res_layer(declare, config, "res_layers." + std::to_string(i), C / 2, true);
  }
  post_alpha_ = declare.alpha("post_activation", C);
  post_conv_ = declare.conv("post_conv.conv", {1, C, 3}, 1);
}

Var* Decoder::convolve(Tape& tape, const NormConv& c, Param* alpha, Var* x, Var* residual, Var* lengths, DecoderState* state) const {
  x = activate_after(tape, c, context_of(c), alpha, x, state);
  if (state) return convolve_packed(tape, c, x, residual, *state);
  return tape.apply(conv1d, {x, c.weight(tape), tape.param(*c.bias), lengths, residual}, {{"dilation", double(c.dilation)}});
}

Var* Decoder::convolve_packed(Tape& tape, const NormConv& c, Var* x, Var* residual, const DecoderState& state) const {
  const Tensor &in = x->value, &filters = state.weights[static_cast<size_t>(c.index)], added = residual ? residual->value : Tensor{};
  const Tensor y = tape.alloc(in.dtype, {in.dims[0], filters.dims[0], in.dims[2] - context_of(c)});
  in.dtype == DType::f32 ? convolve_into<float>(tape.context(), c, in, filters, added, y)
                         : convolve_into<double>(tape.context(), c, in, filters, added, y);
  return tape.constant(y);
}

/** The only one that reads no activations. */
Var* Decoder::pre_convolve(Tape& tape, Var* x, Var* lengths, DecoderState* state) const {
  const NormConv& c = pre_conv_;
  const int64_t before = context_of(c);
  if (state) {
    const Tensor& t = x->value;
    const Tensor padded = tape.alloc(t.dtype, {t.dims[0], t.dims[1], before + t.dims[2]});
    const size_t width = size_of(t.dtype), fresh = static_cast<size_t>(t.dims[2]) * width, old = static_cast<size_t>(before) * width;
    for (int64_t i = 0; i < t.dims[0] * t.dims[1]; ++i)
      std::memcpy(static_cast<char*>(padded.data) + static_cast<size_t>(i) * (old + fresh) + old,
                  static_cast<const char*>(t.data) + static_cast<size_t>(i) * fresh, fresh);
    exchange_context(c, padded, *state);
    return convolve_packed(tape, c, tape.constant(padded), nullptr, *state);
  }
  return tape.apply(conv1d, {x, c.weight(tape), tape.param(*c.bias), lengths}, {{"pad_left", double(before)}});
}

/** The kernel spans two strides: the second half of the last frame's contribution waits for the next frame. */
Var* Decoder::up_sample(Tape& tape, const Stage& s, Var* x, Var* lengths, DecoderState* state) const {
  x = activate_after(tape, s.up, 1, s.alpha, x, state);
  const double rate = static_cast<double>(s.rate), groups = static_cast<double>(s.up.bias->value.size());
  Var* weight = state ? tape.constant(state->weights[static_cast<size_t>(s.up.index)]) : s.up.weight(tape);
  return tape.apply(conv_transpose1d, {x, weight, tape.param(*s.up.bias), lengths},
                    {{"stride", rate}, {"groups", groups}, {"trim_left", rate}, {"trim_right", rate}});
}

Var* Decoder::run_stage(Tape& tape, const Stage& s, Var* x, Var* lengths, DecoderState* state) const {
  return condensed(tape, [&] {
    Var* y = up_sample(tape, s, x, lengths, state);
    return apply_res_layer(tape, s.res_layer, y, [&](const NormConv& c, Param* alpha, Var* in, Var* residual) {
      return convolve(tape, c, alpha, in, residual, lengths, state);
    });
  });
}

Var* Decoder::continue_from(Tape& tape, size_t stage, Var* x, DecoderState& state) const {
  if (stage == stages_.size()) return convolve(tape, post_conv_, post_alpha_, x, nullptr, nullptr, &state);
  const Stage& s = stages_[stage];
  const Tensor& t = x->value;
  const int64_t lines = t.dims[0] * t.dims[1], n = t.dims[2], width = static_cast<int64_t>(size_of(t.dtype));
  const int64_t most = std::max<int64_t>(1, std::max(kLeastRows, kCached / (lines / 2 * width)) / s.rate);
  if (n <= most) return continue_from(tape, stage + 1, run_stage(tape, s, x, nullptr, &state), state);
  int64_t rate = 1;
  for (size_t i = stage; i < stages_.size(); ++i) rate *= stages_[i].rate;
  const Tensor all = tape.alloc(t.dtype, {t.dims[0], 1, n * rate});
  const int64_t pieces = (n + most - 1) / most;
  for (int64_t i = 0; i < pieces; ++i) {
    const int64_t from = i * n / pieces, count = (i + 1) * n / pieces - from;
    const Arena::Mark mark = tape.arena().mark();
    const Tensor part = tape.alloc(t.dtype, {t.dims[0], t.dims[1], count});
    for (int64_t line = 0; line < lines; ++line)
      std::memcpy(static_cast<char*>(part.data) + line * count * width, static_cast<const char*>(t.data) + (line * n + from) * width,
                  static_cast<size_t>(count * width));
    const Tensor piece = continue_from(tape, stage, tape.constant(part), state)->value;
    for (int64_t b = 0; b < t.dims[0]; ++b)
      std::memcpy(static_cast<char*>(all.data) + (b * n + from) * rate * width,
                  static_cast<const char*>(piece.data) + b * count * rate * width, static_cast<size_t>(count * rate * width));
    tape.arena().release(mark);
  }
  return tape.constant(all);
}

Var* Decoder::forward(Tape& tape, Var* x, const Tensor& frames, DecoderState* state) const {
  int64_t rate = 1;
  Var* lengths = scaled_lengths(tape, frames, rate);
  x = pre_convolve(tape, x, lengths, state);
  if (state) x = continue_from(tape, 0, x, *state);
  else {
    for (const Stage& s : stages_) {
      rate *= s.rate;
      lengths = scaled_lengths(tape, frames, rate);
      x = run_stage(tape, s, x, lengths, nullptr);
    }
    x = convolve(tape, post_conv_, post_alpha_, x, nullptr, lengths, nullptr);
  }
  x->value.dtype == DType::f32 ? require_finite<float>(x->value) : require_finite<double>(x->value);
  x = tape.apply(clamp, {x}, {{"low", -1}, {"high", 1}});
  return tape.view(x, {x->value.dims[0], x->value.dims[2]});
}

template <class F>
void Decoder::each_conv(F&& f) const {
  auto plain = [&](const NormConv& c) { f(c, false, c.v->value.dims[1], context_of(c)); };
  plain(pre_conv_);
  for (const Stage& s : stages_) {
    f(s.up, true, s.up.v->value.dims[0], int64_t{1});
    for (const auto& chain : s.res_layer.chains)
      for (const ResBlock& b : chain) plain(b.input_conv), plain(b.skip_conv);
  }
  plain(post_conv_);
}

void Decoder::start(Context ctx, DecoderState& state, int64_t B, const DecoderState* like) const {
  state.arena.reset();
  state.B = B;
  if (like) state.weights = like->weights;
  each_conv([&](const NormConv& c, bool transposed, int64_t channels, int64_t context) {
    const size_t at = static_cast<size_t>(c.index);
    if (state.weights.size() <= at) state.weights.resize(at + 1);
    if (state.contexts.size() <= at) state.contexts.resize(at + 1);
    const Tensor& v = c.v->value;
    state.contexts[at] = new_tensor(state.arena, v.dtype, {B, channels, context});
    fill_zero(state.contexts[at]);
    if (like) return;
    state.weights[at] = new_tensor(state.arena, v.dtype, v.shape());
    ScratchScope scope(ctx.scratch);
    Tape tape(ctx, ctx.scratch, Tape::Mode::infer);
    const Tensor w = c.weight(tape)->value, to = state.weights[at];
    if (transposed) std::memcpy(to.data, w.data, w.bytes());
    else if (v.dtype == DType::f32) pack_filters(ctx, shape_of(c, state.contexts[at]), w.as<float>(), to.as<float>());
    else pack_filters(ctx, shape_of(c, state.contexts[at]), w.as<double>(), to.as<double>());
  });
}

void Decoder::restart(DecoderState& state, int64_t b) const {
  for (const Tensor& t : state.contexts) {
    const size_t item = t.bytes() / static_cast<size_t>(state.B);
    std::memset(static_cast<char*>(t.data) + static_cast<size_t>(b) * item, 0, item);
  }
}

}  // namespace a2s
