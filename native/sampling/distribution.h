// The one definition of the distribution that tokens are drawn from. sample_tokens draws from it and token_logprobs
// scores under it, so that a likelihood is the sampler's own.
//
//   z[v]  = guidance * logits[v] + (1 - guidance) * uncond[v]      guide()
//   z[v]  = -inf where allowed[v] is 0
//   z[v] /= temperature
//   top-k   keep z[v] >= the k-th largest
//   top-p   of these keep z[v] >= t, for the largest t with sum_{z >= t} softmax(z) >= p (at least one id)
//   p[v]  = e^z[v] / sum_kept e^z
//
// Ids that tie at either limit are kept together, so the kept set is one number, the cutoff: {v : z[v] >= cutoff}.
#pragma once
#include <cstdint>

namespace a2s {

struct SamplingRule {
  double temperature = 1;            // > 0
  int64_t top_k = 0;                 // 0: all ids
  double top_p = 1;                  // 1: all ids
  const int32_t* allowed = nullptr;  // [V], 0 = forbidden; absent: all allowed

  bool truncates(int64_t V) const { return (top_k > 0 && top_k < V) || top_p < 1; }
};

/** What has to be known beside the scaled logits z: p[v] = z[v] >= cutoff ? e^(z[v] - log_norm) : 0. */
template <class T>
struct Distribution {
  T cutoff;    // at most the smallest kept z, above all others
  T log_norm;  // log sum_kept e^z; NaN when an allowed logit is NaN or +inf, or none is finite
  T entropy;   // nats; NaN with log_norm
  T top;       // the largest z
  T sum;       // of weights: sum_kept e^(z - top)
};

/** z[V] = guidance * z + (1 - guidance) * uncond, in place. */
void guide(float* z, const float* uncond, double guidance, int64_t V);
void guide(double* z, const double* uncond, double guidance, int64_t V);

/** z[V]: logits on entry, scaled logits on return (-inf where forbidden). */
void scale_logits(float* z, int64_t V, const SamplingRule& rule);
void scale_logits(double* z, int64_t V, const SamplingRule& rule);

/** The distribution of logits[V]. z[V] receives the scaled logits and may be `logits` itself; weights[V] receives
 *  e^(z - max z), 0 outside the kept set. */
Distribution<float> distribution_of(const float* logits, float* z, float* weights, int64_t V, const SamplingRule& rule);
Distribution<double> distribution_of(const double* logits, double* z, double* weights, int64_t V, const SamplingRule& rule);

/** The first id at which the cumulative sum of weights[V] exceeds u times their total; u in (0, 1). */
int64_t draw(const float* weights, int64_t V, double u);
int64_t draw(const double* weights, int64_t V, double u);

/** The first position of `value` in z[V]; V when it is not there. */
int64_t find(const float* z, int64_t V, float value);
int64_t find(const double* z, int64_t V, double value);

}  // namespace a2s
