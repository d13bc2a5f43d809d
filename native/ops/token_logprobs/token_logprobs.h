// Log-probabilities, entropies and divergences of codec tokens, straight from the transformer's rows, in blocks of rows whose
// logits stay in a cache. token_logprobs keeps what they weigh for a backward that will come; token_kl computes them again.
#pragma once
#include "core/op.h"
#include "sampling/sample_tokens.h"

namespace a2s {

void token_logprobs_axes(Axes& axes, const Call& c);
void token_logprobs_check(const Call& c);
void token_logprobs_forward(Call& c);
void token_logprobs_backward(Call& c);
void token_kl_axes(Axes& axes, const Call& c);
void token_kl_check(const Call& c);
void token_kl_forward(Call& c);
void token_kl_backward(Call& c);

inline const Attr codebooks_attr = integer("codebooks", 1, 1, 4096, "heads K; head k is rows k*V .. (k+1)*V-1 of w");
inline const Attr scored_temperature = real("temperature", 1, kMinTemperature, 100, "divides the logits");

inline const Op token_logprobs{
    .name = "token_logprobs",
    .summary =
        "Log-probability of each target and entropy of each head, under exactly the distribution that sample_tokens "
        "draws from.",
    .formula =
        "z[b,k,t,.] = w[k] . h[b,t] + b[k],  h = guidance x + (1 - guidance) x_uncond;  p of z as in "
        "sampling/distribution.h;  logprobs = log p[targets],  entropy = -sum_v p log p;  0 beyond lengths and where "
        "targets < 0",
    .source = "definition; the kept set of top-k and top-p is constant in the gradient",
    .inputs = {data("x", "B T C", "rows under the heads"), param("w", "KV C", "heads, one below the other"),
               maybe(param("b", "KV", "their biases")),
               ints("targets", "B K T", "ids; negative: ignored. Outside the kept set: -inf, without gradient"),
               ints("lengths", "B", "valid frames"), maybe(data("x_uncond", "B T C", "rows without conditioning")),
               maybe(ints("allowed", "V", "0 = the id is never drawn"))},
    .outputs = {data("logprobs", "B K T", "nats"), data("entropy", "B K T", "nats")},
    .saved = {fixed("sum", "B K T", "of the weights"),
              maybe(fixed("weights", "B K T V", "e^(z - max z), 0 outside the kept set"))},
    .attrs = {codebooks_attr, scored_temperature, top_k_attr, top_p_attr, guidance_attr},
    .axes = token_logprobs_axes,
    .forward = token_logprobs_forward,
    .backward = token_logprobs_backward,
    .flops = [](const Call& c) { return 2.0 * c.in[0].rows() * c.in[1].size(); },
    .check = token_logprobs_check,
};

inline const Op token_kl{
    .name = "token_kl",
    .summary = "Exact KL divergence of each head's distribution from a reference's, over the whole vocabulary.",
    .formula =
        "kl[b,k,t] = sum_v p log(p / q),  p = softmax((w[k] . x + b[k]) / temperature), q the same of the reference;  "
        "0 beyond lengths",
    .source = "Kullback, Leibler 1951",
    .inputs = {data("x", "B T C", "rows under the heads"), param("w", "KV C", "heads, one below the other"),
               maybe(param("b", "KV", "their biases")), fixed("x_ref", "B T C", "the reference's rows"),
               fixed("w_ref", "KV C", "the reference's heads"), maybe(fixed("b_ref", "KV", "their biases")),
               ints("lengths", "B", "valid frames")},
    .outputs = {data("kl", "B K T", "nats, at least 0")},
    .saved = {fixed("lse", "B K T", "log-sum-exp of the logits"),
              fixed("lse_ref", "B K T", "the same of the reference")},
    .attrs = {codebooks_attr, scored_temperature},
    .axes = token_kl_axes,
    .forward = token_kl_forward,
    .backward = token_kl_backward,
    .flops = [](const Call& c) { return 4.0 * c.in[0].rows() * c.in[1].size(); },
    .check = token_kl_check,
};

}  // namespace a2s
