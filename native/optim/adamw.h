// AdamW in one pass over memory.
#pragma once
#include "core/op.h"

namespace a2s {

void adamw_forward(Call& c);

inline const Op adamw{
    .name = "adamw",
    .summary = "One AdamW step; the outputs may be the inputs' own memory, with the same bits.",
    .formula =
        "g = grad_scale grads;  m = beta1 exp_avg + (1 - beta1) g;  v = beta2 exp_avg_sq + (1 - beta2) g^2;  "
        "new_params = params (1 - lr weight_decay) - lr m / (1 - beta1^step) / (sqrt(v / (1 - beta2^step)) + eps)",
    .source =
        "Loshchilov, Hutter: Decoupled Weight Decay Regularization, arXiv 1711.05101; the order of PyTorch's AdamW",
    .inputs = {fixed("params", "N", "weights"), fixed("grads", "N", "their gradients"),
               fixed("exp_avg", "N", "mean of the gradients, 0 before the first step"),
               fixed("exp_avg_sq", "N", "mean of their squares, 0 before the first step")},
    .outputs = {fixed("new_params", "N", "weights after the step"), fixed("new_exp_avg", "N", "m"),
                fixed("new_exp_avg_sq", "N", "v")},
    .attrs = {real("lr", 1e-3, 0, 1e3, "step size"), real("beta1", 0.9, 0, 0.9999999, "decay of exp_avg"),
              real("beta2", 0.999, 0, 0.9999999, "decay of exp_avg_sq"),
              real("eps", 1e-8, 0, 1, "added to the root of v"),
              real("weight_decay", 0.01, 0, 1e3, "share of the weights removed a step, times lr"),
              integer("step", 1, 1, 9007199254740991, "number of this step, from 1"),
              real("grad_scale", 1, 0, 1e30, "multiplies the gradients (clipping, averaging)")},
    .forward = adamw_forward,
    .flops = [](const Call& c) { return 14.0 * c.in[0].size(); },
};

}  // namespace a2s
