#include "nn/packed_linear.h"

#include "ops/gemm/gemm.h"

namespace a2s {
namespace {

/** The bf16 of f32 weights that are no more than that, two in an int. */
Tensor packed_bf16(Context ctx, Arena& arena, const Tensor& w, int64_t C, int64_t O) {
  Tensor memory = new_tensor(arena, DType::i32, {packed_size<float>(C, O) / 2});
  pack(ctx, C, O, {w.as<float>(), C, true}, static_cast<uint16_t*>(memory.data));
  return memory;
}

template <class T>
Tensor packed(Context ctx, Arena& arena, const Tensor& w, int64_t C, int64_t O) {
  Tensor memory = new_tensor(arena, dtype_of<T>(), {packed_size<T>(C, O)});
  ScratchScope scope(ctx.scratch);
  pack(ctx, C, O, {w.as<T>(), C, true}, memory.as<T>());
  return memory;
}

template <class T, class P>
void product(Context ctx, const Tensor& x, const Packed<P>& w, const Tensor& bias, const Tensor& y, bool gelu) {
  ScratchScope scope(ctx.scratch);
  gemm(ctx, x.dim(0), {x.as<T>(), w.K}, w, y.as<T>(), w.N, {.bias = bias ? bias.as<T>() : nullptr, .gelu = gelu});
}

}  // namespace

PackedLinear::PackedLinear(Context ctx, Arena& arena, const Tensor& w, const Tensor& bias, int64_t rows)
    : inputs_(w.size() / w.dim(0)), outputs_(w.dim(0)), bias_(bias) {
  if (w.dtype == DType::f64) packed_ = packed<double>(ctx, arena, w, inputs_, outputs_);
  else if (bf16_pays(rows, w.size()) && is_bf16(w.as<float>(), w.size())) packed_ = packed_bf16(ctx, arena, w, inputs_, outputs_);
  else packed_ = packed<float>(ctx, arena, w, inputs_, outputs_);
}

Var* PackedLinear::apply(Tape& tape, Var* x, bool gelu) const {
  const Tensor& in = x->value;
  Tensor y = tape.alloc(in.dtype, {in.dim(0), outputs_});
  auto run = [&]<class T, class P>(T*, const P* weights) {
    product<T, P>(tape.context(), in, {weights, inputs_, outputs_}, bias_, y, gelu);
  };
  if (in.dtype == DType::f64) run(y.as<double>(), packed_.as<double>());
  else if (packed_.dtype == DType::i32) run(y.as<float>(), static_cast<const uint16_t*>(packed_.data));
  else run(y.as<float>(), packed_.as<float>());
  return tape.constant(y);
}

}  // namespace a2s
