#include "rl/group_advantages/group_advantages.h"

#include <algorithm>
#include <cmath>
#include <string>

namespace a2s {
namespace {

struct Moments {
  double mean, std;
};

/** Over the kept samples of one group. Differences to the first one make equal rewards give exactly 0. */
template <class T>
Moments moments(const T* r, const int32_t* mask, int64_t G) {
  int64_t n = 0;
  double first = 0, sum = 0, square = 0;
  for (int64_t g = 0; g < G; ++g) {
    if (mask && !mask[g]) continue;
    if (n++ == 0) first = r[g];
    sum += r[g] - first;
  }
  if (n == 0) return {0, 0};
  const double shift = sum / n;
  for (int64_t g = 0; g < G; ++g) {
    if (mask && !mask[g]) continue;
    const double d = r[g] - first - shift;
    square += d * d;
  }
  return {first + shift, std::sqrt(square / n)};
}

template <class T>
void forward(Call& c) {
  const int64_t P = c.in[0].dim(0), G = c.in[0].dim(1);
  const bool by_std = c.integer("scale") == 1;
  const double floor = c.num("std_floor"), least = c.num("min_std");
  for (int64_t p = 0; p < P; ++p) {
    const T* r = c.in[0].as<T>() + p * G;
    const int32_t* mask = c.in[1] ? c.in[1].as<int32_t>() + p * G : nullptr;
    T* a = c.out[0].as<T>() + p * G;
    const auto [mean, std] = moments(r, mask, G);
    const bool valid = std > least;
    const double scale = by_std ? 1 / std::max(std, floor) : 1;
    for (int64_t g = 0; g < G; ++g) a[g] = valid && (!mask || mask[g]) ? static_cast<T>((r[g] - mean) * scale) : T(0);
    c.out[1].as<int32_t>()[p] = valid;
  }
}

template <class T>
void check(const Call& c) {
  const int64_t G = c.in[0].dim(1);
  for (int64_t i = 0; i < c.in[0].size(); ++i) {
    if ((c.in[1] && !c.in[1].as<int32_t>()[i]) || std::isfinite(c.in[0].as<T>()[i])) continue;
    fail(ErrorCode::Data, "group_advantages: rewards: prompt " + std::to_string(i / G) + ", sample " +
                              std::to_string(i % G) + ": expected a finite reward, got " +
                              std::to_string(c.in[0].as<T>()[i]) + "; hint: mask samples that could not be scored");
  }
}

}  // namespace

void group_advantages_check(const Call& c) {
  if (!c.ctx.device) A2S_BY_DTYPE(c, check);
}
void group_advantages_forward(Call& c) { A2S_BY_DTYPE(c, forward); }

}  // namespace a2s
