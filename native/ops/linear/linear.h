// Linear layers over the last axis, with bias and GELU fused: position by position, or over a window of time.
#pragma once
#include "core/op.h"

namespace a2s {

enum class Activation : int { none, gelu };

void linear_axes(Axes& axes, const Call& c);
void linear_forward(Call& c);
void linear_backward(Call& c);

inline const Op linear{
    .name = "linear",
    .summary = "Multiplies each row by a weight matrix, adds a bias, applies GELU when asked.",
    .formula = "y[.,o] = act(b[o] + sum_c w[o,c] x[.,c])",
    .source = "PyTorch Linear; Hendrycks, Gimpel: Gaussian Error Linear Units, arXiv 1606.08415 (tanh form)",
    .inputs = {data("x", "... C", "rows"), param("w", "O C", "weight"), maybe(param("b", "O", "bias"))},
    .outputs = {data("y", "... O", "rows")},
    .saved = {maybe(fixed("pre", "... P", "y before GELU; P = O with GELU, else 0"))},
    .attrs = {choice("act", {"none", "gelu"}, "activation")},
    .axes = linear_axes,
    .forward = linear_forward,
    .backward = linear_backward,
    .flops = [](const Call& c) { return 2.0 * c.in[0].size() * c.in[1].dim(0); },
};

void conv1d_btc_axes(Axes& axes, const Call& c);
void conv1d_btc_forward(Call& c);
void conv1d_btc_backward(Call& c);

inline const Op conv1d_btc{
    .name = "conv1d_btc",
    .summary = "A linear layer over k frames of time, as long as its input: zeros before the start and after the end.",
    .formula = "y[b,t,o] = act(b[o] + sum_{c,j} w[o,c,j] x[b, t + j*dilation - left, c]),  left = (k-1)*dilation, halved unless causal",
    .source = "Waibel et al., Phoneme recognition using time-delay neural networks, 1989; PyTorch Conv1d",
    .inputs = {data("x", "B T C", "frames"), param("w", "O C k", "filters"), maybe(param("b", "O", "bias"))},
    .outputs = {data("y", "B T O", "frames")},
    .saved = {maybe(fixed("pre", "B T P", "y before GELU; P = O with GELU, else 0"))},
    .attrs = {flag("causal", false, "a frame sees no later one"), integer("dilation", 1, 1, 4096, "step between taps in frames"),
              choice("act", {"none", "gelu"}, "activation")},
    .axes = conv1d_btc_axes,
    .forward = conv1d_btc_forward,
    .backward = conv1d_btc_backward,
    .flops = [](const Call& c) { return 2.0 * c.in[0].size() * c.in[1].dim(0) * c.in[1].dim(2); },
};

}  // namespace a2s
