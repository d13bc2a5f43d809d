// Building blocks of encoder and decoder: weight-normalised convolutions and residual layers over them.
#pragma once
#include <string>
#include <vector>

#include "codec/config.h"
#include "core/tape.h"
#include "ops/elementwise/elementwise.h"

namespace a2s {

/** Whether a pass through a model asks for the gradients of its parameters. */
enum class Learning { off, on };

inline Var* parameter(Tape& tape, Param& p, Learning learning) {
  return learning == Learning::on ? tape.param(p) : tape.constant(p.value);
}

/** A convolution whose weight is g v / |v|, rows of v along its first axis: output channels, of a transposed convolution
 *  input channels. Published as <stem>.parametrizations.weight.original0 (g), .original1 (v) and <stem>.bias. */
struct NormConv {
  Param *g = nullptr, *v = nullptr, *bias = nullptr;
  int64_t dilation = 1;
  int64_t index = 0;  // among the convolutions of its declarer

  int64_t kernel() const { return v->value.dim(-1); }
  /** Inputs before the first output's own that it sees, where the convolution is causal. */
  int64_t context() const { return (kernel() - 1) * dilation; }
  /** The weight, in v's shape. */
  Var* weight(Tape& tape, Learning learning = Learning::on) const;
};

/** Declares the parameters of an encoder, a decoder or a discriminator under one prefix. */
class Declarer {
 public:
  Declarer(Params& params, std::string prefix) : params_(params), prefix_(std::move(prefix)) {}
  NormConv conv(const std::string& stem, std::initializer_list<int64_t> v_shape, int64_t outputs, int64_t dilation = 1);
  /** Frequencies of a half snake over C channels: [1, C/2, 1], ones. */
  Param* alpha(const std::string& stem, int64_t C);
  int64_t convs() const { return convs_; }

 private:
  Params& params_;
  std::string prefix_;
  int64_t convs_ = 0;
};

/** x + skip_conv(activation(input_conv(activation(x)))) */
struct ResBlock {
  NormConv input_conv, skip_conv;
  Param *input_alpha = nullptr, *skip_alpha = nullptr;
};

/** Mean over chains (one a kernel) of residual blocks (one a dilation). */
struct ResLayer {
  std::vector<std::vector<ResBlock>> chains;
};

ResLayer declare_res_layer(Declarer& declare, const CodecConfig& config, const std::string& stem, int64_t C, bool snake);

constexpr double kLeakySlope = 0.01;  // of the codec's leaky halves below 0

/** half_snake with these frequencies, after so many zeros; leaky ReLU without frequencies, and without zeros. */
Var* activate(Tape& tape, Param* alpha, Var* x, int64_t pad_left = 0);

/** What f() returns. In infer mode everything else that f takes from the tape's arena is given back. */
template <class F>
Var* condensed(Tape& tape, F&& f) {
  if (tape.training()) return f();
  const Arena::Mark mark = tape.arena().mark();
  const Tensor result = f()->value;
  tape.arena().release(mark);
  const Tensor kept = new_tensor(tape.arena(), result.dtype, result.shape());
  std::memmove(kept.data, result.data, result.bytes());
  return tape.constant(kept);
}

/** `conv(layer, alpha, x, residual)` convolves activations of x with the padding and the mask of the model, and adds the residual. */
template <class Conv>
Var* apply_res_layer(Tape& tape, const ResLayer& layer, Var* x, Conv&& conv) {
  Var* sum = nullptr;
  for (const auto& chain : layer.chains) {
    Var* y = x;
    for (const ResBlock& block : chain)
      y = condensed(tape, [&] {
        Var* h = conv(block.input_conv, block.input_alpha, y, nullptr);
        return conv(block.skip_conv, block.skip_alpha, h, y);
      });
    sum = sum ? tape.apply(add, {sum, y}) : y;
  }
  if (layer.chains.size() == 1) return sum;
  return tape.apply(scale, {sum}, {{"factor", 1.0 / static_cast<double>(layer.chains.size())}});
}

/** `frames[b] * factor` as an input of ops; null without frames. */
Var* scaled_lengths(Tape& tape, const Tensor& frames, int64_t factor);

}  // namespace a2s
