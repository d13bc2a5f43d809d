// How a CUDA twin refuses values: kernels raise a word, and where it is up the CPU says what is wrong with the inputs, so
// that both name the same thing in the same words.
#pragma once
#include "core/op.h"

namespace a2s {

class Refusal {
 public:
  /** Takes the word from the call's scratch and clears it, in the stream's order. */
  explicit Refusal(const Call& c);
  /** In device memory. Kernels store 1 in it where they meet a value that the op refuses. */
  int32_t* word() const { return word_; }
  /** Waits for the kernels. Throws what the op throws on the CPU for these inputs if the word was raised. */
  void settle() const;

 private:
  const Call& call_;
  int32_t* word_;
};

}  // namespace a2s
