// Mean and deviation over time: a sequence of any length as one vector.
#pragma once
#include "core/op.h"

namespace a2s {

void stats_pool_forward(Call& c);
void stats_pool_backward(Call& c);

inline const Op stats_pool{
    .name = "stats_pool",
    .summary = "Mean and standard deviation of each channel over the valid frames of an item.",
    .formula = "y[b,c] = 1/n sum_{t < n} x[b,t,c];  y[b,C+c] = sqrt(1/n sum_{t < n} (x[b,t,c] - y[b,c])^2 + eps);  n = lengths[b]",
    .source = "Snyder et al.: Deep Neural Network Embeddings for Text-Independent Speaker Verification, Interspeech 2017",
    .inputs = {data("x", "B T C", "frames"), ints("lengths", "B", "valid frames of each item, at least 1")},
    .outputs = {data("y", "B 2*C", "means, then deviations")},
    .attrs = {real("eps", 1e-5, 0, 1, "added to the variance")},
    .forward = stats_pool_forward,
    .backward = stats_pool_backward,
    .flops = [](const Call& c) { return 4.0 * c.in[0].size(); },
    .check = [](const Call& c) { check_ints(c, 1, 1, c.in[0].dim(1)); },
};

}  // namespace a2s
