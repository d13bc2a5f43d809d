#include "core/op.h"

#include <cmath>
#include <sstream>

namespace a2s {
namespace {

std::string quoted(std::string_view op, std::string_view arg) { return std::string(op) + ": " + std::string(arg); }

/** Calls f(token) for each space-separated token of an axes string. */
template <class F>
void each_axis(std::string_view axes, F&& f) {
  size_t i = 0;
  while (i < axes.size()) {
    size_t j = axes.find(' ', i);
    if (j == std::string_view::npos) j = axes.size();
    if (j > i) f(axes.substr(i, j - i));
    i = j + 1;
  }
}

/** "3*C" -> factor 3, name "C"; "4" -> factor 4, name "". */
struct Term {
  int64_t factor = 1;
  std::string_view name;
  explicit Term(std::string_view token) : name(token) {
    if (token[0] < '0' || token[0] > '9') return;
    factor = 0;
    size_t i = 0;
    for (; i < token.size() && token[i] >= '0' && token[i] <= '9'; ++i) factor = factor * 10 + (token[i] - '0');
    name = i < token.size() ? token.substr(i + 1) : std::string_view{};
  }
};

bool is_float(DType t) { return t == DType::f32 || t == DType::f64; }

}  // namespace

int64_t Axes::find(std::string_view name) const {
  for (int i = 0; i < count_; ++i)
    if (entries_[i].name == name) return entries_[i].extent;
  return -1;
}

int64_t Axes::operator[](std::string_view name) const {
  int64_t n = find(name);
  if (n < 0) fail_shape("axis " + std::string(name) + " is not bound");
  return n;
}

void Axes::bind(std::string_view name, int64_t extent, const char* owner) {
  if (count_ == static_cast<int>(entries_.size())) fail_shape("more than 24 axis names");
  entries_[count_++] = {name, extent, owner};
}

Call::Call(const Op& op, Context ctx) : op(op), ctx(ctx) {
  for (size_t i = 0; i < op.attrs.size(); ++i) attrs[i] = op.attrs[i].fallback;
}

DType Call::dtype() const {
  for (size_t i = 0; i < op.inputs.size(); ++i)
    if (op.inputs[i].kind != Kind::ints && in[i]) return in[i].dtype;
  return DType::f32;
}

void Call::set(std::string_view attr, double value) {
  for (size_t i = 0; i < op.attrs.size(); ++i)
    if (op.attrs[i].name == attr) {
      attrs[i] = value;
      return;
    }
  fail_config(quoted(op.name, attr) + ": expected an attribute of this op, got an unknown name");
}

double Call::num(std::string_view attr) const {
  for (size_t i = 0; i < op.attrs.size(); ++i)
    if (op.attrs[i].name == attr) return attrs[i];
  fail_config(quoted(op.name, attr) + ": expected an attribute of this op, got an unknown name");
}

namespace {

void check_attrs(const Call& c) {
  for (size_t i = 0; i < c.op.attrs.size(); ++i) {
    const Attr& a = c.op.attrs[i];
    double v = c.attrs[i];
    bool whole = a.type == AttrType::real || v == std::floor(v);
    if (v >= a.low && v <= a.high && whole) continue;  // false for NaN
    std::ostringstream s;
    s << c.op.name << ": " << a.name << ": expected " << (a.type == AttrType::real ? "a number" : "an integer")
      << " in [" << a.low << ", " << a.high << "], got " << v;
    fail_config(s.str());
  }
}

}  // namespace

void prepare(Call& c) {
  const Op& op = c.op;
  if (c.ctx.device && !op.cuda_forward)
    fail(ErrorCode::Device, quoted(op.name, "device") + ": expected an op with a CUDA twin, got one without");
  check_attrs(c);
  Axes axes;

  auto match = [&](const Arg& a, const Tensor& t) {
    int lead = 0, named = 0;
    bool any = false;
    each_axis(a.axes, [&](std::string_view tok) { tok == "..." ? any = true : (++named, true); });
    lead = t.rank - named;
    if (lead < 0 || (!any && lead != 0))
      fail_shape(quoted(op.name, a.name) + ": expected axes [" + a.axes + "], got shape " + shape_string(t.shape()));
    int i = 0;
    each_axis(a.axes, [&](std::string_view tok) {
      if (tok == "...") {
        if (axes.lead_rank_ < 0) {
          axes.lead_rank_ = lead;
          for (int j = 0; j < lead; ++j) axes.lead_[j] = t.dims[j];
        }
        bool same = axes.lead_rank_ == lead;
        for (int j = 0; same && j < lead; ++j) same = axes.lead_[j] == t.dims[j];
        if (!same)
          fail_shape(quoted(op.name, a.name) + ": leading axes: expected " +
                     shape_string({axes.lead_.data(), static_cast<size_t>(axes.lead_rank_)}) + ", got shape " +
                     shape_string(t.shape()));
        i += lead;
        return;
      }
      Term term(tok);
      int64_t extent = t.dims[i++];
      if (term.name.empty()) {
        if (extent != term.factor)
          fail_shape(quoted(op.name, a.name) + ": expected " + std::string(tok) + " in axes [" + a.axes +
                     "], got shape " + shape_string(t.shape()));
        return;
      }
      if (extent % term.factor)
        fail_shape(quoted(op.name, a.name) + ": axis " + std::string(tok) + ": expected a multiple of " +
                   std::to_string(term.factor) + ", got " + std::to_string(extent));
      int64_t value = extent / term.factor, bound = axes.find(term.name);
      if (bound < 0) {
        axes.bind(term.name, value, a.name);
      } else if (bound != value) {
        const char* owner = "";
        for (int j = 0; j < axes.count_; ++j)
          if (axes.entries_[j].name == term.name) owner = axes.entries_[j].owner;
        fail_shape(quoted(op.name, a.name) + ": axis " + std::string(term.name) + " is " + std::to_string(value) +
                   ", but " + owner + " has " + std::string(term.name) + "=" + std::to_string(bound));
      }
    });
  };

  DType dtype = c.dtype();
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    const Arg& a = op.inputs[i];
    const Tensor& t = c.in[i];
    if (!t) {
      if (!a.optional) fail_shape(quoted(op.name, a.name) + ": expected a tensor [" + a.axes + "], got none");
      continue;
    }
    const bool halves = a.kind == Kind::kept && t.dtype == DType::bf16 && dtype == DType::f32;
    DType want = a.kind == Kind::ints ? DType::i32 : dtype;
    if (!halves && (t.dtype != want || (a.kind != Kind::ints && !is_float(t.dtype))))
      fail_shape(quoted(op.name, a.name) + ": expected dtype " +
                 (a.kind == Kind::ints ? "i32" : is_float(dtype) ? name_of(dtype) : "f32 or f64") + ", got " +
                 name_of(t.dtype));
    match(a, t);
  }
  if (op.axes) op.axes(axes, c);
  if (op.check) op.check(c);

