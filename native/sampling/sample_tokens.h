// Drawing codec tokens from logits.
#pragma once
#include "core/op.h"
#include "sampling/distribution.h"

namespace a2s {

void sample_tokens_check(const Call& c);
void sample_tokens_forward(Call& c);

/** The attributes that shape the distribution; sample_tokens and token_logprobs share names, ranges and meaning. */
constexpr double kMinTemperature = 1e-3;
inline const Attr top_k_attr = integer("top_k", 0, 0, 1 << 20, "keep the k largest logits, ties included; 0 = all");
inline const Attr top_p_attr = real("top_p", 1, 1e-6, 1, "keep the likeliest ids that reach this probability; 1 = all");
inline const Attr guidance_attr =
    real("guidance", 1, -100, 100, "logits are guidance * conditional + (1 - guidance) * unconditional");

/** The ids that may be drawn: at least one of them. Nothing on a device. */
void check_allowed(const Call& c, const Tensor& allowed);
/** Guidance other than 1 needs unconditional logits (`arg`). */
void check_guidance(const Call& c, const Tensor& uncond, const char* arg);

inline const Op sample_tokens{
    .name = "sample_tokens",
    .summary =
        "Draws one token a row, with its log-probability and the row's entropy under the truncated distribution.",
    .formula =
        "tokens[r] = min {v : sum_{u<=v} p[r,u] > U},  p as in sampling/distribution.h,  "
        "U = Philox(seed, sample[r], position * rows_per_sample + r % rows_per_sample)",
    .source =
        "Fan, Lewis, Dauphin: Hierarchical Neural Story Generation, arXiv 1805.04833 (top-k); Holtzman et al.: The "
        "Curious Case of Neural Text Degeneration, arXiv 1904.09751 (top-p)",
    .inputs = {fixed("logits", "R V", "one row a codebook"),
               maybe(fixed("uncond", "R V", "logits without conditioning")),
               maybe(ints("allowed", "V", "0 = the id is never drawn")),
               ints("sample", "R", "whose random numbers a row uses; never negative")},
    .outputs = {ints("tokens", "R", "the drawn ids"), fixed("logprobs", "R", "their log-probabilities, nats"),
                fixed("entropy", "R", "of the distribution drawn from, nats"),
                ints("likeliest", "R", "the ids of the largest logits, the first of equals")},
    .attrs = {real("temperature", 1, 0, 100, "divides the logits; 0 = the largest logit, with log-probability 0"),
              top_k_attr, top_p_attr, guidance_attr, integer("seed", 0, 0, 9007199254740991, "of the random numbers"),
              integer("position", 0, 0, 4294967295, "step of the generation"),
              integer("rows_per_sample", 1, 1, 65536, "rows of one sample at one step (codebooks)")},
    .forward = sample_tokens_forward,
    .flops = [](const Call& c) { return 30.0 * c.in[0].size(); },
    .check = sample_tokens_check,
};

}  // namespace a2s
