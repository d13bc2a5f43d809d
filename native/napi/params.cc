#include "napi/params.h"

#include <algorithm>
#include <unordered_map>

#include "napi/task.h"
#include "napi/tensor.h"
#include "napi/values.h"

namespace a2s::js {
namespace {

enum class Which { values, grads, exp_avg, exp_avg_sq };

Which to_which(const Napi::Value& value) {
  const std::string text = to_text("parameters: which", value);
  if (text == "values") return Which::values;
  if (text == "grads") return Which::grads;
  if (text == "expAvg") return Which::exp_avg;
  if (text == "expAvgSq") return Which::exp_avg_sq;
  fail_config("parameters: which: expected values, grads, expAvg or expAvgSq, got " + describe(value));
}

/** The same tensor in one of the four flat buffers. */
Tensor in_buffer(Params& params, const ParamEntry& entry, Which which) {
  if (which == Which::values) return entry.value;
  if (which != Which::grads) params.allocate_moments();
  void* buffer = which == Which::grads ? params.grads() : which == Which::exp_avg ? params.exp_avg() : params.exp_avg_sq();
  Tensor t = entry.value;
  t.data = static_cast<char*>(buffer) + (static_cast<char*>(entry.value.data) - static_cast<char*>(params.values()));
  return t;
}

template <class To, class From>
void convert(const Tensor& to, const Tensor& from) {
  std::transform(from.as<From>(), from.as<From>() + from.size(), to.as<To>(), [](From v) { return static_cast<To>(v); });
}

void copy(const Tensor& to, const Tensor& from) {
  if (to.dtype == from.dtype) std::memcpy(to.data, from.data, to.bytes());
  else if (to.dtype == DType::f32) convert<float, double>(to, from);
  else convert<double, float>(to, from);
}

void check_entry(const ParamEntry& entry, const Tensor& given) {
  const Tensor& own = entry.value;
  if (given.dtype == DType::i32)
    fail(ErrorCode::Checkpoint, "parameters: " + entry.name + ": expected f32 or f64, got i32");
  if (!std::ranges::equal(own.shape(), given.shape()))
    fail(ErrorCode::Checkpoint, "parameters: " + entry.name + ": expected shape " + shape_string(own.shape()) + ", got " +
                                    shape_string(given.shape()));
}

/** The first few names of a list, and how many more there are. */
std::string some(const std::vector<std::string>& names) {
  std::string text;
  for (size_t i = 0; i < names.size() && i < 8; ++i) text += (i ? ", " : "") + names[i];
  return names.size() > 8 ? text + " and " + std::to_string(names.size() - 8) + " more" : text;
}

/** One tensor for each entry, in the entries' order. */
std::vector<TensorRef> match(const std::vector<ParamEntry>& entries, const Napi::Value& value) {
  Napi::Object given = to_object("parameters: tensors", value);
  std::unordered_map<std::string, size_t> index;
  for (size_t i = 0; i < entries.size(); ++i) index[entries[i].name] = i;
  std::vector<TensorRef> tensors(entries.size());
  std::vector<std::string> missing, unexpected;
  Napi::Array keys = given.GetPropertyNames();
  for (uint32_t k = 0; k < keys.Length(); ++k) {
    const std::string name = Napi::Value(keys[k]).ToString();
    auto found = index.find(name);
    if (found == index.end()) unexpected.push_back(name);
    else tensors[found->second] = object_of<OwnedTensor>("parameters: " + name, given.Get(name));
  }
  for (size_t i = 0; i < entries.size(); ++i)
    if (!tensors[i]) missing.push_back(entries[i].name);
  if (!missing.empty() || !unexpected.empty()) {
    std::string got = missing.empty() ? "" : std::to_string(missing.size()) + " missing (" + some(missing) + ")";
    if (!unexpected.empty())
      got += (got.empty() ? "" : " and ") + std::to_string(unexpected.size()) + " unexpected (" + some(unexpected) + ")";
    fail(ErrorCode::Checkpoint,
         "parameters: tensors: expected each of the model's " + std::to_string(entries.size()) + " once, got " + got);
  }
  for (size_t i = 0; i < entries.size(); ++i) check_entry(entries[i], tensors[i]->view);
  return tensors;
}

std::shared_ptr<Params> params_of(const Napi::Value& value) { return object_of<Params>("parameters", value); }

/** Those of the given names, or all. */
std::vector<ParamEntry> chosen(Params& params, const Napi::Value& names) {
  std::vector<ParamEntry> all = params.entries(), found;
  if (names.IsUndefined()) return all;
  if (!names.IsArray()) fail_type("parameters: names", "an array", names);
  const auto array = names.As<Napi::Array>();
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const std::string name = to_text("parameters: names", array[i]);
    auto entry = std::ranges::find_if(all, [&](const ParamEntry& e) { return e.name == name; });
    if (entry == all.end()) fail_config("parameters: names: expected a parameter of the model, got \"" + name + "\"");
    found.push_back(*entry);
  }
  return found;
}

}  // namespace

Napi::Value params_list(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  const std::vector<ParamEntry> entries = params_of(info[0])->entries();
  auto list = Napi::Array::New(env, entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    auto object = Napi::Object::New(env);
    object.Set("name", entries[i].name);
    object.Set("shape", from_shape(env, entries[i].value.shape()));
    object.Set("dtype", name_of(entries[i].value.dtype));
    object.Set("trainable", entries[i].param->trainable);
    list.Set(static_cast<uint32_t>(i), object);
  }
  return list;
}

Napi::Value params_read(const Napi::CallbackInfo& info) {
  std::shared_ptr<Params> params = params_of(info[0]);
  auto read = [params, which = to_which(info[1]), entries = chosen(*params, info[2])](Workspace& w) {
    NamedTensors tensors;
    for (const ParamEntry& entry : entries) {
      w.check_cancelled("parameters");
      tensors.emplace_back(entry.name, keep(in_buffer(*params, entry, which)));
    }
    return tensors;
  };
  return submit(info.Env(), info[3], read,
                [](Napi::Env env, NamedTensors& tensors) -> Napi::Value { return make_tensor_values(env, tensors); });
}

Napi::Value params_write(const Napi::CallbackInfo& info) {
  std::shared_ptr<Params> params = params_of(info[0]);
  auto write = [params, which = to_which(info[1]), tensors = match(params->entries(), info[2])](Workspace&) {
    const std::vector<ParamEntry> entries = params->entries();
    for (size_t i = 0; i < entries.size(); ++i) copy(in_buffer(*params, entries[i], which), tensors[i]->view);
    if (which == Which::values) params->changed();
    return Done{};
  };
  return submit(info.Env(), info[3], write, deliver_done);
}

Napi::Value params_zero_grad(const Napi::CallbackInfo& info) {
  auto zero = [params = params_of(info[0])](Workspace&) {
    params->zero_grad();
    return Done{};
  };
  return submit(info.Env(), info.Env().Undefined(), zero, deliver_done);
}

}  // namespace a2s::js
