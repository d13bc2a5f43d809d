// Embeddings that tell classes apart by angle: unit vectors, and the softmax loss on their cosines with the classes.
//
//   unit = l2_normalize(embeddings);  cosines = linear(unit, l2_normalize(classes));  loss = margin_softmax(cosines, labels)
#pragma once
#include "core/op.h"

namespace a2s {

void l2_normalize_forward(Call& c);
void l2_normalize_backward(Call& c);
void margin_softmax_forward(Call& c);
void margin_softmax_backward(Call& c);

inline const Op l2_normalize{
    .name = "l2_normalize",
    .summary = "Scales each row to length 1.",
    .formula = "y[.,c] = x[.,c] / max(|x[.]|, eps)",
    .source = "PyTorch normalize",
    .inputs = {data("x", "... C", "rows")},
    .outputs = {data("y", "... C", "rows of length 1")},
    .saved = {fixed("inverse", "...", "1 / max(|x|, eps)")},
    .attrs = {real("eps", 1e-12, 1e-30, 1, "least length to divide by")},
    .forward = l2_normalize_forward,
    .backward = l2_normalize_backward,
    .flops = [](const Call& c) { return 3.0 * c.in[0].size(); },
};

inline const Op margin_softmax{
    .name = "margin_softmax",
    .summary = "Cross-entropy of scaled cosines, where the cosine with the right class has to win by a margin.",
    .formula = "z[b,n] = scale (cosines[b,n] - margin [n = labels[b]]);  loss = -1/B sum_b log softmax(z[b])[labels[b]]",
    .source = "Wang, Cheng, Liu, Liu: Additive Margin Softmax for Face Verification, arXiv 1801.05599",
    .inputs = {data("cosines", "B N", "of each item with each class"), ints("labels", "B", "the right classes")},
    .outputs = {data("loss", "1", "batch mean, nats")},
    .saved = {fixed("probs", "B N", "softmax(z)")},
    .attrs = {real("scale", 16, 1e-6, 1e4, "inverse temperature"), real("margin", 0.15, 0, 2, "what the right cosine is lowered by")},
    .forward = margin_softmax_forward,
    .backward = margin_softmax_backward,
    .flops = [](const Call& c) { return 20.0 * c.in[0].size(); },
    .check = [](const Call& c) { check_ints(c, 1, 0, c.in[0].dim(1) - 1); },
};

}  // namespace a2s
