// Connectionist temporal classification, and its use as an alignment loss on attention scores.
//
// Both are the mean over the batch of each item's -log p(labels) divided by its number of labels (at least 1), like
// PyTorch's reduction "mean". An item has no alignment when it has fewer frames than labels plus adjacent equal labels:
// its loss is then 0 with zero_infinity, else +inf; in both cases it has no gradient.
#pragma once
#include "core/op.h"

namespace a2s {

void ctc_loss_check(const Call& c);
void ctc_loss_forward(Call& c);
void ctc_loss_backward(Call& c);
void forward_sum_loss_check(const Call& c);
void forward_sum_loss_forward(Call& c);
void forward_sum_loss_backward(Call& c);

inline const Op ctc_loss{
    .name = "ctc_loss",
    .summary = "Negative log-likelihood of label sequences under all their alignments to the frames.",
    .formula =
        "per_item[b] = -log sum_{alignments a of targets[b]} prod_t softmax(logits[b,t])[a_t];  "
        "loss = 1/B sum_b per_item[b] / max(1, target_lengths[b])",
    .source = "Graves et al.: Connectionist Temporal Classification, ICML 2006",
    .inputs = {data("logits", "B T V", "scores of the labels at each frame"),
               ints("targets", "B U", "labels, none of them blank"), ints("input_lengths", "B", "valid frames"),
               ints("target_lengths", "B", "valid labels")},
    .outputs = {data("loss", "1", "batch mean, nats a label"),
                data("per_item", "B", "nats, not divided by the length")},
    .saved = {fixed("lse", "B T", "log-sum-exp of each frame's logits")},
    .attrs = {integer("blank", 0, 0, 1 << 24, "the label that stands for nothing"),
              flag("zero_infinity", false, "items without an alignment count as 0")},
    .forward = ctc_loss_forward,
    .backward = ctc_loss_backward,
    .flops =
        [](const Call& c) {
          return c.in[0].dim(0) * c.in[0].dim(1) * (20.0 * c.in[0].dim(2) + 120.0 * c.in[1].dim(1));
        },
    .check = ctc_loss_check,
};

inline const Op forward_sum_loss{
    .name = "forward_sum_loss",
    .summary = "Alignment loss: attention scores as CTC logits of the text positions, which must be visited in order.",
    .formula =
        "CTC over softmax([blank_score, scores[b,t,0..n_b-1]]) with labels 1..n_b, zero_infinity;  n_b = text length: "
        "target_lengths[b], or the largest of targets[b]",
    .source = "Badlani et al.: One TTS Alignment To Rule Them All, arXiv 2108.10447",
    .inputs = {data("scores", "B T N", "attention scores before the softmax"),
               ints("input_lengths", "B", "valid frames"),
               ints("target_lengths", "B", "text positions; with targets: valid targets"),
               maybe(ints("targets", "B U",
                          "positions to visit, from 1, if not all (lead bytes only); the text ends with the largest"))},
    .outputs = {data("loss", "1", "batch mean, nats a label")},
    .saved = {fixed("lse", "B T", "log-sum-exp of each frame's scores and the blank")},
    .attrs = {real("blank_score", -1, -1e4, 1e4, "score of the blank at every frame")},
    .forward = forward_sum_loss_forward,
    .backward = forward_sum_loss_backward,
    .flops = [](const Call& c) { return 80.0 * c.in[0].size(); },
    .check = forward_sum_loss_check,
};

}  // namespace a2s
