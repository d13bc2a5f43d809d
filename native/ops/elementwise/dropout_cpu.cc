#include <algorithm>

#include "ops/elementwise/dropout_mask.h"
#include "ops/elementwise/elementwise.h"

namespace a2s {
namespace {

constexpr int64_t kChunk = 1024;  // elements whose factors are held at once
constexpr int64_t kGrain = 32 * kChunk;

/** Both directions: to = from * factor. */
template <class T>
void apply_mask(Call& c, const Tensor& from, const Tensor& to) {
  const int64_t B = from.dim(0), items = from.dim(1) * from.dim(2), pieces = (items + kGrain - 1) / kGrain;
  const DropoutMask mask(c.num("p"), c.integer("seed"), static_cast<uint32_t>(c.integer("layer")));
  const T* x = from.as<T>();
  T* y = to.as<T>();
  c.ctx.pool.run(B * pieces, [&](int64_t i) {
    const int64_t b = i / pieces, begin = i % pieces * kGrain, end = std::min(items, begin + kGrain);
    if (!mask) {
      std::copy(x + b * items + begin, x + b * items + end, y + b * items + begin);
      return;
    }
    T factor[kChunk];
    for (int64_t e = begin; e < end; e += kChunk) {
      const int64_t n = std::min(kChunk, end - e);
      mask.factors(b, e, n, factor);
      for (int64_t j = 0; j < n; ++j) y[b * items + e + j] = x[b * items + e + j] * factor[j];
    }
  });
}

template <class T>
void forward(Call& c) {
  apply_mask<T>(c, c.in[0], c.out[0]);
}
template <class T>
void backward(Call& c) {
  if (c.din[0]) apply_mask<T>(c, c.dout[0], c.din[0]);
}

}  // namespace

void DropoutMask::factors(uint64_t sample, uint64_t first, int64_t n, double* out) const {
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t e = first + i;
    out[i] = rng.words(sample, e / 4)[e % 4] >= threshold ? kept : 0;
  }
}

void dropout_forward(Call& c) { A2S_BY_DTYPE(c, forward); }
void dropout_backward(Call& c) { A2S_BY_DTYPE(c, backward); }

}  // namespace a2s
