// Layer normalisation without bias.
#pragma once
#include "core/op.h"

namespace a2s {

void layer_norm_forward(Call& c);
void layer_norm_backward(Call& c);

inline const Op layer_norm{
    .name = "layer_norm",
    .summary = "Normalises each row to mean 0 and variance 1 over the last axis, then scales it; no bias.",
    .formula = "y[.,c] = (x[.,c] - mean[.]) * rstd[.] * w[c],  rstd = 1 / sqrt(var + eps)",
    .source = "Ba, Kiros, Hinton: Layer Normalization, arXiv 1607.06450",
    .inputs = {data("x", "... C", "rows to normalise"), param("w", "C", "scale")},
    .outputs = {data("y", "... C", "normalised rows")},
    .saved = {fixed("mean", "...", "row means"), fixed("rstd", "...", "1 / row deviations")},
    .attrs = {real("eps", 1e-5, 0, 1, "added to the variance")},
    .forward = layer_norm_forward,
    .backward = layer_norm_backward,
    .adds = true,
    .flops = [](const Call& c) { return 8.0 * c.in[0].size(); },
};

}  // namespace a2s
