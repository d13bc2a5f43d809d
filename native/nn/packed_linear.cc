#include "nn/packed_linear.h"

#include "ops/gemm/gemm.h"

namespace a2s {
namespace {

/** Members of a team read a smaller weight for themselves: it fits the nearest caches of each, and they need not wait for one another. */
constexpr size_t kTogetherBytes = 128 << 10;

template <class T>
Tensor packed(Context ctx, Arena& arena, const Tensor& w, int64_t C, int64_t O) {
  const Matrix<T> B{w.as<T>(), C, true};
  const Use use = w.rank == 3 && w.dim(2) > 1 ? Use::forward_taps : Use::forward;
  const int64_t size = packed_size<T>(C, O, ctx.bf16);
  if (const Packed<T> shared = shared_pack(ctx, C, O, w.as<T>(), use, [&] { return B; }); shared.data)
    return make_tensor(const_cast<T*>(shared.data), dtype_of<T>(), {size});
  Tensor memory = new_tensor(arena, dtype_of<T>(), {size});
  ScratchScope scope(ctx.scratch);
  pack(ctx, C, O, B, memory.as<T>());
  return memory;
}

template <class T>
void product(Context ctx, const Tensor& x, const Tensor& packed, const Packed<T>& w, const Tensor& bias, const Tensor& y, const PackedLinear::After& after) {
  ScratchScope scope(ctx.scratch);
  const Epilogue<T> e{.bias = bias ? bias.as<T>() : nullptr, .gelu = after.gelu, .residual = after.residual ? after.residual->value.as<T>() : nullptr};
  if (ctx.team && ctx.team->has_others() && packed.bytes() >= kTogetherBytes) gemm_together(ctx, x.dim(0), x.as<T>(), w, y.as<T>(), e);
  else gemm(ctx, x.dim(0), {x.as<T>(), w.K}, w, y.as<T>(), w.N, e);
}

}  // namespace

PackedLinear::PackedLinear(Context ctx, Arena& arena, const Tensor& w, const Tensor& bias)
    : inputs_(w.size() / w.dim(0)), outputs_(w.dim(0)), bf16_(ctx.bf16), bias_(bias) {
  packed_ = w.dtype == DType::f32 ? packed<float>(ctx, arena, w, inputs_, outputs_) : packed<double>(ctx, arena, w, inputs_, outputs_);
}

Var* PackedLinear::apply(Tape& tape, Var* x, const After& after) const {
  const Tensor& in = x->value;
  Tensor y = tape.alloc(in.dtype, {in.dim(0), outputs_});
  if (in.dtype == DType::f32)
    product<float>(tape.context(), in, packed_, {packed_.as<float>(), inputs_, outputs_, bf16_}, bias_, y, after);
  else product<double>(tape.context(), in, packed_, {packed_.as<double>(), inputs_, outputs_}, bias_, y, after);
  return tape.constant(y);
}

}  // namespace a2s
