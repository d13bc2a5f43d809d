// What a rollout is worth beside the other rollouts of its prompt.
#pragma once
#include "core/op.h"

namespace a2s {

void group_advantages_check(const Call& c);
void group_advantages_forward(Call& c);

inline const Op group_advantages{
    .name = "group_advantages",
    .summary =
        "Rewards minus their group's mean, on request divided by the group's deviation; marks groups that say nothing.",
    .formula =
        "A[p,g] = (r[p,g] - mean_p) / s_p,  s_p = 1 (none) or max(std_p, std_floor) (std);  mean and population std "
        "over the kept samples;  std_p <= min_std: valid[p] = 0 and A[p,.] = 0",
    .source =
        "Shao et al.: DeepSeekMath, arXiv 2402.03300 (std); Liu et al.: Understanding R1-Zero-Like Training, arXiv "
        "2503.20783 (none)",
    .inputs = {fixed("rewards", "P G", "one group of rollouts a prompt"),
               maybe(ints("mask", "P G", "0 = left out of the group: advantage 0"))},
    .outputs = {fixed("advantages", "P G", "sum to 0 over the kept samples of a group"),
                ints("valid", "P", "0 = the rewards do not differ by more than min_std, or fewer than two are kept")},
    .attrs = {choice("scale", {"none", "std"}, "what the centred rewards are divided by"),
              real("std_floor", 0.05, 1e-12, 1e12,
                   "least divisor, so that rounding noise never becomes an advantage of 1"),
              real("min_std", 0, 0, 1e12, "groups with this deviation or less are invalid")},
    .forward = group_advantages_forward,
    .flops = [](const Call& c) { return 6.0 * c.in[0].size(); },
    .check = group_advantages_check,
};

}  // namespace a2s
