// The f64 reference: row by row, as the formulas say.
#include <algorithm>
#include <cfloat>
#include <cmath>

#include "ops/attention/head.h"

namespace a2s::attention {
namespace {

double log_sum_exp(const double* s, int64_t n) {
  double top = s[0], sum = 0;
  for (int64_t j = 1; j < n; ++j) top = std::max(top, s[j]);
  for (int64_t j = 0; j < n; ++j) sum += std::exp(s[j] - top);
  return top + std::log(sum);
}

double dot(const double* a, const double* b, int64_t n) {
  double sum = 0;
  for (int64_t d = 0; d < n; ++d) sum += a[d] * b[d];
  return sum;
}

/** The vectors of one query row, each of h.keys elements. */
struct Row {
  int64_t keys;      // that this row sees
  double* raw;       // scores
  double* p;         // probabilities
  double* factor;    // of dropout
  double* d;         // gradient of the probabilities, then of the scores
  double lse, raw_lse;

  Row(const Head<double>& h, double* s) : keys(0), raw(s), p(s + h.keys), factor(p + h.keys), d(factor + h.keys) {}
  void compute(const Head<double>& h, int64_t i);
  bool clamped(const Head<double>& h, int64_t i, int64_t j) const;
  double log_score(const Head<double>& h, int64_t i, int64_t j) const;
};

double Row::log_score(const Head<double>& h, int64_t i, int64_t j) const {
  return raw[j] - raw_lse + std::log(h.prior[i * h.columns + j] + h.prior_eps);
}

bool Row::clamped(const Head<double>& h, int64_t i, int64_t j) const {
  return h.prior && h.strict && log_score(h, i, j) < std::log(double{FLT_MIN});
}

void Row::compute(const Head<double>& h, int64_t i) {
  keys = h.causal ? std::min(i + 1, h.keys) : h.keys;
  for (int64_t j = 0; j < keys; ++j) raw[j] = h.scale * dot(h.q + i * h.q_stride, h.k + j * h.kv_stride, h.width);
  raw_lse = log_sum_exp(raw, keys);
  for (int64_t j = 0; j < keys; ++j)
    p[j] = !h.prior ? raw[j] : clamped(h, i, j) ? std::log(double{FLT_MIN}) : log_score(h, i, j);
  lse = log_sum_exp(p, keys);
  for (int64_t j = 0; j < keys; ++j) p[j] = std::exp(p[j] - lse);
  std::fill_n(factor, keys, 1.0);
  if (h.dropout) h.dropout.factors(h.sample, h.first_element + i * h.columns, keys, factor);
}

}  // namespace

int64_t forward_scratch(const Head<double>& h) { return 4 * h.keys; }
int64_t backward_scratch(const Head<double>& h) { return 4 * h.keys; }

void head_forward(const Head<double>& h, double* scratch) {
  Row row(h, scratch);
  for (int64_t i = h.row_begin; i < h.row_end; ++i) {
    double* y = h.y ? h.y + i * h.y_stride : nullptr;
    if (y) std::fill_n(y, h.width, 0.0);
    if (h.probs) std::fill_n(h.probs + i * h.columns, h.columns, 0.0);
    if (h.keys == 0) continue;
    row.compute(h, i);
    if (h.probs) std::copy_n(row.p, row.keys, h.probs + i * h.columns);
    if (h.lse) h.lse[i] = row.lse;
    if (h.raw_lse) h.raw_lse[i] = row.raw_lse;
    if (!y) continue;
    for (int64_t j = 0; j < row.keys; ++j)
      for (int64_t d = 0; d < h.width; ++d) y[d] += row.p[j] * row.factor[j] * h.v[j * h.kv_stride + d];
  }
}

void head_backward(const Head<double>& h, double* scratch) {
  Row row(h, scratch);
  if (h.dk)
    for (int64_t j = 0; j < h.keys; ++j) {
      std::fill_n(h.dk + j * h.kv_stride, h.width, 0.0);
      std::fill_n(h.dv + j * h.kv_stride, h.width, 0.0);
    }
  for (int64_t i = h.row_begin; i < h.row_end; ++i) {
    const double *q = h.q + i * h.q_stride, *dy = h.dy + i * h.y_stride;
    double* dq = h.dq ? h.dq + i * h.q_stride : nullptr;
    if (dq) std::fill_n(dq, h.width, 0.0);
    if (h.keys == 0) continue;
    row.compute(h, i);
    double mean = 0, sum = 0;
    for (int64_t j = 0; j < row.keys; ++j) {
      row.d[j] = row.factor[j] * dot(dy, h.v + j * h.kv_stride, h.width);
      mean += row.p[j] * row.d[j];
    }
    // Through the softmax, the clamp and, where clamping made it matter, the log-softmax before it.
    for (int64_t j = 0; j < row.keys; ++j) {
      row.d[j] = row.clamped(h, i, j) ? 0 : row.p[j] * (row.d[j] - mean);
      sum += row.d[j];
    }
    if (h.strict)
      for (int64_t j = 0; j < row.keys; ++j) row.d[j] -= std::exp(row.raw[j] - row.raw_lse) * sum;
    for (int64_t j = 0; j < row.keys; ++j) {
      const double *k = h.k + j * h.kv_stride, ds = row.d[j] * h.scale, weight = row.p[j] * row.factor[j];
      if (dq)
        for (int64_t d = 0; d < h.width; ++d) dq[d] += ds * k[d];
      if (!h.dk) continue;
      double *dk = h.dk + j * h.kv_stride, *dv = h.dv + j * h.kv_stride;
      for (int64_t d = 0; d < h.width; ++d) dk[d] += ds * q[d], dv[d] += weight * dy[d];
    }
  }
}

void decode_head(const DecodeHead<double>& h) {
  const int64_t D = h.width, n = h.prefix.count + h.own.count;
  for (int64_t j = 0; j < n; ++j) h.p[j] = dot(h.q, h.key(j, D), D) / std::sqrt(static_cast<double>(D));
  const double lse = log_sum_exp(h.p, n);
  std::fill_n(h.y, D, 0.0);
  for (int64_t j = 0; j < n; ++j)
    for (int64_t d = 0; d < D; ++d) h.y[d] += std::exp(h.p[j] - lse) * h.value(j, D)[d];
}

}  // namespace a2s::attention
