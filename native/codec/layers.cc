#include "codec/layers.h"

#include <cmath>

#include "ops/snake/snake.h"
#include "ops/weight_norm/weight_norm.h"

namespace a2s {

Var* NormConv::weight(Tape& tape, Learning learning) const {
  const Tensor& t = v->value;
  Var* directions = tape.view(parameter(tape, *v, learning), {t.dims[0], t.size() / t.dims[0]});
  Var* w = tape.apply(weight_norm, {directions, tape.view(parameter(tape, *g, learning), {t.dims[0]})});
  return t.rank == 3 ? tape.view(w, {t.dims[0], t.dims[1], t.dims[2]})
                     : tape.view(w, {t.dims[0], t.dims[1], t.dims[2], t.dims[3]});
}

NormConv Declarer::conv(const std::string& stem, std::initializer_list<int64_t> v_shape, int64_t outputs, int64_t dilation) {
  const int64_t* shape = v_shape.begin();
  int64_t row = 1;
  for (size_t i = 1; i < v_shape.size(); ++i) row *= shape[i];
  // Variance 1 / (3 row), and lengths that leave such a v as it is, on average.
  const double deviation = 1 / std::sqrt(3.0 * static_cast<double>(row));
  const std::string name = prefix_ + stem, weight = name + ".parametrizations.weight.original";
  NormConv c;
  c.dilation = dilation, c.index = convs_++;
  c.bias = &params_.add(name + ".bias", {outputs}, deviation);
  c.g = v_shape.size() == 3 ? &params_.add(weight + "0", {shape[0], 1, 1}, 0, 1 / std::sqrt(3.0))
                            : &params_.add(weight + "0", {shape[0], 1, 1, 1}, 0, 1 / std::sqrt(3.0));
  c.v = &params_.add(weight + "1", v_shape, deviation);
  return c;
}

Param* Declarer::alpha(const std::string& stem, int64_t C) {
  return &params_.add(prefix_ + stem + ".activation.snake_act.alpha", {1, C / 2, 1}, 0, 1);
}

ResLayer declare_res_layer(Declarer& declare, const CodecConfig& config, const std::string& stem, int64_t C, bool snake) {
  ResLayer layer;
  for (size_t j = 0; j < config.res_kernels.size(); ++j) {
    auto& chain = layer.chains.emplace_back();
    for (size_t m = 0; m < config.res_dilations.size(); ++m) {
      const std::string block = stem + ".res_blocks." + std::to_string(j) + ".res_blocks." + std::to_string(m);
      const int64_t k = config.res_kernels[j];
      ResBlock& b = chain.emplace_back();
      b.input_conv = declare.conv(block + ".input_conv.conv", {C, C, k}, C, config.res_dilations[m]);
      b.skip_conv = declare.conv(block + ".skip_conv.conv", {C, C, k}, C);
      if (snake)
        b.input_alpha = declare.alpha(block + ".input_activation", C),
        b.skip_alpha = declare.alpha(block + ".skip_activation", C);
    }
  }
  return layer;
}

Var* activate(Tape& tape, Param* alpha, Var* x, int64_t pad_left) {
  if (!alpha) return tape.apply(leaky_relu, {x}, {{"slope", kLeakySlope}});
  return tape.apply(half_snake, {x, tape.view(tape.param(*alpha), {alpha->value.size()})}, {{"slope", kLeakySlope}, {"pad_left", double(pad_left)}});
}

Var* scaled_lengths(Tape& tape, const Tensor& frames, int64_t factor) {
  if (!frames) return nullptr;
  Tensor t = tape.alloc(DType::i32, {frames.size()});
  for (int64_t b = 0; b < t.size(); ++b) t.as<int32_t>()[b] = static_cast<int32_t>(frames.as<int32_t>()[b] * factor);
  return tape.constant(t);
}

}  // namespace a2s
