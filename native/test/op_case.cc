#include "test/op_case.h"

#include <algorithm>

#include "core/rng.h"
#include "test/safetensors.h"

namespace a2s::test {

namespace fs = std::filesystem;

namespace {

double attr_value(const Attr& a, const Json& v) {
  if (!v.is(Json::Type::string)) return v.number;
  for (size_t i = 0; i < a.choices.size(); ++i)
    if (v.string == a.choices[i]) return static_cast<double>(i);
  throw std::runtime_error(std::string(a.name) + ": no choice " + v.string);
}

/** Memory that nobody wrote reads as NaN, so that forgetting to write shows. */
void poison(Arena& arena, size_t bytes) {
  ScratchScope scope(arena);
  std::memset(arena.alloc(bytes), 0xff, bytes);
}

}  // namespace

std::vector<fs::path> files_ending(const std::string& suffix) {
  std::vector<fs::path> paths;
  for (auto& e : fs::recursive_directory_iterator(A2S_SOURCE_DIR)) {
    const std::string p = e.path().string();
    if (p.find("/node_modules/") != std::string::npos || p.find("/build/") != std::string::npos) continue;
    if (p.size() > suffix.size() && p.compare(p.size() - suffix.size(), suffix.size(), suffix) == 0) paths.push_back(e.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

bool wanted(const Options& o, const std::string& op) {
  return o.names.empty() || std::find(o.names.begin(), o.names.end(), op) != o.names.end();
}

std::string obstacle(const Options& o, const Op& op) {
  if (o.device == "cpu") return "";
  if (!test_device()) return devices().missing;
  return op.cuda_forward ? "" : "no CUDA twin";
}

void skip_obstructed(const Options& o) {
  for (const Op* op : all_ops())
    if (const std::string why = obstacle(o, *op); wanted(o, op->name) && !why.empty())
      run_test(op->name, "on " + o.device, [&] { throw Skip(why); });
}

bool differentiable(const Op& op) { return test_device() ? op.cuda_backward : op.backward; }

std::vector<Case> load_cases(const Options& options) {
  std::vector<Case> cases;
  for (const fs::path& path : files_ending(".cases.json")) {
    Json file = parse_json(read_file(path.string()));
    std::vector<Json> groups = file.is(Json::Type::array) ? file.items : std::vector<Json>{file};
    for (const Json& g : groups) {
      const Op* op = find_op(g.str("op"));
      if (!op) throw std::runtime_error(path.string() + ": op " + g.str("op") + ": expected a registered op");
      if (!wanted(options, op->name)) continue;
      for (const Json& c : g.find("cases")->items) cases.push_back({op, c});
    }
  }
  return cases;
}

std::vector<double> attr_values(const Op& op, const Json* given) {
  std::vector<double> values;
  for (const Attr& a : op.attrs) values.push_back(a.fallback);
  if (!given) return values;
  for (auto& [name, v] : given->members) {
    size_t i = 0;
    while (i < op.attrs.size() && name != op.attrs[i].name) ++i;
    if (i == op.attrs.size()) throw std::runtime_error(std::string(op.name) + ": attribute " + name + " does not exist");
    values[i] = attr_value(op.attrs[i], v);
  }
  return values;
}

void flatten(const Json& v, std::vector<double>& out) {
  if (v.is(Json::Type::array))
    for (const Json& i : v.items) flatten(i, out);
  else out.push_back(v.number);
}

std::vector<int64_t> shape_of(const Case& c, const Arg& a) {
  std::vector<int64_t> shape;
  if (const Json* shapes = c.json.find("shapes"))
    if (const Json* s = shapes->find(a.name)) {
      for (const Json& d : s->items) shape.push_back(static_cast<int64_t>(d.number));
      return shape;
    }
  std::istringstream tokens(a.axes);
  const Json* axes = c.json.find("axes");
  for (std::string t; tokens >> t;) {
    int64_t factor = 1;
    std::string letter = t;
    if (std::isdigit(static_cast<unsigned char>(t[0]))) {
      factor = std::stoll(t);
      letter = t.find('*') == std::string::npos ? "" : t.substr(t.find('*') + 1);
    }
    const Json* v = axes && !letter.empty() ? axes->find(letter) : nullptr;
    if (!letter.empty() && !v) throw std::runtime_error("case gives no extent for axis " + letter + " of " + a.name);
    if (v && v->is(Json::Type::array))
      for (const Json& d : v->items) shape.push_back(static_cast<int64_t>(d.number));
    else shape.push_back(factor * (v ? static_cast<int64_t>(v->number) : 1));
  }
  return shape;
}

std::set<std::string> absent_args(const Case& c) {
  std::set<std::string> absent;
  if (const Json* a = c.json.find("absent"))
    for (const Json& n : a->items) absent.insert(n.string);
  return absent;
}

Inputs make_inputs(const Case& c) {
  Inputs in;
  in.attrs = attr_values(*c.op, c.json.find("attrs"));
  const std::set<std::string> absent = absent_args(c);
  const Json *given = c.json.find("ints"), *ranges = c.json.find("range");
  Rng rng{7, static_cast<uint32_t>(Stream::test)};
  for (size_t k = 0; k < c.op->inputs.size(); ++k) {
    const Arg& a = c.op->inputs[k];
    Inputs::Value& v = in.args.emplace_back();
    if (absent.count(a.name)) continue;
    v.present = true;
    v.shape = shape_of(c, a);
    int64_t n = 1;
    for (int64_t d : v.shape) n *= d;
    if (a.kind == Kind::ints) {
      const Json* g = given ? given->find(a.name) : nullptr;
      if (!g) throw std::runtime_error(std::string("case gives no ints for ") + a.name);
      if (g->is(Json::Type::object)) {
        const double low = g->num("low", 0), high = g->num("high", 1);
        for (int64_t i = 0; i < n; ++i) v.values.push_back(std::floor(low + rng.uniform(k, i) * (high - low + 1)));
      } else {
        flatten(*g, v.values);
        if (static_cast<int64_t>(v.values.size()) != n) throw std::runtime_error(std::string(a.name) + ": wrong number of ints");
      }
      continue;
    }
    const Json* r = ranges ? ranges->find(a.name) : nullptr;
    for (int64_t i = 0; i < n; ++i) {
      double x = r ? r->items[0].number + rng.uniform(k, i) * (r->items[1].number - r->items[0].number) : rng.normal(k, i);
      v.values.push_back(static_cast<float>(x));  // the same value in both precisions
    }
  }
  return in;
}

Tensor cast(Arena& arena, const std::vector<int64_t>& shape, const std::vector<double>& values, DType dtype) {
  Tensor t = new_tensor(arena, dtype, std::span<const int64_t>(shape));
  for (int64_t i = 0; i < t.size(); ++i) {
    if (dtype == DType::f32) t.as<float>()[i] = static_cast<float>(values[i]);
    else if (dtype == DType::f64) t.as<double>()[i] = values[i];
    else t.as<int32_t>()[i] = static_cast<int32_t>(values[i]);
  }
  return t;
}

Run::Run(const Op& op, const Inputs& in, DType dtype, Device* device) {
  poison(test_scratch(), size_t{1} << 22);
  call = std::make_unique<Call>(op, test_context());
  if (device) mirror = std::make_unique<Mirror>(*device, op, test_pool());
  for (size_t i = 0; i < in.attrs.size(); ++i) call->attrs[i] = in.attrs[i];
  for (size_t k = 0; k < in.args.size(); ++k)
    if (in.args[k].present)
      call->in[k] = cast(arena, in.args[k].shape, in.args[k].values, op.inputs[k].kind == Kind::ints ? DType::i32 : dtype);
}

Run& Run::forward() {
  mirror ? mirror->prepare(*call) : prepare(*call);
  allocate(*call, arena);
  for (size_t i = 0; i < call->op.outputs.size(); ++i) std::memset(call->out[i].data, 0xff, call->out[i].bytes());
  for (size_t i = 0; i < call->op.saved.size(); ++i) std::memset(call->saved[i].data, 0xff, call->saved[i].bytes());
  mirror ? mirror->forward(*call) : run_forward(*call);
  return *this;
}

Run& Run::backward(double data_fill, double param_fill, const std::vector<std::vector<double>>* douts) {
  Rng rng{11, static_cast<uint32_t>(Stream::test)};
  for (size_t j = 0; j < call->op.outputs.size(); ++j) {
    Tensor& d = call->dout[j] = new_tensor(arena, call->out[j].dtype, call->out[j].shape());
    fill_zero(d);
    if (call->op.outputs[j].kind != Kind::data) continue;
    for (int64_t i = 0; i < d.size(); ++i) {
      double v = douts ? (*douts)[j][i] : static_cast<float>(rng.normal(j, i));
      d.dtype == DType::f32 ? void(d.as<float>()[i] = static_cast<float>(v)) : void(d.as<double>()[i] = v);
    }
  }
  for (size_t k = 0; k < call->op.inputs.size(); ++k) {
    Kind kind = call->op.inputs[k].kind;
    if (!call->in[k] || (kind != Kind::data && kind != Kind::param)) continue;
    Tensor& g = call->din[k] = new_tensor(arena, call->in[k].dtype, call->in[k].shape());
    for (int64_t i = 0; i < g.size(); ++i) {
      double v = kind == Kind::data ? data_fill : param_fill;
      g.dtype == DType::f32 ? void(g.as<float>()[i] = static_cast<float>(v)) : void(g.as<double>()[i] = v);
    }
  }
  mirror ? mirror->backward(*call) : run_backward(*call);
  return *this;
}

}  // namespace a2s::test
