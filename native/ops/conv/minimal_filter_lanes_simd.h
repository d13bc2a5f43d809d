// minimal_filter_lanes in vector registers; `S` names one instruction set (see minimal_filter_lanes_avx512.cc). All of this has internal
// linkage, so that no file compiled for one instruction set can lend its code to another.
#pragma once
#include "core/simd.h"
#include "ops/conv/minimal_filter_lanes.h"

namespace a2s {
namespace {

template <class S>
A2S_INLINE void inputs(const FilterInputs<float>& p) {
  using Vector = typename S::Vector;
  const int64_t d = p.pairs.d, whole = p.taps / 3, rest = p.taps % 3, run = S::lanes / d * 2 * d, later = S::lanes % d;
  const float* x = p.x;
  int64_t r = 0, column = 0, tile = 0;
  for (int64_t n = 0; n < p.columns; n += S::lanes) {
    const auto index = S::index(p.pairs.positions[r]);
    const float* at = x;
    auto next = [&] {
      const Vector v = S::pick(S::load(at), index, S::load(at + S::lanes));
      at += d;
      return v;
    };
    float* to[4];
    for (int q = 0; q < 4; ++q) to[q] = p.to[q] + tile + column;
    Vector x0 = next();
    for (int64_t g = 0; g < whole; ++g) {
      const Vector x1 = next(), x2 = next(), x3 = next();
      S::store(to[0], S::subtract(x0, x2));
      S::store(to[1], S::add(x1, x2));
      S::store(to[2], S::subtract(x2, x1));
      S::store(to[3], S::subtract(x1, x3));
      for (int q = 0; q < 4; ++q) to[q] += p.tile;
      x0 = x3;
    }
    if (rest == 1) S::store(to[0], x0), S::store(to[3], next());
    if (rest == 2) {
      const Vector x1 = next();
      S::store(to[0], S::subtract(x1, x0));
      S::store(to[1], x1);
      S::store(to[3], S::subtract(next(), x1));
    }
    if ((column += S::lanes) == p.tile) column = 0, tile += p.step;
    x += run, r += later;
    x += later;
    if (r >= d) r -= d, x += d;
  }
}

template <class S>
A2S_INLINE void outputs(const FilterOutputs<float>& p) {
  using Vector = typename S::Vector;
  const int64_t d = p.pairs.d, period = 2 * d;
  int64_t r = p.begin % period, n = p.begin / period * d;
  for (int64_t t = p.begin; t < p.end; t += S::lanes) {
    const int64_t first = n + (r < d ? r : d), second = n + (r < d ? 0 : r - d);
    auto at = [&](int q, int64_t column) { return S::load(p.sums[q] + column); };
    const Vector y0 = S::add(at(0, first), S::add(at(1, first), at(2, first)));
    const Vector y1 = S::add(at(3, second), S::subtract(at(1, second), at(2, second)));
    Vector y = S::pick(y0, S::index(p.pairs.columns[r]), y1);
    if (t + S::lanes <= p.end) {
      if (p.residual) y = S::add(y, S::load(p.residual + t));
      S::store(p.y + t, y);
    } else {
      const auto mask = S::first(p.end - t);
      if (p.residual) y = S::add(y, S::load(p.residual + t, mask));
      S::store(p.y + t, mask, y);
    }
    for (r += S::lanes; r >= period; r -= period) n += d;
  }
}

}  // namespace
}  // namespace a2s
