#include "codec/decoder.h"

#include <cmath>
#include <limits>

#include "ops/conv/conv.h"
#include "ops/conv/conv_lines.h"

namespace a2s {
namespace {

template <class T>
void require_finite_of(const Tensor& audio) {
  const T* x = audio.as<T>();
  const int64_t n = audio.size(), S = audio.dim(-1);
  int outside = 0;
#pragma omp simd reduction(| : outside)
  for (int64_t i = 0; i < n; ++i) outside |= !(std::abs(x[i]) <= std::numeric_limits<T>::max());
  for (int64_t i = 0; outside && i < n; ++i)
    if (!std::isfinite(x[i]))
      fail(ErrorCode::Data, "codec decoder: wav[" + std::to_string(i / S) + ", " + std::to_string(i % S) +
                                "]: expected a finite sample, got " + std::to_string(x[i]));
}

/** In `arena`; the scratch memory is given back. */
template <class T>
Tensor pack(const Context& ctx, const NormConv& c, bool transposed, Arena& arena) {
  const Tensor& v = c.v->value;
  const Tensor to = new_tensor(arena, v.dtype, {transposed ? v.size() : filters_size(v.dims[0], v.dims[1], v.dims[2])});
  ScratchScope scope(ctx.scratch);
  Tape tape(ctx, ctx.scratch, Tape::Mode::infer);
  const Tensor w = c.weight(tape)->value;
  if (transposed) std::memcpy(to.data, w.data, w.bytes());
  else pack_filters(ctx, w.dims[0], w.dims[1], w.dims[2], w.as<T>(), to.as<T>());
  return to;
}

}  // namespace

void require_finite(const Tensor& audio) {
  audio.dtype == DType::f32 ? require_finite_of<float>(audio) : require_finite_of<double>(audio);
}

Decoder::Decoder(Declarer declare, const CodecConfig& config) {
  int64_t C = config.decoder_channels;
  layers_.pre_conv = declare.conv("pre_conv.conv", {C, config.latent(), 7}, C);
  for (size_t i = 0; i < config.up_sample_rates.size(); ++i, C /= 2) {
    const int64_t rate = config.up_sample_rates[i];
    Stage& s = layers_.stages.emplace_back(Stage{rate, nullptr, {}, {}});
    s.alpha = declare.alpha("activations." + std::to_string(i), C);
    s.up = declare.conv("up_sample_conv_layers." + std::to_string(i) + ".conv", {C, 1, 2 * rate}, C / 2);
    s.res_layer = declare_res_layer(declare, config, "res_layers." + std::to_string(i), C / 2, true);
  }
  layers_.post_alpha = declare.alpha("post_activation", C);
  layers_.post_conv = declare.conv("post_conv.conv", {1, C, 3}, 1);
}

Var* Decoder::forward(Tape& tape, Var* x, const Tensor& frames) const {
  int64_t rate = 1;
  Var* lengths = scaled_lengths(tape, frames, rate);
  auto convolve = [&](const NormConv& c, Param* alpha, Var* in, Var* residual) {
    in = activate(tape, alpha, in, c.context());
    return tape.apply(conv1d, {in, c.weight(tape), tape.param(*c.bias), lengths, residual}, {{"dilation", double(c.dilation)}});
  };
  const NormConv& first = layers_.pre_conv;
  x = tape.apply(conv1d, {x, first.weight(tape), tape.param(*first.bias), lengths}, {{"pad_left", double(first.context())}});
  for (const Stage& s : layers_.stages) {
    rate *= s.rate;
    lengths = scaled_lengths(tape, frames, rate);
    x = condensed(tape, [&] {
      // The kernel spans two strides: half of what the last frame adds lies after the end.
      const double stride = double(s.rate), groups = double(s.up.bias->value.size());
      Var* y = tape.apply(conv_transpose1d, {activate(tape, s.alpha, x, 1), s.up.weight(tape), tape.param(*s.up.bias), lengths},
                          {{"stride", stride}, {"groups", groups}, {"trim_left", stride}, {"trim_right", stride}});
      return apply_res_layer(tape, s.res_layer, y, convolve);
    });
  }
  x = convolve(layers_.post_conv, layers_.post_alpha, x, nullptr);
  require_finite(x->value);
  x = tape.apply(clamp, {x}, {{"low", -1}, {"high", 1}});
  return tape.view(x, {x->value.dims[0], x->value.dims[2]});
}

const std::vector<Tensor>& Decoder::packed(const Context& ctx) const {
  const Param& any = *layers_.pre_conv.v;
  if (packed_.version == any.owner->version()) return packed_.weights;
  packed_.version.reset(), packed_.weights.clear(), packed_.arena.reset();
  each_conv([&](const NormConv& c, bool transposed) {
    packed_.weights.push_back(any.value.dtype == DType::f32 ? pack<float>(ctx, c, transposed, packed_.arena)
                                                            : pack<double>(ctx, c, transposed, packed_.arena));
  });
  packed_.version = any.owner->version();
  return packed_.weights;
}

}  // namespace a2s
