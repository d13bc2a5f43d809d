// What becomes of the log-probabilities of codec tokens: the cross-entropy of training, the likelihood of a sample.
#pragma once
#include "core/op.h"

namespace a2s {

void codebook_cross_entropy_forward(Call& c);
void codebook_cross_entropy_backward(Call& c);
void sequence_logprob_forward(Call& c);
void sequence_logprob_backward(Call& c);
/** Lengths (input 1) within the frames of the log-probabilities (input 0). */
void check_token_lengths(const Call& c);

inline const Op codebook_cross_entropy{
    .name = "codebook_cross_entropy",
    .summary =
        "Cross-entropy of codec tokens: the mean over the batch's frames for each codebook, then over codebooks.",
    .formula =
        "loss = 1/K sum_k (sum_{b,t} M[b,k,t] * -logprobs[b,k,t]) / (sum_{b,t} M[b,k,t]),  M = t < lengths[b] and "
        "mask != 0;  a codebook without frames gives 0",
    .source = "Hussain et al.: Koel-TTS, arXiv 2502.05236",
    .inputs = {data("logprobs", "B K T", "of the target tokens, nats"), ints("lengths", "B", "valid frames"),
               maybe(ints("mask", "B K T", "0 = the token does not count"))},
    .outputs = {data("loss", "1", "nats a token")},
    .saved = {fixed("counts", "K", "tokens that count in each codebook")},
    .forward = codebook_cross_entropy_forward,
    .backward = codebook_cross_entropy_backward,
    .check = check_token_lengths,
};

inline const Op sequence_logprob{
    .name = "sequence_logprob",
    .summary = "Log-probability of a whole sample: the sum over its frames and codebooks.",
    .formula = "y[b] = sum_k sum_{t < lengths[b]} logprobs[b,k,t]",
    .source = "definition",
    .inputs = {data("logprobs", "B K T", "of the tokens, nats"), ints("lengths", "B", "valid frames")},
    .outputs = {data("y", "B", "nats")},
    .forward = sequence_logprob_forward,
    .backward = sequence_logprob_backward,
    .check = check_token_lengths,
};

}  // namespace a2s
