// What __name__ computes, in one line.
#pragma once
#include "core/op.h"

namespace a2s {

void __name___forward(Call& c);
void __name___backward(Call& c);

inline const Op __name__{
    .name = "__name__",
    .summary = "Scales each column of x.",
    .formula = "y[.,c] = x[.,c] * w[c]",
    .source = "the paper or specification that defines it",
    .inputs = {data("x", "... C", "rows"), param("w", "C", "scale of each column")},
    .outputs = {data("y", "... C", "scaled rows")},
    .forward = __name___forward,
    .backward = __name___backward,
};

}  // namespace a2s
