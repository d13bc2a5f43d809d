// The length of a gradient, and whether it is one.
#pragma once
#include "core/op.h"

namespace a2s {

void grad_norm_forward(Call& c);

/** Sum of squares in f64, and how many elements are NaN or infinite. */
struct SquareSum {
  double sum = 0;
  int64_t nonfinite = 0;
};
/** Of a flat f32 or f64 tensor, in an order that does not depend on the number of threads. */
SquareSum square_sum(Context ctx, const Tensor& x);

inline const Op grad_norm{
    .name = "grad_norm",
    .summary = "Euclidean norm of a flat gradient, and the number of elements that are NaN or infinite.",
    .formula = "norm = sqrt(sum_i grads[i]^2), summed in f64;  not finite when an element is not",
    .source = "definition",
    .inputs = {fixed("grads", "N", "gradient")},
    .outputs = {fixed("norm", "1", "its length"), ints("nonfinite", "1", "elements that are NaN or infinite")},
    .forward = grad_norm_forward,
    .flops = [](const Call& c) { return 2.0 * c.in[0].size(); },
};

}  // namespace a2s
