// The parameters of a model: named tensors laid out one after another in four flat buffers (values, gradients and the
// two AdamW moments), so that the optimizer, the gradient norm and a checkpoint each are one pass over memory.
#pragma once
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "core/rng.h"
#include "core/tensor.h"

namespace a2s {

class Params;

struct Param {
  std::string name;
  Tensor value, grad;  // the gradient has no data before Params::need_grads()
  bool trainable = true;
  double init_std = 0;   // normal with this deviation …
  double init_fill = 0;  // … around this value
  int64_t offset = 0;    // elements from the start of the flat buffers
  size_t index = 0;      // in the order of declaration
  int64_t parts = 0;     // published as that many tensors, stacked here on axis 0 (add_split); 0: as itself
  Params* owner = nullptr;
};

/** A tensor under the name it is published by: a parameter, or one part of a split one. */
struct ParamEntry {
  std::string name;
  Tensor value, grad;
  Param* param;
};

class Params {
 public:
  explicit Params(DType dtype) : dtype_(dtype) {}
  Params(const Params&) = delete;

  /** Declares a tensor. References stay valid. Throws on a name declared before. */
  Param& add(std::string name, std::initializer_list<int64_t> shape, double init_std, double init_fill = 0);
  /** Declares `parts` tensors of one shape as one parameter, stacked on axis 0 and named `prefix.suffix`;
   *  published as `prefix.{i}.suffix`. */
  Param& add_split(const std::string& prefix, const std::string& suffix, int64_t parts,
                   std::initializer_list<int64_t> shape, double init_std, double init_fill = 0);
  /** Lays out the buffers (64-byte aligned tensors, gaps zero) and draws the initial values; without a seed they are zero, until they
   *  are loaded. Once, after the last add. */
  void allocate(std::optional<uint64_t> seed);

  DType dtype() const { return dtype_; }
  std::deque<Param>& list() { return list_; }
  const std::deque<Param>& list() const { return list_; }
  Param* find(std::string_view name);
  /** Every tensor under its published name, in the order of declaration: what is loaded, saved and compared. */
  std::vector<ParamEntry> entries();
  /** Elements of each flat buffer, gaps included. */
  int64_t flat_size() const { return flat_size_; }
  void* values() { return values_.data(); }
  const void* values() const { return values_.data(); }
  /** Another number after each change of the values: whoever keeps what was made of them compares it. Who changes them says so. */
  uint64_t version() const { return version_; }
  void changed() { ++version_; }
  void* grads() { return need_grads(), grads_.data(); }
  void* exp_avg() { return moments_[0].data(); }
  void* exp_avg_sq() { return moments_[1].data(); }
  /** Gradients exist, zero at first, from the first pass that wants them on: a model that only speaks has none. */
  void need_grads();
  void zero_grad();
  /** The moments exist from the first optimizer step on. */
  void allocate_moments();

 private:
  struct Buffer {
    Arena arena;
    void* p = nullptr;
    void* data() const { return p; }
    void allocate(size_t bytes);
  };
  size_t bytes() const { return static_cast<size_t>(flat_size_) * size_of(dtype_); }

  DType dtype_;
  std::deque<Param> list_;
  int64_t flat_size_ = 0;
  uint64_t version_ = 0;
  Buffer values_, grads_, moments_[2];
};

}  // namespace a2s
