// Reverse-mode differentiation over ops. A model's forward is written once, as calls of `apply`; the tape keeps what
// each op saved and runs the backwards in reverse order. Everything lives in one arena: a step that has run before
// with the same sizes allocates nothing.
//
//   Tape tape(ctx, arena);
//   Var* y = tape.apply(layer_norm, {x, tape.param(w)}, {{"eps", 1e-5}});
//   tape.backward(loss);     // parameters' gradients are accumulated, those of leaves readable through Var::grad()
//
// A gradient's memory is used again as soon as the op that it came back to has passed it on.
#pragma once
#include <atomic>
#include <deque>

#include "core/op.h"
#include "core/params.h"
#include "core/turns.h"

namespace a2s {

/** Memory of a gradient, and how many slots it stands in. */
struct GradBuffer {
  void* data;
  size_t bytes;
  int slots = 1;
};

/** Shared by a variable and its views. */
struct GradSlot {
  Tensor grad;  // no data until the first gradient arrives
  GradBuffer* buffer = nullptr;  // its memory, where the tape may use that again
  bool wanted = false;
  const Param* param = nullptr;  // whose gradient it is, or a part of it
};

struct Var {
  Tensor value;
  GradSlot* slot;
  bool wanted() const { return slot->wanted; }
  /** The gradient in this view's shape; without data when none arrived. */
  Tensor grad() const {
    Tensor g = value;
    g.data = slot->grad.data;
    return g;
  }
};

using AttrList = std::initializer_list<std::pair<const char*, double>>;

class Tape {
 public:
  enum class Mode { train, infer };

  /** In `infer` mode nothing is recorded. The arena is not reset here: its owner does that between steps. */
  Tape(Context ctx, Arena& arena, Mode mode = Mode::train) : ctx_(ctx), arena_(arena), mode_(mode) {}
  Tape(const Tape&) = delete;

  /** A value without gradient. */
  Var* constant(const Tensor& t) { return add(t, false); }
  /** A value whose gradient is wanted. */
  Var* leaf(const Tensor& t) { return add(t, mode_ == Mode::train); }
  Var* param(Param& p);
  /** Rows [begin, begin + count) of a parameter's first axis, as a parameter. */
  Var* param_rows(Param& p, int64_t begin, int64_t count);
  /** The same memory under another shape of the same size. */
  Var* view(Var* v, std::initializer_list<int64_t> shape);
  /** Rows [begin, begin + count) of a computed value's first axis, in place; its gradient is that part of v's. */
  Var* rows(Var* v, int64_t begin, int64_t count);

  /** Runs an op and returns its first output; a null input is an absent optional one. `over`: the input whose memory the output takes, as
   *  neither backward nor anybody else reads that value again. */
  Var* apply(const Op& op, std::initializer_list<Var*> inputs, AttrList attrs = {}, const Var* over = nullptr);
  /** The same, all outputs. */
  std::array<Var*, 4> apply_all(const Op& op, std::initializer_list<Var*> inputs, AttrList attrs = {}, const Var* over = nullptr);

  /** Back-propagates from `root` (any shape); `seed` is d loss / d root, ones when it has no data. */
  void backward(Var* root, Tensor seed = {});

  Tensor alloc(DType dtype, std::initializer_list<int64_t> shape) { return new_tensor(arena_, dtype, shape); }
  Context& context() { return ctx_; }
  Arena& arena() { return arena_; }
  bool training() const { return mode_ == Mode::train; }
  /** Of a pass beside others: when it may add to the gradients of parameters. */
  PassTurns* turns = nullptr;
  /** Checked before each op; when set, the running call ends with Error(Cancelled). */
  std::atomic<bool>* cancel = nullptr;

 private:
  struct Node {
    Call* call;
    std::array<Var*, kMaxArgs> in;
    std::array<Var*, 4> out;
  };
  Var* add(const Tensor& t, bool wanted);
  Var* cut(Var* v, int64_t begin, int64_t count);
  void new_gradient(GradSlot& slot, const Tensor& like);
  void release(GradSlot& slot);
  void add_gradient(Var* v, const Tensor& share);
  void back(Node& node);
  template <class F>
  void each_param(const Node& node, F&& f) const;
  template <class T>
  T* make(T value);

  Context ctx_;
  Arena& arena_;
  Mode mode_;
  std::vector<Node*> nodes_;
  std::vector<GradBuffer*> free_;
};

}  // namespace a2s
