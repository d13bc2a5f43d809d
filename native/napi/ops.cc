#include "napi/ops.h"

#include <vector>

#include "napi/task.h"
#include "napi/tensor.h"
#include "napi/values.h"

namespace a2s::js {
namespace {

using Refs = std::array<TensorRef, kMaxArgs>;

/** A call as JavaScript asked for it; holds its tensors until it has run. */
struct Request {
  const Op& op;
  Refs in, dout;
  std::array<double, 16> attrs;
};

template <class List>
std::string names_of(const List& list) {
  std::string names;
  for (auto& item : list) names += (names.empty() ? "" : ", ") + std::string(item.name);
  return names.empty() ? "none" : names;
}

/** Position of `name` in the list, or an error that names what there is. */
template <class List>
size_t index_of(const Op& op, const List& list, const std::string& name, const char* what) {
  for (size_t i = 0; i < list.size(); ++i)
    if (list[i].name == name) return i;
  fail_config(std::string(op.name) + ": " + name + ": expected one of its " + what + " (" + names_of(list) +
              "), got an unknown name");
}

/** Calls f(i, where, value) for each property that is not undefined; i is its position in the list. */
template <class List, class F>
void each_named(const Op& op, const List& list, const char* what, const Napi::Value& object, F&& f) {
  Napi::Object values = to_object(std::string(op.name) + ": " + what, object);
  Napi::Array keys = values.GetPropertyNames();
  for (uint32_t k = 0; k < keys.Length(); ++k) {
    std::string name = Napi::Value(keys[k]).ToString();
    Napi::Value value = values.Get(name);
    if (!value.IsUndefined()) f(index_of(op, list, name, what), std::string(op.name) + ": " + name, value);
  }
}

double to_attr(const Attr& attr, const std::string& where, const Napi::Value& value) {
  switch (attr.type) {
    case AttrType::boolean: return to_flag(where, value);
    case AttrType::integer:
    case AttrType::real: return to_number(where, value);
    case AttrType::choice: break;
  }
  std::string chosen = to_text(where, value), choices;
  for (size_t i = 0; i < attr.choices.size(); ++i) {
    if (chosen == attr.choices[i]) return static_cast<double>(i);
    choices += (i ? ", " : "") + std::string(attr.choices[i]);
  }
  fail_config(where + ": expected one of " + choices + ", got " + describe(value));
}

Request read_request(const Napi::CallbackInfo& info) {
  std::string name = to_text("runOp: name", info[0]);
  const Op* op = find_op(name);
  if (!op) fail_config("runOp: name: expected an op of opTable(), got " + describe(info[0]));
  Request request{*op, {}, {}, {}};
  each_named(*op, op->inputs, "inputs", info[1], [&](size_t i, const std::string& where, const Napi::Value& value) {
    request.in[i] = object_of<OwnedTensor>(where, value);
  });
  for (size_t i = 0; i < op->attrs.size(); ++i) request.attrs[i] = op->attrs[i].fallback;
  each_named(*op, op->attrs, "attributes", info[2], [&](size_t i, const std::string& where, const Napi::Value& value) {
    request.attrs[i] = to_attr(op->attrs[i], where, value);
  });
  return request;
}

/** Memory for a tensor whose shape prepare() has set. */
TensorRef own(Tensor& t) {
  auto owned = std::make_shared<OwnedTensor>(t.dtype, t.shape());
  t.data = owned->view.data;
  return owned;
}

Call make_call(const Request& request, Workspace& w) {
  Call call(request.op, w.context());
  call.attrs = request.attrs;
  for (size_t i = 0; i < request.op.inputs.size(); ++i)
    if (request.in[i]) call.in[i] = request.in[i]->view;
  prepare(call);
  return call;
}

NamedTensors run(const Request& request, Workspace& w) {
  Call call = make_call(request, w);
  NamedTensors outputs;
  for (size_t i = 0; i < request.op.outputs.size(); ++i)
    outputs.emplace_back(request.op.outputs[i].name, own(call.out[i]));
  allocate(call, w.arena, false);
  run_forward(call);
  return outputs;
}

void set_output_gradients(const Request& request, Call& call, Arena& arena) {
  for (size_t i = 0; i < request.op.outputs.size(); ++i) {
    Tensor& grad = call.dout[i];
    grad = call.out[i];
    if (!request.dout[i]) {
      grad.data = arena.alloc(grad.bytes());
      fill_zero(grad);
      continue;
    }
    const Tensor& given = request.dout[i]->view;
    if (given.dtype != grad.dtype || given.rank != grad.rank || !std::equal(given.dims, given.dims + given.rank, grad.dims))
      fail_shape(std::string(request.op.name) + ": d" + request.op.outputs[i].name + ": expected " +
                 name_of(grad.dtype) + " " + shape_string(grad.shape()) + ", got " + name_of(given.dtype) + " " +
                 shape_string(given.shape()));
    grad.data = given.data;
  }
}

NamedTensors run_gradients(const Request& request, Workspace& w) {
  const Op& op = request.op;
  Call call = make_call(request, w);
  allocate(call, w.arena);
  set_output_gradients(request, call, w.arena);
  run_forward(call);
  w.check_cancelled(op.name);
  NamedTensors gradients;
  for (size_t i = 0; i < op.inputs.size(); ++i) {
    bool differentiable = op.inputs[i].kind == Kind::data || op.inputs[i].kind == Kind::param;
    if (!call.in[i] || !differentiable) continue;
    call.din[i] = call.in[i];
    gradients.emplace_back(op.inputs[i].name, own(call.din[i]));
    if (op.inputs[i].kind == Kind::param) fill_zero(call.din[i]);
  }
  run_backward(call);
  return gradients;
}

Napi::Value deliver(Napi::Env env, NamedTensors& tensors) { return make_tensor_values(env, tensors); }

const char* name_of(Kind kind) {
  return kind == Kind::data ? "data" : kind == Kind::param ? "param" : kind == Kind::ints ? "ints" : "fixed";
}
const char* name_of(AttrType type) {
  return type == AttrType::integer ? "integer" : type == AttrType::real ? "real" : type == AttrType::boolean ? "boolean" : "choice";
}

/** f(object, item) fills one object a list item. */
template <class List, class F>
Napi::Array to_array(Napi::Env env, const List& list, F&& fill) {
  auto array = Napi::Array::New(env, list.size());
  for (size_t i = 0; i < list.size(); ++i) {
    auto object = Napi::Object::New(env);
    fill(object, list[i]);
    array.Set(static_cast<uint32_t>(i), object);
  }
  return array;
}

Napi::Array args_to_array(Napi::Env env, const std::vector<Arg>& args) {
  return to_array(env, args, [](Napi::Object& object, const Arg& arg) {
    object.Set("name", arg.name);
    object.Set("axes", arg.axes);
    object.Set("doc", arg.doc);
    object.Set("kind", name_of(arg.kind));
    object.Set("optional", arg.optional);
  });
}

Napi::Array attrs_to_array(Napi::Env env, const std::vector<Attr>& attrs) {
  return to_array(env, attrs, [env](Napi::Object& object, const Attr& attr) {
    object.Set("name", attr.name);
    object.Set("type", name_of(attr.type));
    object.Set("fallback", attr.fallback);
    object.Set("low", attr.low);
    object.Set("high", attr.high);
    object.Set("doc", attr.doc);
    auto choices = Napi::Array::New(env);
    for (size_t i = 0; i < attr.choices.size(); ++i) choices.Set(static_cast<uint32_t>(i), attr.choices[i]);
    object.Set("choices", choices);
  });
}

}  // namespace

Napi::Value run_op(const Napi::CallbackInfo& info) {
  return submit(
      info.Env(), info[3], [request = read_request(info)](Workspace& w) { return run(request, w); }, deliver);
}

Napi::Value op_gradients(const Napi::CallbackInfo& info) {
  Request request = read_request(info);
  const Op& op = request.op;
  if (!op.backward)
    fail_config(std::string(op.name) + ": gradients: expected a differentiable op, got one without a backward");
  each_named(op, op.outputs, "outputs", info[3], [&](size_t i, const std::string& where, const Napi::Value& value) {
    request.dout[i] = object_of<OwnedTensor>(where, value);
  });
  return submit(
      info.Env(), info[4], [request = std::move(request)](Workspace& w) { return run_gradients(request, w); }, deliver);
}

Napi::Value op_table(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  return to_array(env, all_ops(), [env](Napi::Object& object, const Op* op) {
    object.Set("name", op->name);
    object.Set("summary", op->summary);
    object.Set("formula", op->formula);
    object.Set("source", op->source);
    object.Set("inputs", args_to_array(env, op->inputs));
    object.Set("outputs", args_to_array(env, op->outputs));
    object.Set("attrs", attrs_to_array(env, op->attrs));
    object.Set("differentiable", op->backward != nullptr);
  });
}

}  // namespace a2s::js
