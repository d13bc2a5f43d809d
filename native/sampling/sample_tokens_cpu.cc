#include <algorithm>
#include <string>

#include "core/rng.h"
#include "sampling/sample_tokens.h"

namespace a2s {
namespace {

constexpr int64_t kRows = 4;  // rows a task: a few tens of microseconds at V = 2000

template <class T>
void forward(Call& c) {
  const Tensor& logits = c.in[0];
  const int64_t R = logits.dim(0), V = logits.dim(1), per_sample = c.integer("rows_per_sample");
  const T *x = logits.as<T>(), *uncond = c.in[1] ? c.in[1].as<T>() : nullptr;
  const int32_t* sample = c.in[3].as<int32_t>();
  int32_t *tokens = c.out[0].as<int32_t>(), *likeliest = c.out[3].as<int32_t>();
  T *logprobs = c.out[1].as<T>(), *entropy = c.out[2].as<T>();
  const double guidance = c.num("guidance"), temperature = c.num("temperature");
  const int32_t* allowed = c.in[2] ? c.in[2].as<int32_t>() : nullptr;
  const SamplingRule all{.allowed = allowed}, drawn{temperature, c.integer("top_k"), c.num("top_p"), allowed};
  const SamplingRule& rule = temperature > 0 ? drawn : all;  // the likeliest of all is the likeliest of some
  const Rng rng{static_cast<uint64_t>(c.integer("seed")), static_cast<uint32_t>(Stream::sampling)};
  const uint64_t first = static_cast<uint64_t>(c.integer("position")) * static_cast<uint64_t>(per_sample);

  T* scratch = c.scratch<T>((R + kRows - 1) / kRows * 2 * V);
  c.ctx.pool.ranges(R, kRows, [&](int64_t begin, int64_t end) {
    T *z = scratch + begin / kRows * 2 * V, *weights = z + V;
    for (int64_t r = begin; r < end; ++r) {
      const T* row = x + r * V;
      if (uncond && guidance != 1) {
        std::copy_n(row, V, z);
        guide(z, uncond + r * V, guidance, V);
        row = z;
      }
      const Distribution<T> d = distribution_of(row, z, weights, V, rule);
      if (d.log_norm != d.log_norm) {
        tokens[r] = -1;
        continue;
      }
      likeliest[r] = static_cast<int32_t>(find(z, V, d.top));
      if (temperature == 0) {
        tokens[r] = likeliest[r];
        logprobs[r] = entropy[r] = 0;
        continue;
      }
      const double u = rng.uniform(static_cast<uint64_t>(sample[r]), first + static_cast<uint64_t>(r % per_sample));
      tokens[r] = static_cast<int32_t>(draw(weights, V, u));
      logprobs[r] = z[tokens[r]] - d.log_norm;
      entropy[r] = d.entropy;
    }
  });
  for (int64_t r = 0; r < R; ++r)
    if (tokens[r] < 0)
      fail(ErrorCode::Data, "sample_tokens: logits: row " + std::to_string(r) + " (codebook " +
                                std::to_string(r % per_sample) +
                                "): expected no NaN or +inf and at least one finite allowed logit, got a row without "
                                "a distribution; hint: the model's output is not finite");
}

}  // namespace

void check_allowed(const Call& c, const Tensor& allowed) {
  if (!allowed || c.ctx.device) return;
  const int32_t* a = allowed.as<int32_t>();
  if (std::none_of(a, a + allowed.size(), [](int32_t v) { return v != 0; }))
    fail_shape(std::string(c.op.name) + ": allowed: expected at least one allowed id, got none");
}

void check_guidance(const Call& c, const Tensor& uncond, const char* arg) {
  if (c.num("guidance") != 1 && !uncond)
    fail_config(std::string(c.op.name) + ": guidance: expected 1 without " + arg + ", got " +
                std::to_string(c.num("guidance")));
}

void sample_tokens_check(const Call& c) {
  check_allowed(c, c.in[2]);
  check_guidance(c, c.in[1], "uncond");
  const double temperature = c.num("temperature");
  if (temperature != 0 && temperature < kMinTemperature)
    fail_config("sample_tokens: temperature: expected 0 or at least 0.001, got " + std::to_string(temperature));
  const int64_t R = c.in[0].dim(0), V = c.in[0].dim(1), per_sample = c.integer("rows_per_sample");
  if (V == 0) fail_shape("sample_tokens: logits: axis V: expected at least 1, got 0");
  if (R % per_sample)
    fail_shape("sample_tokens: logits: axis R: expected a multiple of rows_per_sample = " + std::to_string(per_sample) +
               ", got " + std::to_string(R));
  check_ints(c, 3, 0, INT32_MAX);
}

void sample_tokens_forward(Call& c) { A2S_BY_DTYPE(c, forward); }

}  // namespace a2s
