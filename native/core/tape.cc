#include "core/tape.h"

#include <new>

#include "core/simd.h"

namespace a2s {
namespace {

template <class T>
void add_to(T* y, const T* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] += x[i];
}

void accumulate(const Tensor& into, const Tensor& from, Pool& pool) {
  pool.ranges(into.size(), 1 << 16, [&](int64_t b, int64_t e) {
    if (into.dtype == DType::f32) add_to(into.as<float>() + b, from.as<float>() + b, e - b);
    else add_to(into.as<double>() + b, from.as<double>() + b, e - b);
  });
}

}  // namespace

// Nodes live in the arena and are never destroyed; all of them are trivially destructible.
template <class T>
T* Tape::make(T value) {
  return new (arena_.alloc(sizeof(T))) T(std::move(value));
}

Var* Tape::add(const Tensor& t, bool wanted) {
  return make(Var{t, make(GradSlot{{}, wanted, false})});
}

Var* Tape::param(Param& p) {
  if (p.trainable && training()) p.owner->need_grads();
  Var* v = add(p.value, p.trainable && training());
  v->slot->grad = p.grad;
  v->slot->is_param = true;
  return v;
}

Var* Tape::param_rows(Param& p, int64_t begin, int64_t count) { return cut(param(p), begin, count); }

Var* Tape::rows(Var* v, int64_t begin, int64_t count) {
  GradSlot& whole = *v->slot;
  if (whole.wanted && !whole.grad.data) {
    whole.grad = new_tensor(arena_, v->value.dtype, v->value.shape());
    fill_zero(whole.grad);
  }
  Var* part = make(Var{v->value, make(GradSlot(whole))});
  return cut(part, begin, count);
}

Var* Tape::cut(Var* v, int64_t begin, int64_t count) {
  if (begin < 0 || count < 1 || begin + count > v->value.dims[0])
    fail_shape("rows: range: expected rows of 0.." + std::to_string(v->value.dims[0] - 1) + ", got " +
               std::to_string(begin) + ".." + std::to_string(begin + count - 1));
  const int64_t row = v->value.size() / v->value.dims[0] * static_cast<int64_t>(size_of(v->value.dtype));
  for (Tensor* t : {&v->value, &v->slot->grad}) {
    t->dims[0] = count;
    if (t->data) t->data = static_cast<char*>(t->data) + begin * row;
  }
  return v;
}

Var* Tape::view(Var* v, std::initializer_list<int64_t> shape) {
  Tensor t = make_tensor(v->value.data, v->value.dtype, shape);
  if (t.size() != v->value.size())
    fail_shape("view: shape: expected " + std::to_string(v->value.size()) + " elements, got " + shape_string(t.shape()));
  return make(Var{t, v->slot});
}

Var* Tape::apply(const Op& op, std::initializer_list<Var*> inputs, AttrList attrs) {
  return apply_all(op, inputs, attrs)[0];
}

std::array<Var*, 4> Tape::apply_all(const Op& op, std::initializer_list<Var*> inputs, AttrList attrs) {
  if (cancel && cancel->load(std::memory_order_relaxed)) fail(ErrorCode::Cancelled, std::string(op.name) + ": cancelled");
  Call* call = make(Call(op, ctx_));
  for (auto& [name, value] : attrs) call->set(name, value);
  Node node{call, {}, {}};
  bool wanted = false;
  size_t i = 0;
  for (Var* v : inputs) {
    node.in[i] = v;
    if (v) {
      call->in[i] = v->value;
      bool differentiable = op.inputs[i].kind == Kind::data || op.inputs[i].kind == Kind::param;
      wanted |= differentiable && v->wanted();
    }
    ++i;
  }
  prepare(*call);
  wanted = wanted && op.backward != nullptr;
  allocate(*call, arena_);
  run_forward(*call);
  for (size_t j = 0; j < op.outputs.size() && j < 4; ++j)
    node.out[j] = add(call->out[j], wanted && op.outputs[j].kind == Kind::data);
  if (wanted) nodes_.push_back(make(node));
  return node.out;
}

void Tape::backward(Var* root, Tensor seed) {
  Tensor g = new_tensor(arena_, root->value.dtype, root->value.shape());
  if (seed) std::memcpy(g.data, seed.data, g.bytes());
  else
    for (int64_t i = 0; i < g.size(); ++i)
      g.dtype == DType::f32 ? void(g.as<float>()[i] = 1) : void(g.as<double>()[i] = 1);
  root->slot->grad = g;

  for (auto it = nodes_.rbegin(); it != nodes_.rend(); ++it) {
    Node& node = **it;
    Call& c = *node.call;
    bool reached = false;
    for (Var* v : node.out) reached |= v && v->slot->grad.data;
    if (!reached) continue;
    if (cancel && cancel->load(std::memory_order_relaxed)) fail(ErrorCode::Cancelled, std::string(c.op.name) + ": cancelled");

    for (size_t j = 0; j < c.op.outputs.size(); ++j) {
      c.dout[j] = c.out[j];
      c.dout[j].data = node.out[j] ? node.out[j]->slot->grad.data : nullptr;
      if (!c.dout[j].data) {
        c.dout[j] = new_tensor(arena_, c.out[j].dtype, c.out[j].shape());
        fill_zero(c.dout[j]);
      }
    }
    // An input that already has a gradient gets this op's share in a temporary first.
    ScratchScope scope(ctx_.scratch);
    std::array<bool, kMaxArgs> added{};
    for (size_t i = 0; i < c.op.inputs.size(); ++i) {
      Var* v = node.in[i];
      Kind kind = c.op.inputs[i].kind;
      c.din[i] = {};
      if (!v || !v->wanted() || (kind != Kind::data && kind != Kind::param)) continue;
      c.din[i] = v->value;
      GradSlot& slot = *v->slot;
      if (slot.is_param && kind == Kind::param) {
        c.din[i].data = slot.grad.data;
        continue;
      }
      if (slot.grad.data) {
        c.din[i].data = ctx_.scratch.alloc(c.din[i].bytes());
        added[i] = true;
      } else {
        slot.grad = new_tensor(arena_, c.din[i].dtype, c.din[i].shape());
        c.din[i].data = slot.grad.data;
      }
      if (kind == Kind::param) fill_zero(c.din[i]);  // a computed weight: its gradient is accumulated from zero
    }
    run_backward(c);
    for (size_t i = 0; i < c.op.inputs.size(); ++i)
      if (added[i]) accumulate(node.in[i]->grad(), c.din[i], ctx_.pool);
  }
}

}  // namespace a2s
