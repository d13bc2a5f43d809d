#include "ops/token_logprobs/head.h"

#include <string>

#include "core/simd.h"

namespace a2s {
namespace {

template <class T>
A2S_INLINE void sum_rows(const T* rows, int64_t ld, int64_t n, int64_t m, T* sum) {
  for (int64_t i = 0; i < n; ++i, rows += ld)
    for (int64_t j = 0; j < m; ++j) sum[j] += rows[j];
}

}  // namespace

A2S_CLONES void add_rows(const float* rows, int64_t ld, int64_t n, int64_t m, float* sum) { sum_rows(rows, ld, n, m, sum); }
void add_rows(const double* rows, int64_t ld, int64_t n, int64_t m, double* sum) { sum_rows(rows, ld, n, m, sum); }

void bind_heads(Axes& axes, const Call& c) {
  const int64_t K = c.integer("codebooks"), KV = axes["KV"];
  auto expect = [&](const char* what, int64_t want, int64_t got) {
    if (want != got)
      fail_shape(std::string(c.op.name) + ": " + what + ": expected " + std::to_string(want) + ", got " +
                 std::to_string(got));
  };
  if (KV % K)
    fail_shape(std::string(c.op.name) + ": w: axis KV: expected a multiple of codebooks = " + std::to_string(K) +
               ", got " + std::to_string(KV));
  if (axes.find("K") >= 0) expect("targets: axis K (codebooks)", K, axes["K"]);
  else axes.bind("K", K);
  if (axes.find("V") >= 0) expect("allowed: axis V (KV / codebooks)", KV / K, axes["V"]);
  else axes.bind("V", KV / K);
}

}  // namespace a2s
