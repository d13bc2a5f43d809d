// Weights as a length and a direction.
#pragma once
#include "core/op.h"

namespace a2s {

void weight_norm_forward(Call& c);
void weight_norm_backward(Call& c);

inline const Op weight_norm{
    .name = "weight_norm",
    .summary = "Scales each row of v to length g. Rows are output channels, in transposed convolutions input channels.",
    .formula = "w[a,:] = g[a] v[a,:] / |v[a,:]|",
    .source = "Salimans, Kingma: Weight Normalization, arXiv 1602.07868",
    .inputs = {param("v", "A R", "directions"), param("g", "A", "lengths")},
    .outputs = {data("w", "A R", "weights")},
    .saved = {fixed("inverse", "A", "1 / |v|")},
    .forward = weight_norm_forward,
    .backward = weight_norm_backward,
    .flops = [](const Call& c) { return 3.0 * c.in[0].size(); },
};

}  // namespace a2s
