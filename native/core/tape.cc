#include "core/tape.h"

#include <algorithm>
#include <new>

#include "core/add.h"

namespace a2s {
namespace {

/** sum = a + b; sum may be a. */
void add_tensors(const Tensor& a, const Tensor& b, const Tensor& sum, Pool& pool) {
  pool.ranges(sum.size(), 1 << 16, [&](int64_t i, int64_t e) {
    if (sum.dtype == DType::f32) add_range(a.as<float>() + i, b.as<float>() + i, sum.as<float>() + i, e - i);
    else add_range(a.as<double>() + i, b.as<double>() + i, sum.as<double>() + i, e - i);
  });
}

}  // namespace

// Nodes live in the arena and are never destroyed; all of them are trivially destructible.
template <class T>
T* Tape::make(T value) {
  return new (arena_.alloc(sizeof(T))) T(std::move(value));
}

Var* Tape::add(const Tensor& t, bool wanted) {
  return make(Var{t, make(GradSlot{.wanted = wanted})});
}

Var* Tape::param(Param& p) {
  if (p.trainable && training()) p.owner->need_grads();
  Var* v = add(p.value, p.trainable && training());
  v->slot->grad = p.grad;
  v->slot->param = &p;
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
  for (Tensor* t : {&v->value, &v->slot->grad}) *t = rows_of(*t, begin, count);
  return v;
}

Var* Tape::view(Var* v, std::initializer_list<int64_t> shape) {
  Tensor t = make_tensor(v->value.data, v->value.dtype, shape);
  if (t.size() != v->value.size())
    fail_shape("view: shape: expected " + std::to_string(v->value.size()) + " elements, got " + shape_string(t.shape()));
  return make(Var{t, v->slot});
}

Var* Tape::apply(const Op& op, std::initializer_list<Var*> inputs, AttrList attrs, const Var* over) {
  return apply_all(op, inputs, attrs, over)[0];
}

std::array<Var*, 4> Tape::apply_all(const Op& op, std::initializer_list<Var*> inputs, AttrList attrs, const Var* over) {
  if (cancel && cancel->load(std::memory_order_relaxed)) fail(ErrorCode::Cancelled, std::string(op.name) + ": cancelled");
  Call call(op, ctx_);
  for (auto& [name, value] : attrs) call.set(name, value);
  Node node{};
  bool wanted = false;
  size_t i = 0;
  for (Var* v : inputs) {
    node.in[i] = v;
    if (v) {
      call.in[i] = v->value;
      bool differentiable = op.inputs[i].kind == Kind::data || op.inputs[i].kind == Kind::param;
      wanted |= differentiable && v->wanted();
    }
    ++i;
  }
  prepare(call);
  if (over) call.out[0].data = over->value.data;
  wanted = wanted && op.backward != nullptr;
  allocate(call, arena_, wanted);
  run_forward(call);
  for (size_t j = 0; j < op.outputs.size() && j < 4; ++j)
    node.out[j] = add(call.out[j], wanted && op.outputs[j].kind == Kind::data);
  if (wanted) {
    node.call = make(call), nodes_.push_back(make(node));
    if (turns) each_param(node, [&](const Param& p) { turns->expect(p); });
  }
  return node.out;
}

void Tape::new_gradient(GradSlot& slot, const Tensor& like) {
  slot.grad = like;
  const size_t bytes = like.bytes();
  auto found = std::find_if(free_.rbegin(), free_.rend(), [&](GradBuffer* b) { return b->bytes == bytes; });
  if (found == free_.rend()) slot.buffer = make(GradBuffer{arena_.alloc(bytes), bytes});
  else {
    slot.buffer = *found;
    slot.buffer->slots = 1;
    free_.erase(std::next(found).base());
  }
  slot.grad.data = slot.buffer->data;
}

void Tape::release(GradSlot& slot) {
  if (!slot.buffer) return;
  if (--slot.buffer->slots == 0) free_.push_back(slot.buffer);
  slot.buffer = nullptr;
  slot.grad.data = nullptr;
}

/** Adds to the gradient of v, which has arrived before; where it stands in other slots too, in memory of its own. */
void Tape::add_gradient(Var* v, const Tensor& share) {
  GradSlot& slot = *v->slot;
  const Tensor before = slot.grad;
  if (slot.buffer && slot.buffer->slots > 1) {
    --slot.buffer->slots;
    new_gradient(slot, before);
  }
  add_tensors(before, share, slot.grad, ctx_.pool);
}

/** Calls f(param) for each parameter to whose gradient the node adds. */
template <class F>
void Tape::each_param(const Node& node, F&& f) const {
  for (const Var* v : node.in)
    if (v && v->wanted() && v->slot->param) f(*v->slot->param);
}

void Tape::backward(Var* root, Tensor seed) {
  new_gradient(*root->slot, root->value);
  const Tensor& g = root->slot->grad;
  if (seed) std::memcpy(g.data, seed.data, g.bytes());
  else
    for (int64_t i = 0; i < g.size(); ++i)
      g.dtype == DType::f32 ? void(g.as<float>()[i] = 1) : void(g.as<double>()[i] = 1);
  for (auto it = nodes_.rbegin(); it != nodes_.rend(); ++it) {
    if (std::none_of((*it)->out.begin(), (*it)->out.end(), [](Var* v) { return v && v->slot->grad.data; })) continue;
    if (cancel && cancel->load(std::memory_order_relaxed))
      fail(ErrorCode::Cancelled, std::string((*it)->call->op.name) + ": cancelled");
    if (turns) each_param(**it, [&](const Param& p) { turns->begin(p); });
    back(**it);
    if (turns) each_param(**it, [&](const Param& p) { turns->end(p); });
    for (Var* v : (*it)->out)
      if (v) release(*v->slot);
  }
}

/** Brings the gradients of an op's outputs back to its inputs. */
void Tape::back(Node& node) {
  Call& c = *node.call;
  for (size_t j = 0; j < c.op.outputs.size(); ++j) {
    c.dout[j] = c.out[j];
    c.dout[j].data = node.out[j] ? node.out[j]->slot->grad.data : nullptr;
    if (!c.dout[j].data) {
      c.dout[j] = new_tensor(arena_, c.out[j].dtype, c.out[j].shape());
      fill_zero(c.dout[j]);
    }
  }
  // An input that already has a gradient gets this op's share in a temporary first, unless the op can add it itself.
  ScratchScope scope(ctx_.scratch);
  std::array<bool, kMaxArgs> added{};
  bool calls = false;
  c.adds = false;
  for (size_t i = 0; i < c.op.inputs.size(); ++i) {
    Var* v = node.in[i];
    Kind kind = c.op.inputs[i].kind;
    c.din[i] = {};
    if (!v || !v->wanted() || (kind != Kind::data && kind != Kind::param)) continue;
    GradSlot& slot = *v->slot;
    if (c.op.sum && node.out[0]->slot->buffer) {
      if (slot.grad.data) add_gradient(v, c.dout[0]);
      else {
        slot.grad = v->value;
        slot.buffer = node.out[0]->slot->buffer;
        slot.grad.data = slot.buffer->data;
        ++slot.buffer->slots;
      }
      continue;
    }
    calls = true;
    c.din[i] = v->value;
    if (slot.param && kind == Kind::param) {
      c.din[i].data = slot.grad.data;
      continue;
    }
    if (i == 0 && c.op.adds && slot.buffer && slot.buffer->slots == 1) {
      c.adds = true, c.din[i].data = slot.grad.data;
      continue;
    }
    added[i] = slot.grad.data;
    if (!added[i]) new_gradient(slot, v->value);
    c.din[i].data = added[i] ? ctx_.scratch.alloc(c.din[i].bytes()) : slot.grad.data;
    if (kind == Kind::param) fill_zero(c.din[i]);  // a computed weight: its gradient is accumulated from zero
  }
  if (!calls) return;
  run_backward(c);
  for (size_t i = 0; i < c.op.inputs.size(); ++i)
    if (added[i]) add_gradient(node.in[i], c.din[i]);
}

}  // namespace a2s
