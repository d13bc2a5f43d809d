// Every op, one line each.
#include "core/op.h"
#include "ops/attention/attention.h"
#include "ops/conv/conv.h"
#include "ops/cross_entropy/cross_entropy.h"
#include "ops/ctc/ctc.h"
#include "ops/elementwise/elementwise.h"
#include "ops/embedding/embedding.h"
#include "ops/fsq/fsq.h"
#include "ops/layer_norm/layer_norm.h"
#include "ops/linear/linear.h"
#include "ops/margin_softmax/margin_softmax.h"
#include "ops/prior/prior.h"
#include "ops/resample/resample.h"
#include "ops/sequence/sequence.h"
#include "ops/snake/snake.h"
#include "ops/spectral/spectral.h"
#include "ops/squared_error/squared_error.h"
#include "ops/stats_pool/stats_pool.h"
#include "ops/token_logprobs/token_logprobs.h"
#include "ops/weight_norm/weight_norm.h"
#include "optim/adamw.h"
#include "optim/grad_norm.h"
#include "rl/group_advantages/group_advantages.h"
#include "rl/policy_loss/policy_loss.h"
#include "rl/preference_loss/preference_loss.h"
#include "sampling/sample_tokens.h"

namespace a2s {

const std::vector<const Op*>& all_ops() {
  static const std::vector<const Op*> ops{
      &conv1d,
      &conv2d,
      &conv_transpose1d,
      &weight_norm,
      &half_snake,
      &leaky_relu,
      &fsq_encode,
      &fsq_decode,
      &layer_norm,
      &linear,
      &conv1d_btc,
      &self_attention,
      &cross_attention,
      &attention_probs,
      &attention_scores,
      &decode_attention,
      &embedding,
      &codebook_embedding,
      &add_positions,
      &add,
      &scale,
      &gelu,
      &tanh,
      &clamp,
      &dropout,
      &mask_rows,
      &mask_time,
      &transpose,
      &concat_time,
      &slice_time,
      &stft,
      &log_stft,
      &log_mel,
      &masked_l1,
      &spectral_convergence,
      &squared_error,
      &stats_pool,
      &l2_normalize,
      &margin_softmax,
      &resample,
      &token_logprobs,
      &token_kl,
      &codebook_cross_entropy,
      &sequence_logprob,
      &ctc_loss,
      &forward_sum_loss,
      &beta_binomial_prior,
      &policy_loss,
      &preference_loss,
      &group_advantages,
      &sample_tokens,
      &adamw,
      &grad_norm,
  };
  return ops;
}

}  // namespace a2s