  auto shape_of = [&](const Arg& a, Tensor& t) {
    t.dtype = a.kind == Kind::ints ? DType::i32 : dtype;
    t.rank = 0;
    each_axis(a.axes, [&](std::string_view tok) {
      if (tok == "...") {
        for (int j = 0; j < axes.lead_rank_; ++j) t.dims[t.rank++] = axes.lead_[j];
        return;
      }
      Term term(tok);
      t.dims[t.rank++] = term.name.empty() ? term.factor : term.factor * axes[term.name];
    });
  };
  for (size_t i = 0; i < op.outputs.size(); ++i) shape_of(op.outputs[i], c.out[i]);
  for (size_t i = 0; i < op.saved.size(); ++i) shape_of(op.saved[i], c.saved[i]);
}

void allocate(Call& c, Arena& arena, bool gradient) {
  for (size_t i = 0; i < c.op.outputs.size(); ++i)
    if (!c.out[i]) c.out[i].data = arena.alloc(c.out[i].bytes());
  for (size_t i = 0; i < c.op.saved.size(); ++i)
    if (!c.saved[i] && (gradient || !c.op.saved[i].optional)) c.saved[i].data = arena.alloc(c.saved[i].bytes());
}

void run_forward(Call& c) {
  ScratchScope scope(c.ctx.scratch);
  c.ctx.device ? c.op.cuda_forward(c) : c.op.forward(c);
}

void run_backward(Call& c) {
  if (!c.op.backward) fail_config(std::string(c.op.name) + ": backward: expected a differentiable op, got one without");
  if (c.ctx.device && !c.op.cuda_backward)
    fail(ErrorCode::Device, quoted(c.op.name, "backward") + ": expected an op with a CUDA twin of it, got one without");
  ScratchScope scope(c.ctx.scratch);
  c.ctx.device ? c.op.cuda_backward(c) : c.op.backward(c);
}

void apply(Call& c, Arena& arena) {
  prepare(c);
  allocate(c, arena);
  run_forward(c);
}

void check_ints(const Call& c, int arg, int64_t low, int64_t high) {
  if (!c.in[arg] || c.ctx.device) return;
  const int32_t* v = c.in[arg].as<int32_t>();
  for (int64_t i = 0, n = c.in[arg].size(); i < n; ++i)
    if (v[i] < low || v[i] > high)
      fail_shape(quoted(c.op.name, c.op.inputs[arg].name) + ": element " + std::to_string(i) + ": expected " +
                 std::to_string(low) + " to " + std::to_string(high) + ", got " + std::to_string(v[i]));
}

double flops_of(const Call& c) {
  if (c.op.flops) return c.op.flops(c);
  return static_cast<double>(c.out[0].size());
}

double bytes_of(const Call& c) {
  double sum = 0;
  for (const Tensor& t : c.in)
    if (t) sum += static_cast<double>(t.bytes());
  for (size_t i = 0; i < c.op.outputs.size(); ++i) sum += static_cast<double>(c.out[i].bytes());
  for (size_t i = 0; i < c.op.saved.size(); ++i) sum += static_cast<double>(c.saved[i].bytes());
  return sum;
}

const Op* find_op(std::string_view name) {
  for (const Op* op : all_ops())
    if (op->name == name) return op;
  return nullptr;
}

}  // namespace a2s
