// Ops that touch each element once.
#pragma once
#include "core/op.h"

namespace a2s {

void add_forward(Call& c);
void add_backward(Call& c);
void scale_forward(Call& c);
void scale_backward(Call& c);
void gelu_forward(Call& c);
void gelu_backward(Call& c);
void tanh_forward(Call& c);
void tanh_backward(Call& c);
void clamp_check(const Call& c);
void clamp_forward(Call& c);
void clamp_backward(Call& c);
void dropout_forward(Call& c);
void dropout_backward(Call& c);
void mask_rows_check(const Call& c);
void mask_rows_forward(Call& c);
void mask_rows_backward(Call& c);
void mask_time_check(const Call& c);
void mask_time_forward(Call& c);
void mask_time_backward(Call& c);
void transpose_forward(Call& c);
void transpose_backward(Call& c);

inline const Op add{
    .name = "add",
    .summary = "Sum of two tensors of one shape.",
    .formula = "y = a + b",
    .source = "definition",
    .inputs = {data("a", "... C", "first term"), data("b", "... C", "second term")},
    .outputs = {data("y", "... C", "sum")},
    .forward = add_forward,
    .backward = add_backward,
    .sum = true,
};

inline const Op scale{
    .name = "scale",
    .summary = "Multiplies by a constant.",
    .formula = "y = factor x",
    .source = "definition",
    .inputs = {data("x", "... C", "values")},
    .outputs = {data("y", "... C", "scaled values")},
    .attrs = {real("factor", 1, -1e30, 1e30, "the constant")},
    .forward = scale_forward,
    .backward = scale_backward,
};

inline const Op gelu{
    .name = "gelu",
    .summary = "Gaussian error linear unit, tanh form.",
    .formula = "y = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))",
    .source = "Hendrycks, Gimpel: Gaussian Error Linear Units, arXiv 1606.08415",
    .inputs = {data("x", "... C", "values")},
    .outputs = {data("y", "... C", "activations")},
    .forward = gelu_forward,
    .backward = gelu_backward,
    .flops = [](const Call& c) { return 20.0 * c.in[0].size(); },
};

inline const Op tanh{
    .name = "tanh",
    .summary = "Hyperbolic tangent.",
    .formula = "y = tanh(x),  dx = (1 - y^2) dy",
    .source = "definition",
    .inputs = {data("x", "... C", "values")},
    .outputs = {data("y", "... C", "values in [-1, 1]")},
    .forward = tanh_forward,
    .backward = tanh_backward,
    .flops = [](const Call& c) { return 15.0 * c.in[0].size(); },
};

inline const Op clamp{
    .name = "clamp",
    .summary = "Limits values to a range; NaN stays NaN.",
    .formula = "y = min(max(x, low), high),  dx = low <= x <= high ? dy : 0",
    .source = "definition",
    .inputs = {data("x", "... C", "values")},
    .outputs = {data("y", "... C", "values in [low, high]")},
    .attrs = {real("low", -1, -1e30, 1e30, "least value"), real("high", 1, -1e30, 1e30, "greatest value")},
    .forward = clamp_forward,
    .backward = clamp_backward,
    .check = clamp_check,
};

inline const Op dropout{
    .name = "dropout",
    .summary = "Zeroes each element with probability p and scales the others by 1 / (1 - p); p = 0 is the identity.",
    .formula = "y[b,t,c] = keep(b, t C + c) x[b,t,c] / (1 - p), keep as in dropout_mask.h",
    .source = "Srivastava et al.: Dropout, JMLR 15, 2014",
    .inputs = {data("x", "B T C", "values")},
    .outputs = {data("y", "B T C", "kept values")},
    .attrs = {real("p", 0, 0, 0.999, "probability of dropping an element"),
              integer("seed", 0, 0, 9007199254740991.0, "seed of the mask"),
              integer("layer", 0, 0, 1 << 20, "keeps the masks of one seed's layers apart")},
    .forward = dropout_forward,
    .backward = dropout_backward,
};

inline const Op mask_rows{
    .name = "mask_rows",
    .summary = "Zeroes the rows of each item beyond its length.",
    .formula = "y[b,t] = t < lengths[b] ? x[b,t] : 0",
    .source = "definition",
    .inputs = {data("x", "B T C", "rows"), ints("lengths", "B", "valid rows of each item")},
    .outputs = {data("y", "B T C", "masked rows")},
    .forward = mask_rows_forward,
    .backward = mask_rows_backward,
    .check = mask_rows_check,
};

inline const Op mask_time{
    .name = "mask_time",
    .summary = "Zeroes the frames of each item beyond its length, time on the last axis.",
    .formula = "y[b,c,t] = t < lengths[b] ? x[b,c,t] : 0",
    .source = "definition",
    .inputs = {data("x", "B C T", "channels"), ints("lengths", "B", "valid frames of each item")},
    .outputs = {data("y", "B C T", "masked channels")},
    .forward = mask_time_forward,
    .backward = mask_time_backward,
    .check = mask_time_check,
};

inline const Op transpose{
    .name = "transpose",
    .summary = "Swaps the last two axes: channels and time.",
    .formula = "y[b,t,c] = x[b,c,t]",
    .source = "definition",
    .inputs = {data("x", "B C T", "channels first")},
    .outputs = {data("y", "B T C", "time first")},
    .forward = transpose_forward,
    .backward = transpose_backward,
};

}  // namespace a2s
