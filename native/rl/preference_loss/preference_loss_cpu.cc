#include "rl/preference_loss/preference_loss.h"

#include <cmath>

namespace a2s {
namespace {

enum Which : int64_t { dpo, ipo, rpo, rpo_sq };

/** log(1 + e^x) */
double softplus(double x) { return x > 0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x)); }
double sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

struct Term {
  double value, slope;  // of one pair's loss, and its derivative by h
};

/** The loss of one pair. Pairs are few and their sums long: all of it in f64. */
template <class T>
Term pair_loss(const Call& c, double h, int64_t i) {
  const double beta = c.num("beta"), x = beta * h, smoothing = c.num("label_smoothing");
  const double target = c.in[4] ? c.num("eta") * c.in[4].as<T>()[i] : 0;
  switch (c.integer("kind")) {
    case dpo:
      return {(1 - smoothing) * softplus(-x) + smoothing * softplus(x), beta * (sigmoid(x) - (1 - smoothing))};
    case ipo:
      return {(h - 0.5 / beta) * (h - 0.5 / beta), 2 * (h - 0.5 / beta)};
    case rpo: {
      const double p = sigmoid(target);  // log p = -softplus(-target)
      return {p * (softplus(-x) - softplus(-target)) + (1 - p) * (softplus(x) - softplus(target)),
              beta * (sigmoid(x) - p)};
    }
    default:
      return {(x - target) * (x - target), 2 * beta * (x - target)};
  }
}

template <class T>
double log_odds(const Call& c, int64_t i) {
  auto at = [&](int k) { return static_cast<double>(c.in[k].as<T>()[i]); };
  return (at(0) - at(1)) - (at(2) - at(3));
}

template <class T>
void forward(Call& c) {
  const int64_t P = c.in[0].dim(0);
  double sum = 0;
  for (int64_t i = 0; i < P; ++i) {
    const double h = log_odds<T>(c, i);
    sum += pair_loss<T>(c, h, i).value - c.num("sft_weight") * c.in[0].as<T>()[i];
    c.out[1].as<T>()[i] = static_cast<T>(c.num("beta") * h);
  }
  c.out[0].as<T>()[0] = P ? static_cast<T>(sum / static_cast<double>(P)) : T(0);
}

template <class T>
void backward(Call& c) {
  const int64_t P = c.in[0].dim(0);
  const double scale = c.dout[0].as<T>()[0] / static_cast<double>(P);
  for (int64_t i = 0; i < P; ++i) {
    const double slope = pair_loss<T>(c, log_odds<T>(c, i), i).slope;
    if (c.din[0]) c.din[0].as<T>()[i] = static_cast<T>(scale * (slope - c.num("sft_weight")));
    if (c.din[1]) c.din[1].as<T>()[i] = static_cast<T>(-scale * slope);
  }
}

}  // namespace

void preference_loss_check(const Call& c) {
  const bool gap = c.integer("kind") == rpo || c.integer("kind") == rpo_sq;
  if (gap && !c.in[4]) fail_config("preference_loss: reward_gap: expected a tensor for kind rpo and rpo_sq, got none");
  if (!gap && c.in[4])
    fail_config("preference_loss: reward_gap: expected none unless kind is rpo or rpo_sq, got a tensor");
  if (c.integer("kind") != dpo && c.num("label_smoothing") != 0)
    fail_config("preference_loss: label_smoothing: expected 0 unless kind is dpo, got " +
                std::to_string(c.num("label_smoothing")));
}

void preference_loss_forward(Call& c) { A2S_BY_DTYPE(c, forward); }
void preference_loss_backward(Call& c) { A2S_BY_DTYPE(c, backward); }

}  // namespace a2s
