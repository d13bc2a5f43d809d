// The time-domain loss of a codec.
#pragma once
#include "core/op.h"

namespace a2s {

void squared_error_forward(Call& c);
void squared_error_backward(Call& c);

inline const Op squared_error{
    .name = "squared_error",
    .summary = "Mean squared difference of two ragged batches of waveforms, every valid sample weighted alike.",
    .formula = "loss = sum_b sum_{s < len[b]} (a[b,s] - b[b,s])^2 / max(sum_b len[b], 1)",
    .source = "elementary",
    .inputs = {data("a", "B S", "predicted"), data("b", "B S", "target"),
               maybe(ints("lengths", "B", "samples of each item"))},
    .outputs = {data("loss", "1", "loss")},
    .forward = squared_error_forward,
    .backward = squared_error_backward,
    .flops = [](const Call& c) { return 3.0 * c.in[0].size(); },
    .check = [](const Call& c) { check_ints(c, 2, 0, c.in[0].dim(-1)); },
};

}  // namespace a2s
