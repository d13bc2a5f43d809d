#include "nn/packed_linear.h"

#include "ops/gemm/gemm.h"

namespace a2s {
namespace {

template <class T>
Tensor packed(Context ctx, Arena& arena, const Tensor& w, int64_t C, int64_t O) {
  Tensor memory = new_tensor(arena, dtype_of<T>(), {packed_size<T>(C, O, ctx.bf16)});
  ScratchScope scope(ctx.scratch);
  pack(ctx, C, O, {w.as<T>(), C, true}, memory.as<T>());
  return memory;
}

template <class T>
void product(Context ctx, const Tensor& x, const Packed<T>& w, const Tensor& bias, const Tensor& y, bool gelu) {
  ScratchScope scope(ctx.scratch);
  gemm(ctx, x.dim(0), {x.as<T>(), w.K}, w, y.as<T>(), w.N, {.bias = bias ? bias.as<T>() : nullptr, .gelu = gelu});
}

}  // namespace

PackedLinear::PackedLinear(Context ctx, Arena& arena, const Tensor& w, const Tensor& bias)
    : inputs_(w.size() / w.dim(0)), outputs_(w.dim(0)), bf16_(ctx.bf16), bias_(bias) {
  packed_ = w.dtype == DType::f32 ? packed<float>(ctx, arena, w, inputs_, outputs_) : packed<double>(ctx, arena, w, inputs_, outputs_);
}

Var* PackedLinear::apply(Tape& tape, Var* x, bool gelu) const {
  const Tensor& in = x->value;
  Tensor y = tape.alloc(in.dtype, {in.dim(0), outputs_});
  if (in.dtype == DType::f32)
    product<float>(tape.context(), in, {packed_.as<float>(), inputs_, outputs_, bf16_}, bias_, y, gelu);
  else product<double>(tape.context(), in, {packed_.as<double>(), inputs_, outputs_}, bias_, y, gelu);
  return tape.constant(y);
}

}  // namespace a2s
