// The activations of the codec.
#pragma once
#include "core/op.h"

namespace a2s {

/** y of the first A channels: a snake; of the others: leaky. */
template <class T>
struct HalfSnake {
  const T* alpha;  // [A]
  int64_t A;
  T slope;
  /** y[0, n) of x[0, n), which are of one channel; y may be x. */
  void line(int64_t channel, const T* x, T* y, int64_t n) const;
};

void half_snake_axes(Axes& axes, const Call& c);
void half_snake_forward(Call& c);
void half_snake_backward(Call& c);
void leaky_relu_forward(Call& c);
void leaky_relu_backward(Call& c);

inline const Op half_snake{
    .name = "half_snake",
    .summary = "Snake with a learned frequency on the first half of the channels, leaky ReLU on the rest.",
    .formula =
        "y[b,c,t + pad_left] = x + sin^2(alpha[c] x) / (alpha[c] + 1e-9) for c < A = floor(C/2), else x > 0 ? x : slope x;  "
        "y[b,c,t] = 0 for t < pad_left",
    .source = "Ziyin, Hartwig, Ueda: Neural Networks Fail to Learn Periodic Functions, arXiv 2006.08195; halves as in NanoCodec",
    .inputs = {data("x", "B C T", "signal"), param("alpha", "A", "frequencies of the first A channels")},
    .outputs = {data("y", "B C To", "activations; To = pad_left + T")},
    .attrs = {real("slope", 0.01, 0, 1, "of the leaky half below 0"),
              integer("pad_left", 0, 0, 1 << 20, "zeros before, for a causal convolution to read")},
    .axes = half_snake_axes,
    .forward = half_snake_forward,
    .backward = half_snake_backward,
    .flops = [](const Call& c) { return 10.0 * c.in[0].size(); },
};

inline const Op leaky_relu{
    .name = "leaky_relu",
    .summary = "Identity above 0, a slope below.",
    .formula = "y = x > 0 ? x : slope x",
    .source = "Maas, Hannun, Ng: Rectifier Nonlinearities Improve Neural Network Acoustic Models, 2013",
    .inputs = {data("x", "... C", "values")},
    .outputs = {data("y", "... C", "activations")},
    .attrs = {real("slope", 0.01, 0, 1, "below 0")},
    .forward = leaky_relu_forward,
    .backward = leaky_relu_backward,
};

}  // namespace a2s
