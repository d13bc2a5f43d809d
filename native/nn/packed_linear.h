// A linear layer for many small calls.
#pragma once
#include "core/tape.h"

namespace a2s {

/** The weight packed once in the order in which the product reads it: with a few rows a call, packing costs more than
 *  multiplying. Gives the bits of `linear` in the same context. Inference only; the weight must not change meanwhile. */
class PackedLinear {
 public:
  struct After {
    bool gelu = false;
    Var* residual = nullptr;  // [R,O], added last
  };

  PackedLinear() = default;
  /** w [O, …] is read as [O, C]; its packed copy lies in `arena`, or where the context's passes share it. The bias [O] stays where it is. */
  PackedLinear(Context ctx, Arena& arena, const Tensor& w, const Tensor& bias = {});

  /** x [R,C] -> [R,O]; in a team, which then has to apply the same layers, a large weight is read once for everybody. */
  Var* apply(Tape& tape, Var* x, const After& after) const;
  Var* apply(Tape& tape, Var* x) const { return apply(tape, x, {}); }
  /** It will be applied soon: threads that have nothing to do fetch its weight. */
  void expect(const Context& ctx) const { ctx.pool.expect(packed_.data, packed_.bytes()); }

 private:
  int64_t inputs_ = 0, outputs_ = 0;
  bool bf16_ = false;
  Tensor packed_, bias_;
};

}  // namespace a2s
