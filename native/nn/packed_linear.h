// A linear layer for many small calls.
#pragma once
#include "core/tape.h"

namespace a2s {

/** The weight packed once in the order in which the product reads it: with a few rows a call, packing costs more than
 *  multiplying. Large f32 weights that are all bf16 are packed as such for calls of few rows, which wait for memory. Gives
 *  the bits of `linear`. Inference only; the weight must not change meanwhile. */
class PackedLinear {
 public:
  PackedLinear() = default;
  /** w [O, …] is read as [O, C]; its packed copy lies in `arena`, the bias [O] stays where it is. `rows`: of a call, at most. */
  PackedLinear(Context ctx, Arena& arena, const Tensor& w, const Tensor& bias = {}, int64_t rows = kMany);

  /** x [R,C] -> [R,O] */
  Var* apply(Tape& tape, Var* x, bool gelu = false) const;

 private:
  static constexpr int64_t kMany = 1 << 20;
  int64_t inputs_ = 0, outputs_ = 0;
  Tensor packed_, bias_;
};

}  // namespace a2s
