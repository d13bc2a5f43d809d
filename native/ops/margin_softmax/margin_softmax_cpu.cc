// A batch has as many rows as items: too few for threads or vectors to matter.
#include <algorithm>
#include <cmath>

#include "ops/margin_softmax/margin_softmax.h"

namespace a2s {
namespace {

template <class T>
struct Cosines {
  const T* rows;
  const int32_t* labels;
  int64_t B, N;
  double scale, margin;

  explicit Cosines(const Call& c)
      : rows(c.in[0].as<T>()),
        labels(c.in[1].as<int32_t>()),
        B(c.in[0].dim(0)),
        N(c.in[0].dim(1)),
        scale(c.num("scale")),
        margin(c.num("margin")) {}
  double z(int64_t b, int64_t n) const {
    return scale * (static_cast<double>(rows[b * N + n]) - (n == labels[b] ? margin : 0));
  }
};

template <class T>
void forward(Call& c) {
  const Cosines<T> x(c);
  double loss = 0;
  for (int64_t b = 0; b < x.B; ++b) {
    double top = -HUGE_VAL, sum = 0;
    for (int64_t n = 0; n < x.N; ++n) top = std::max(top, x.z(b, n));
    for (int64_t n = 0; n < x.N; ++n) sum += std::exp(x.z(b, n) - top);
    for (int64_t n = 0; n < x.N; ++n) c.saved[0].as<T>()[b * x.N + n] = static_cast<T>(std::exp(x.z(b, n) - top) / sum);
    loss += top + std::log(sum) - x.z(b, x.labels[b]);
  }
  c.out[0].as<T>()[0] = static_cast<T>(x.B ? loss / static_cast<double>(x.B) : 0);
}

template <class T>
void backward(Call& c) {
  if (!c.din[0]) return;
  const Cosines<T> x(c);
  const double weight = x.B ? c.dout[0].as<T>()[0] * x.scale / static_cast<double>(x.B) : 0;
  for (int64_t b = 0; b < x.B; ++b)
    for (int64_t i = b * x.N; i < (b + 1) * x.N; ++i)
      c.din[0].as<T>()[i] = static_cast<T>(weight * (static_cast<double>(c.saved[0].as<T>()[i]) - (i == b * x.N + x.labels[b])));
}

}  // namespace

void margin_softmax_forward(Call& c) { A2S_BY_DTYPE(c, forward); }
void margin_softmax_backward(Call& c) { A2S_BY_DTYPE(c, backward); }

}  // namespace a2s
