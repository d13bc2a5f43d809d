// Convolutions over [B, C, T] and [B, C, H, W]: dense and grouped, strided, dilated, padded.
#pragma once
#include <algorithm>

#include "core/op.h"

namespace a2s {

enum class PadMode : int { zero, replicate, reflect };

void conv1d_axes(Axes& axes, const Call& c);
void conv1d_check(const Call& c);
void conv1d_forward(Call& c);
void conv1d_backward(Call& c);
double conv_flops(const Call& c);

inline const Attr pad_mode_attr = choice("pad_mode", {"zero", "replicate", "reflect"}, "what is added at the edges");

inline const Op conv1d{
    .name = "conv1d",
    .summary = "Correlates each channel group over time with O filters; frames from lengths[b] on are zero.",
    .formula = "y[b,o,t] = b[o] + sum_{c,j} w[o,c,j] x[b, g(o)*Cg + c, t*stride + j*dilation - pad_left] + residual[b,o,t],  t < "
               "lengths[b]",
    .source = "LeCun et al., Gradient-based learning applied to document recognition, 1998; PyTorch Conv1d",
    .inputs = {data("x", "B C T", "signal"), param("w", "O Cg k", "filters; Cg = C / groups"), maybe(param("b", "O", "bias")),
               maybe(ints("lengths", "B", "valid frames of y")), maybe(data("residual", "B O To", "added to y; absent: 0"))},
    .outputs = {data("y", "B O To", "To = floor((T + pads - dilation*(k-1) - 1) / stride) + 1")},
    .attrs = {integer("stride", 1, 1, 4096, "step between outputs"), integer("dilation", 1, 1, 4096, "step between taps"),
              integer("groups", 1, 1, 65536, "independent channel groups"),
              integer("pad_left", 0, 0, 1 << 20, "frames added before"),
              integer("pad_right", 0, 0, 1 << 20, "frames added after"), pad_mode_attr},
    .axes = conv1d_axes,
    .forward = conv1d_forward,
    .backward = conv1d_backward,
    .flops = conv_flops,
    .check = conv1d_check,
};

void conv2d_axes(Axes& axes, const Call& c);
void conv2d_check(const Call& c);
void conv2d_forward(Call& c);
void conv2d_backward(Call& c);

inline const Op conv2d{
    .name = "conv2d",
    .summary = "Correlates planes with O filters.",
    .formula =
        "y[b,o,p,q] = b[o] + sum_{c,i,j} w[o,c,i,j] x[b, c, p*stride_h + i*dilation_h - pad_h, q*stride_w + j*dilation_w - "
        "pad_w]",
    .source = "PyTorch Conv2d",
    .inputs = {data("x", "B C H W", "planes"), param("w", "O C kh kw", "filters"), maybe(param("b", "O", "bias"))},
    .outputs = {data("y", "B O Ho Wo", "Ho = floor((H + 2*pad_h - dilation_h*(kh-1) - 1) / stride_h) + 1, Wo likewise")},
    .attrs = {integer("stride_h", 1, 1, 4096, "step between output rows"),
              integer("stride_w", 1, 1, 4096, "step between output columns"),
              integer("pad_h", 0, 0, 65536, "rows added above and below"),
              integer("pad_w", 0, 0, 65536, "columns added left and right"),
              integer("dilation_h", 1, 1, 4096, "step between tap rows"),
              integer("dilation_w", 1, 1, 4096, "step between tap columns"), pad_mode_attr},
    .axes = conv2d_axes,
    .forward = conv2d_forward,
    .backward = conv2d_backward,
    .flops = conv_flops,
    .check = conv2d_check,
};

void conv_transpose1d_axes(Axes& axes, const Call& c);
void conv_transpose1d_check(const Call& c);
void conv_transpose1d_forward(Call& c);
void conv_transpose1d_backward(Call& c);

inline const Op conv_transpose1d{
    .name = "conv_transpose1d",
    .summary = "The adjoint of conv1d as a layer: each input frame adds a scaled filter at stride-spaced positions.",
    .formula =
        "y[b,o,u] = b[o] + sum over c in group(o) and j with t*stride + j = u + trim_left of w[c, o mod Og, j] x[b,c,t],  u < "
        "lengths[b]",
    .source = "PyTorch ConvTranspose1d; trims as in causal up-sampling (trim_right = k - stride)",
    .inputs = {data("x", "B C T", "signal"), param("w", "C Og k", "filters; Og = O / groups"), maybe(param("b", "O", "bias")),
               maybe(ints("lengths", "B", "valid frames of y"))},
    .outputs = {data("y", "B O To", "O = Og * groups, To = (T - 1)*stride + k - trims")},
    .attrs = {integer("stride", 1, 1, 4096, "step between input frames in y"),
              integer("groups", 1, 1, 65536, "independent channel groups"),
              integer("trim_left", 0, 0, 1 << 20, "frames dropped at the start"),
              integer("trim_right", 0, 0, 1 << 20, "frames dropped at the end")},
    .axes = conv_transpose1d_axes,
    .forward = conv_transpose1d_forward,
    .backward = conv_transpose1d_backward,
    .flops = [](const Call& c) { return 2.0 * c.in[0].size() * c.in[1].dims[1] * c.in[1].dims[2]; },
    .check = conv_transpose1d_check,
};

}  // namespace a2s
