// Where in the text each frame is expected to look, before anything has been learnt.
#pragma once
#include "core/op.h"

namespace a2s {

void beta_binomial_prior_axes(Axes& axes, const Call& c);
void beta_binomial_prior_check(const Call& c);
void beta_binomial_prior_forward(Call& c);

inline const Op beta_binomial_prior{
    .name = "beta_binomial_prior",
    .summary =
        "Beta-binomial distributions over text positions that move from the first to the last in step with the frames.",
    .formula =
        "prior[b, prefix_b + y - 1, x] = p + (1 - p) blend,  p = C(n,x) B(x + a, n - x + e) / B(a, e),  n = N_b - 1, "
        "a = scaling y, e = scaling (M_b + 1 - y),  y = 1..M_b, x = 0..n;  0 elsewhere",
    .source = "Shih et al.: RAD-TTS, ICML 2021 workshop; Badlani et al., arXiv 2108.10447",
    .inputs = {ints("frames", "B", "frames M_b of each item"),
               ints("text_lengths", "B", "text positions N_b of each item"),
               maybe(ints("prefix", "B", "rows before the first frame; absent: none"))},
    .outputs = {fixed("prior", "B T N", "f32; each row of a frame sums to 1 while blend is 0")},
    .attrs = {integer("max_frames", 1, 1, 1 << 24, "rows T"), integer("max_text", 1, 1, 1 << 24, "columns N"),
              real("scaling", 0.5, 1e-6, 1e6, "sharpness: larger is narrower"),
              real("blend", 0, 0, 1, "0 = the prior, 1 = no prior (all ones)")},
    .axes = beta_binomial_prior_axes,
    .forward = beta_binomial_prior_forward,
    .flops = [](const Call& c) { return 8.0 * c.out[0].size(); },
    .check = beta_binomial_prior_check,
};

}  // namespace a2s
