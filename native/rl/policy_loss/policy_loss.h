// The policy-gradient loss of group-relative preference optimisation.
//
// Sample b keeps the frames with M[b,t] = t < lengths[b] and mask[b,t] != 0, n_b of them, each with the advantage
// A_bt = advantages[b] + frame_advantages[b,t]. Its tokens (b,k,t), one a codebook k at each kept frame, have
//
//   r    = exp(logprobs - old_logprobs); without old_logprobs 1, with the gradient of exp(lp - stopgrad(lp));
//          gspo: exp(mean over the sample's tokens of (logprobs - old_logprobs)), one ratio for all of them
//   l    = -min(r A_bt, clip(r, 1 - clip_low, 1 + clip_high) A_bt) + kl_weight kl - entropy_weight entropy
//   kl   = k1: lp - ref;  k2: (lp - ref)^2 / 2;  k3: e^(ref - lp) - (ref - lp) - 1;  exact: the kl input
//
// and the loss is sum_b w_b sum_{k,t} l, with
//
//   grpo, gspo   w_b = 1 / (K B n_b)          mean over each sample's tokens, then over samples
//   dr_grpo      w_b = 1 / (K B max_frames)   a constant divisor: no preference for short samples
//   dapo         w_b = 1 / (K sum_b n_b)      mean over the batch's tokens
//
// A sample without kept frames gives 0. So does a frame whose advantage is exactly 0, as all are of groups that say
// nothing: no policy, KL or entropy gradient, though B, n_b and sum n_b still count it. A token outside the
// truncated support (log-probability -inf) has r = 0 against old_logprobs, and no KL.
#pragma once
#include "core/op.h"

namespace a2s {

void policy_loss_check(const Call& c);
void policy_loss_forward(Call& c);
void policy_loss_backward(Call& c);

inline const Op policy_loss{
    .name = "policy_loss",
    .summary =
        "Clipped policy-gradient loss of codec tokens, with KL and entropy terms and the figures worth watching.",
    .formula =
        "loss = sum_b w_b sum_{k,t} M[b,t] (-min(r A_bt, clip(r, 1 - clip_low, 1 + clip_high) A_bt) + kl_weight kl - "
        "entropy_weight entropy);  A, r, kl and w in rl/policy_loss/policy_loss.h",
    .source =
        "Schulman et al.: PPO, arXiv 1707.06347; Shao et al.: DeepSeekMath (grpo), arXiv 2402.03300; Liu et al. "
        "(dr_grpo), arXiv 2503.20783; Yu et al. (dapo), arXiv 2503.14476; Zheng et al. (gspo), arXiv 2507.18071; "
        "Schulman: Approximating KL Divergence, 2020 (k1, k2, k3)",
    .inputs = {data("logprobs", "B K T", "of the sampled tokens under the policy, nats"),
               fixed("advantages", "B", "one a sample"),
               ints("lengths", "B", "valid frames"),
               maybe(fixed("old_logprobs", "B K T", "under the policy that sampled; absent: it is the policy itself")),
               maybe(fixed("ref_logprobs", "B K T", "under the reference, for kl k1, k2, k3")),
               maybe(data("entropy", "B K T", "of the policy at each token, nats")),
               maybe(data("kl", "B K T", "exact KL to the reference at each token, for kl exact")),
               maybe(
                   ints("mask", "B T", "0 = the frame does not count (an end that was forced on a truncated sample)")),
               maybe(fixed("frame_advantages", "B T", "added to the sample's at each frame; not for gspo"))},
    .outputs = {data("loss", "1", "to be minimised"),
                fixed("stats", "8",
                      "over kept tokens: [0] mean r; [1] max |logprobs - old_logprobs|; fraction whose gradient "
                      "the clip removed [2] below, [3] above; [4] mean kl; [5] mean entropy; [6] number of "
                      "tokens; [7] tokens outside the support, which 0 and 1 leave out")},
    .attrs = {choice("kind", {"grpo", "dr_grpo", "dapo", "gspo"},
                     "how tokens are averaged, and whose ratio is clipped"),
              real("clip_low", 0, 0, 1, "ratios below 1 - clip_low are clipped; 0 = never"),
              real("clip_high", 0, 0, 1e6, "ratios above 1 + clip_high are clipped; 0 = never"),
              choice("kl", {"none", "k1", "k2", "k3", "exact"}, "estimator of KL(policy || reference)"),
              real("kl_weight", 0, 0, 1e6, "weight of the KL in the loss; 0 = it is only measured"),
              real("entropy_weight", 0, 0, 1e6, "weight of the entropy bonus"),
              integer("max_frames", 0, 0, 1 << 24, "dr_grpo: the divisor, usually the generation limit")},
    .forward = policy_loss_forward,
    .backward = policy_loss_backward,
    .flops = [](const Call& c) { return 40.0 * c.in[0].size(); },
    .check = policy_loss_check,
};

}  // namespace a2s
