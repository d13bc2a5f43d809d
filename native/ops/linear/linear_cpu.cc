#include "ops/gemm/gemm.h"
#include "ops/linear/linear.h"
#include "ops/linear/output_gradient.h"

namespace a2s {
namespace {

template <class T>
void forward(Call& c) {
  const int64_t O = c.in[1].dim(0), C = c.in[1].dim(1), rows = c.out[0].rows();
  const bool gelu = c.integer("act") == static_cast<int>(Activation::gelu);
  const T* w = c.in[1].as<T>();
  gemm_weight<T>(c.ctx, rows, O, C, {c.in[0].as<T>(), C}, w, Use::forward, [&] { return Matrix<T>{w, C, true}; }, c.out[0].as<T>(), O,
                 {.bias = c.in[2] ? c.in[2].as<T>() : nullptr, .gelu = gelu, .pre = gelu ? c.saved[0].as<T>() : nullptr});
}

template <class T>
void backward(Call& c) {
  const int64_t O = c.in[1].dim(0), C = c.in[1].dim(1), rows = c.out[0].rows();
  const T *dy = output_gradient<T>(c), *w = c.in[1].as<T>();
  if (c.din[0])
    gemm_weight<T>(c.ctx, rows, C, O, {dy, O}, w, Use::backward, [&] { return Matrix<T>{w, C}; }, c.din[0].as<T>(), C);
  if (c.din[1])
    gemm(c.ctx, O, C, rows, {dy, O, true}, {c.in[0].as<T>(), C}, c.din[1].as<T>(), C, {.accumulate = true});
}

}  // namespace

void linear_axes(Axes& axes, const Call& c) {
  axes.bind("P", c.integer("act") == static_cast<int>(Activation::gelu) ? axes["O"] : 0);
}
void linear_forward(Call& c) { A2S_BY_DTYPE(c, forward); }
void linear_backward(Call& c) { A2S_BY_DTYPE(c, backward); }

}  // namespace a2s
