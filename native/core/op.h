// The op contract. One `Op` value says everything about an operation: its arguments with named axes, its attributes,
// its formula and its functions. Argument checks, shape inference, the autograd tape, the JavaScript bindings, the
// TypeScript types, the op table in the docs and the tests are all derived from it.
//
// Rules that every op keeps:
//  * forward and backward are pure: no allocation but from `ctx.scratch`, no global state, no hidden synchronisation;
//  * gradients of data inputs are assigned, but where Call::adds says otherwise; gradients of parameters are accumulated;
//  * sums run in the tensor's precision or wider, in an order that does not depend on the number of threads.
#pragma once
#include <array>
#include <functional>
#include <string_view>
#include <vector>

#include "core/arena.h"
#include "core/pool.h"
#include "core/team.h"
#include "core/tensor.h"

namespace a2s {

class Device;
class Once;

/** What an op may use while it runs. Scratch taken during a call is given back when the call returns. */
struct Context {
  Pool& pool;
  Arena& scratch;
  /** Null on the CPU. Else the call runs on this device: scratch and every tensor of it are in its memory. */
  Device* device = nullptr;
  /** Matrix products of f32 round their operands to bf16, attention of a sequence to itself its keys and values; sums stay f32. */
  bool bf16 = false;
  /** Where the passes of one call, during which weights do not change, share what they make of them; or null. */
  Once* once = nullptr;
  /** The place of this thread among those that multiply by the same weights at the same time; or null. */
  Team::Member* team = nullptr;
};

enum class Kind : uint8_t {
  data,   // differentiable, gradient assigned
  param,  // differentiable, gradient accumulated
  fixed,  // floating point, no gradient
  kept,   // the same, or bf16 in a call of f32
  ints,   // int32
};

/** One tensor argument. `axes` names its axes in memory order: "B T C", "3*C C", "... C" (any leading axes), "1". */
struct Arg {
  const char* name;
  const char* axes;
  const char* doc;
  Kind kind = Kind::data;
  bool optional = false;
};

enum class AttrType : uint8_t { integer, real, boolean, choice };

struct Attr {
  const char* name;
  AttrType type;
  double fallback;  // value when the caller says nothing; for a choice its index
  double low, high;
  const char* doc;
  std::vector<const char*> choices = {};
};

// Shorthands, so that a contract reads as a table.
inline Arg data(const char* n, const char* axes, const char* doc) { return {n, axes, doc, Kind::data}; }
inline Arg param(const char* n, const char* axes, const char* doc) { return {n, axes, doc, Kind::param}; }
inline Arg fixed(const char* n, const char* axes, const char* doc) { return {n, axes, doc, Kind::fixed}; }
inline Arg kept(const char* n, const char* axes, const char* doc) { return {n, axes, doc, Kind::kept}; }
inline Arg ints(const char* n, const char* axes, const char* doc) { return {n, axes, doc, Kind::ints}; }
inline Arg maybe(Arg a) { return a.optional = true, a; }
inline Attr integer(const char* n, double fallback, double low, double high, const char* doc) {
  return {n, AttrType::integer, fallback, low, high, doc};
}
inline Attr real(const char* n, double fallback, double low, double high, const char* doc) {
  return {n, AttrType::real, fallback, low, high, doc};
}
inline Attr flag(const char* n, bool fallback, const char* doc) {
  return {n, AttrType::boolean, double(fallback), 0, 1, doc};
}
inline Attr choice(const char* n, std::vector<const char*> choices, const char* doc) {
  return {n, AttrType::choice, 0, 0, double(choices.size() - 1), doc, choices};
}

/** Extents bound to axis names while the arguments of one call are checked. */
class Axes {
 public:
  /** Extent of `name`, or -1 when unbound. */
  int64_t find(std::string_view name) const;
  /** Extent of a bound axis. */
  int64_t operator[](std::string_view name) const;
  void bind(std::string_view name, int64_t extent, const char* owner = "");

