// Losses on pairs of samples, one preferred to the other.
#pragma once
#include "core/op.h"

namespace a2s {

void preference_loss_check(const Call& c);
void preference_loss_forward(Call& c);
void preference_loss_backward(Call& c);

inline const Op preference_loss{
    .name = "preference_loss",
    .summary = "Direct preference optimisation and its relatives, on log-probabilities of whole samples.",
    .formula =
        "h = (chosen - rejected) - (ref_chosen - ref_rejected), mean over pairs of  dpo: -(1-e) log s(beta h) - e log "
        "s(-beta h);  ipo: (h - 1/(2 beta))^2;  rpo: KL(Bern(s(eta gap)) || Bern(s(beta h)));  rpo_sq: (beta h - eta "
        "gap)^2;  each - sft_weight chosen;  s = sigmoid, e = label_smoothing",
    .source =
        "Rafailov et al. (dpo), arXiv 2305.18290; Azar et al. (ipo), arXiv 2310.12036; Adler et al.: Nemotron-4 340B "
        "(rpo), arXiv 2406.11704",
    .inputs = {data("chosen", "P", "log-probability of each preferred sample, summed over its tokens"),
               data("rejected", "P", "the same of the other sample"),
               fixed("ref_chosen", "P", "under the reference model"),
               fixed("ref_rejected", "P", "under the reference model"),
               maybe(fixed("reward_gap", "P",
                           "reward of the preferred minus that of the other sample, for rpo and rpo_sq"))},
    .outputs = {data("loss", "1", "mean over pairs; 0 without pairs"), fixed("margins", "P", "beta h")},
    .attrs = {choice("kind", {"dpo", "ipo", "rpo", "rpo_sq"}, "the loss"),
              real("beta", 0.01, 1e-9, 1e6, "strength of the pull towards the reference"),
              real("eta", 1, 0, 1e6, "rpo, rpo_sq: scale of the reward gap"),
              real("label_smoothing", 0, 0, 0.5, "dpo: probability that a preference is the wrong way round"),
              real("sft_weight", 0, 0, 1e6, "weight of -chosen, which keeps the preferred sample likely")},
    .forward = preference_loss_forward,
    .backward = preference_loss_backward,
    .flops = [](const Call& c) { return 60.0 * c.in[0].size(); },
    .check = preference_loss_check,
};

}  // namespace a2s
