#include <algorithm>

#include "ops/cross_entropy/cross_entropy.h"

namespace a2s {
namespace {

struct Mean {
  double sum, count;
};

/** Kept tokens of one (sample, codebook). Selected, not multiplied: -inf or NaN outside the mask must not matter. */
template <class T>
Mean sum_row(const T* lp, const int32_t* mask, int64_t length) {
  Mean m{};
  for (int64_t t = 0; t < length; ++t)
    if (!mask || mask[t]) m.sum -= lp[t], m.count += 1;
  return m;
}

int64_t grain(int64_t T) { return std::max<int64_t>(1, (1 << 14) / std::max<int64_t>(1, T)); }

template <class T>
void cross_entropy_forward(Call& c) {
  const Tensor& x = c.in[0];
  const int64_t B = x.dim(0), K = x.dim(1), frames = x.dim(2);
  const int32_t *lengths = c.in[1].as<int32_t>(), *mask = c.in[2] ? c.in[2].as<int32_t>() : nullptr;
  Mean* rows = c.scratch<Mean>(B * K);
  c.ctx.pool.ranges(B * K, grain(frames), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r)
      rows[r] = sum_row(x.as<T>() + r * frames, mask ? mask + r * frames : nullptr, lengths[r / K]);
  });
  double loss = 0;
  T* counts = c.saved[0].as<T>();
  for (int64_t k = 0; k < K; ++k) {
    Mean m{};
    for (int64_t b = 0; b < B; ++b) m.sum += rows[b * K + k].sum, m.count += rows[b * K + k].count;
    if (m.count > 0) loss += m.sum / m.count;
    counts[k] = static_cast<T>(m.count);
  }
  c.out[0].as<T>()[0] = static_cast<T>(loss / static_cast<double>(K));
}

template <class T>
void cross_entropy_backward(Call& c) {
  if (!c.din[0]) return;
  const Tensor& x = c.in[0];
  const int64_t K = x.dim(1), frames = x.dim(2);
  const int32_t *lengths = c.in[1].as<int32_t>(), *mask = c.in[2] ? c.in[2].as<int32_t>() : nullptr;
  const T *counts = c.saved[0].as<T>(), scale = -c.dout[0].as<T>()[0] / static_cast<T>(K);
  c.ctx.pool.ranges(x.dim(0) * K, grain(frames), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      T* d = c.din[0].as<T>() + r * frames;
      const int32_t* m = mask ? mask + r * frames : nullptr;
      for (int64_t t = 0; t < frames; ++t) d[t] = t < lengths[r / K] && (!m || m[t]) ? scale / counts[r % K] : T(0);
    }
  });
}

template <class T>
void sequence_forward(Call& c) {
  const Tensor& x = c.in[0];
  const int64_t K = x.dim(1), frames = x.dim(2);
  c.ctx.pool.ranges(x.dim(0), grain(K * frames), [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      double sum = 0;
      for (int64_t k = 0; k < K; ++k)
        sum -= sum_row<T>(x.as<T>() + (b * K + k) * frames, nullptr, c.in[1].as<int32_t>()[b]).sum;
      c.out[0].as<T>()[b] = static_cast<T>(sum);
    }
  });
}

template <class T>
void sequence_backward(Call& c) {
  if (!c.din[0]) return;
  const int64_t K = c.in[0].dim(1), frames = c.in[0].dim(2);
  const int32_t* lengths = c.in[1].as<int32_t>();
  c.ctx.pool.ranges(c.in[0].dim(0) * K, grain(frames), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      T* d = c.din[0].as<T>() + r * frames;
      std::fill(std::fill_n(d, lengths[r / K], c.dout[0].as<T>()[r / K]), d + frames, T(0));
    }
  });
}

}  // namespace

void check_token_lengths(const Call& c) { check_ints(c, 1, 0, c.in[0].dim(2)); }
void codebook_cross_entropy_forward(Call& c) { A2S_BY_DTYPE(c, cross_entropy_forward); }
void codebook_cross_entropy_backward(Call& c) { A2S_BY_DTYPE(c, cross_entropy_backward); }
void sequence_logprob_forward(Call& c) { A2S_BY_DTYPE(c, sequence_forward); }
void sequence_logprob_backward(Call& c) { A2S_BY_DTYPE(c, sequence_backward); }

}  // namespace a2s