 private:
  friend void prepare(struct Call&);
  struct Entry {
    std::string_view name;
    int64_t extent;
    const char* owner;
  };
  std::array<Entry, 24> entries_;
  int count_ = 0;
  std::array<int64_t, kMaxRank> lead_{};
  int lead_rank_ = -1;
};

constexpr int kMaxArgs = 12;
using Tensors = std::array<Tensor, kMaxArgs>;
struct Op;

/** One invocation of an op. Absent optional tensors have no data. */
struct Call {
  const Op& op;
  Context ctx;
  Tensors in{}, out{}, saved{};
  Tensors dout{}, din{};  // backward: a `din` without data is not wanted; every `dout` has data
  std::array<double, 16> attrs{};
  bool adds = false;  // backward, of an op that can: din[0] holds a gradient, to which this one is added

  Call(const Op& op, Context ctx);  // attributes at their defaults
  DType dtype() const;              // of the first floating-point input
  void set(std::string_view attr, double value);
  double num(std::string_view attr) const;
  int64_t integer(std::string_view attr) const { return static_cast<int64_t>(num(attr)); }
  bool flag(std::string_view attr) const { return num(attr) != 0; }
  template <class T>
  T* scratch(int64_t count) const {
    return ctx.scratch.alloc<T>(count);
  }
};

struct Op {
  const char* name;
  const char* summary;  // what, in one sentence
  const char* formula;  // with indices
  const char* source;   // paper or specification of the mathematics
  std::vector<Arg> inputs;
  std::vector<Arg> outputs;
  std::vector<Arg> saved = {};  // written by forward, read by backward; optional: there only where that will come
  std::vector<Attr> attrs = {};
  /** Checks what axis names cannot say and binds the axes that only outputs have. */
  void (*axes)(Axes&, const Call&) = nullptr;
  void (*forward)(Call&) = nullptr;
  void (*backward)(Call&) = nullptr;  // null: not differentiable
  /** The gradient of each data input is that of the output: a tape lets them share it and need not call backward. */
  bool sum = false;
  /** Backward can add the gradient of the first input to another (Call::adds). */
  bool adds = false;
  /** The CUDA twin. Its own file sets it (CudaTwin), so it is null where that is not compiled in. */
  mutable void (*cuda_forward)(Call&) = nullptr;
  mutable void (*cuda_backward)(Call&) = nullptr;
  double (*flops)(const Call&) = nullptr;  // of forward; null: one per output element
  /** Values that shapes cannot check (indices in range, finite settings). Runs before forward. On a device it looks at
   *  attributes only: the values in tensors are out of its reach, and the twin refuses what it would have. */
  void (*check)(const Call&) = nullptr;
};

/** In an op's *_cuda.cu file: `const CudaTwin twin{my_op, forward, backward};`. */
struct CudaTwin {
  CudaTwin(const Op& op, void (*forward)(Call&), void (*backward)(Call&) = nullptr) {
    op.cuda_forward = forward, op.cuda_backward = backward;
  }
};

/** Every op, in the order of ops/ops.cc. */
const std::vector<const Op*>& all_ops();
const Op* find_op(std::string_view name);

/** Checks inputs and attributes, and sets dtype and shape of outputs and saved tensors (data stays as it was). */
void prepare(Call& c);
/** Takes outputs and saved tensors without data from `arena`; `gradient`: backward will come. */
void allocate(Call& c, Arena& arena, bool gradient = true);
/** Runs a prepared, allocated call. */
void run_forward(Call& c);
void run_backward(Call& c);
/** prepare + allocate + run_forward. */
void apply(Call& c, Arena& arena);

/** For `check`: every element of input `arg` (ints; absent is fine) lies in [low, high]. Nothing on a device. */
void check_ints(const Call& c, int arg, int64_t low, int64_t high);

double flops_of(const Call& c);
/** Bytes that a forward call has to move at least: every argument once. */
double bytes_of(const Call& c);

/** Calls `f<float>(args…)` or `f<double>(args…)` by the call's dtype. */
#define A2S_BY_DTYPE(call, f) ((call).dtype() == ::a2s::DType::f32 ? f<float>(call) : f<double>(call))

}  // namespace a2s
