// Multi-head attention: of a sequence to itself, to a memory, and of one new row to a cache.
//
// Heads are blocks of D = E / heads columns (head h: columns h*D .. h*D+D-1); scores are q.k / sqrt(D). Training never
// stores [T, T]: a block of query rows keeps its score rows in scratch, forward saves one log-sum-exp a row and backward
// computes the probabilities again.
//
// Masks. `outer`: rows at or beyond their length give 0, keys at or beyond theirs take no part, so padding changes nothing.
// `query`: rows are masked, keys are not (the first Koel models; a padded key with k = v = 0 still takes exp(0) of the
// mass). A row without keys gives 0.
//
// Dropout is on the probabilities; probability (h, i, j) of sample b is element (h Tq + i) Tk + j of its dropout stream.
#pragma once
#include <cfloat>

#include "core/op.h"

namespace a2s {

void self_attention_axes(Axes& axes, const Call& c);
void self_attention_check(const Call& c);
void self_attention_forward(Call& c);
void self_attention_backward(Call& c);
double self_attention_flops(const Call& c);
void cross_attention_axes(Axes& axes, const Call& c);
void cross_attention_check(const Call& c);
void cross_attention_forward(Call& c);
void cross_attention_backward(Call& c);
double cross_attention_flops(const Call& c);
void attention_probs_axes(Axes& axes, const Call& c);
void attention_probs_forward(Call& c);
void attention_scores_axes(Axes& axes, const Call& c);
void attention_scores_forward(Call& c);
void attention_scores_backward(Call& c);
void decode_attention_check(const Call& c);
void decode_attention_forward(Call& c);

namespace attention {
inline const Attr heads = integer("heads", 1, 1, 1024, "number of heads H");
inline const Attr group = integer("group", 1, 1, 1 << 20, "samples a prompt: sample b attends to kv of prompt b / group");
inline const Attr mask = choice("mask", {"outer", "query"}, "what lengths mask: rows and keys, or rows only");
inline const Attr prior_mode = choice("prior_mode", {"none", "training", "inference"},
                                      "training: log(prior + prior_eps) is added to the log-probabilities; "
                                      "inference: probabilities are multiplied by prior + FLT_MIN");
inline const Attr prior_eps = real("prior_eps", FLT_MIN, FLT_MIN, 1, "added to the prior in training");
inline const Attr strict = flag("strict", false, "training: clamp the summed log-scores from below at log(FLT_MIN)");
inline const Attr dropout = real("dropout", 0, 0, 0.999, "probability of dropping an attention probability");
inline const Attr seed = integer("seed", 0, 0, 9007199254740991.0, "seed of the dropout");
inline const Attr layer = integer("layer", 0, 0, 1 << 20, "keeps the dropout of one seed's layers apart");
}  // namespace attention

inline const Op self_attention{
    .name = "self_attention",
    .summary = "Multi-head attention of a sequence to itself.",
    .formula = "y[b,i,h] = sum_j softmax_j(q[b,i,h] . k[b,j,h] / sqrt(D)) v[b,j,h],  j <= i when causal",
    .source = "Vaswani et al., arXiv 1706.03762; Dao et al.: FlashAttention, arXiv 2205.14135",
    .inputs = {data("qkv", "B T 3*E", "queries, keys and values, each head-major"),
               maybe(ints("lengths", "B", "valid rows; absent: all"))},
    .outputs = {data("y", "B T E", "weighted values")},
    .saved = {fixed("lse", "B H T", "log-sum-exp of each row's scores")},
    .attrs = {attention::heads, flag("causal", false, "row i sees keys 0..i"), attention::mask, attention::dropout,
              attention::seed, attention::layer},
    .axes = self_attention_axes,
    .forward = self_attention_forward,
    .backward = self_attention_backward,
    .flops = self_attention_flops,
    .check = self_attention_check,
};

inline const Op cross_attention{
    .name = "cross_attention",
    .summary = "Multi-head attention of rows to a memory that the samples of a prompt share, optionally under a prior.",
    .formula = "s[b,h,i,j] = q[b,i,h] . k[b/group,j,h] / sqrt(D);  y = softmax(s) v;  "
               "training prior: softmax(max(log softmax(s) + log(prior + eps), strict ? log FLT_MIN : -inf));  "
               "inference prior: softmax(s) (prior + FLT_MIN), renormalised",
    .source = "Vaswani et al., arXiv 1706.03762; Shih et al.: RAD-TTS (alignment prior), 2021",
    .inputs = {data("q", "B Tq E", "queries"), data("kv", "P Tk 2*E", "keys and values of each prompt; B = P group"),
               maybe(ints("q_lengths", "B", "valid query rows; absent: all")),
               maybe(ints("kv_lengths", "P", "valid keys; absent: all")),
               maybe(fixed("prior", "B Tq Tk", "non-negative weight of each key for each row"))},
    .outputs = {data("y", "B Tq E", "weighted values")},
    .saved = {fixed("lse", "B H Tq", "log-sum-exp of each row's final log-scores"),
              fixed("raw_lse", "B H Tq", "log-sum-exp of each row's scores before a strict prior")},
    .attrs = {attention::heads, attention::group, attention::prior_mode, attention::prior_eps, attention::strict,
              attention::mask, attention::dropout, attention::seed, attention::layer},
    .axes = cross_attention_axes,
    .forward = cross_attention_forward,
    .backward = cross_attention_backward,
    .flops = cross_attention_flops,
    .check = cross_attention_check,
};

inline const Op attention_probs{
    .name = "attention_probs",
    .summary = "The probabilities that cross_attention weighs the values with, before dropout.",
    .formula = "probs[b,h,i,j] as in cross_attention; 0 for masked rows and keys",
    .source = "see cross_attention",
    .inputs = cross_attention.inputs,
    .outputs = {fixed("probs", "B H Tq Tk", "attention probabilities")},
    .attrs = {attention::heads, attention::group, attention::prior_mode, attention::prior_eps, attention::strict,
              attention::mask},
    .axes = attention_probs_axes,
    .forward = attention_probs_forward,
    .check = cross_attention_check,
};

inline const Op attention_scores{
    .name = "attention_scores",
    .summary = "Scores before the softmax, averaged over heads; what the alignment loss reads.",
    .formula = "scores[b,i,j] = 1/H sum_h q[b,i,h] . k[b/group,j,h] / sqrt(D) = q[b,i] . k[b/group,j] / (H sqrt(D))",
    .source = "Badlani et al.: One TTS Alignment To Rule Them All, arXiv 2108.10447",
    .inputs = {data("q", "B Tq E", "queries"), data("kv", "P Tk 2*E", "keys and values of each prompt; B = P group")},
    .outputs = {data("scores", "B Tq Tk", "mean scores")},
    .attrs = {attention::heads, attention::group},
    .axes = attention_scores_axes,
    .forward = attention_scores_forward,
    .backward = attention_scores_backward,
    .flops = [](const Call& c) { return 2.0 * c.out[0].size() * c.in[0].dim(2); },
};

inline const Op decode_attention{
    .name = "decode_attention",
    .summary = "Attention of one new row of each sample to the keys and values cached so far: those of a prefix that several samples may share, "
               "then its own.",
    .formula = "y[r,h] = sum_j softmax_j(q[r,h] . k[r,h,j] / sqrt(D)) v[r,h,j],  j over the prefix's steps and the used[r] own ones",
    .source = "Vaswani et al., arXiv 1706.03762",
    .inputs = {fixed("q", "R H D", "one query a sample and head"), kept("k", "R H Tmax D", "cached keys, those of a head adjacent"),
               kept("v", "R H Tmax D", "cached values"), ints("used", "R", "valid cache rows"),
               maybe(kept("prefix_k", "S H Tp D", "keys of the prefixes")), maybe(kept("prefix_v", "S H Tp D", "their values")),
               maybe(ints("prefix_used", "S", "valid rows of each")), maybe(ints("prefix_of", "R", "the prefix of each sample"))},
    .outputs = {fixed("y", "R H D", "weighted values")},
    .forward = decode_attention_forward,
    .flops = [](const Call& c) {
      const int64_t R = c.in[1].dim(0), prefix = c.in[4] ? R * c.in[4].size() / c.in[4].dim(0) : 0;
      return 4.0 * static_cast<double>(c.in[1].size() + prefix);
    },
    .check = decode_attention_check,
};

}  // namespace a2s
