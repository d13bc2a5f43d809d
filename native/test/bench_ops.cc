// The cases marked "bench" as benches.
#include "test/bench.h"
#include "test/op_case.h"

namespace a2s::test {
namespace {

/** The inputs of a case as JSON: shape and kind of each, and its values: a list of them, or the range they are drawn from. */
std::string describe_inputs(const Case& c) {
  const Json *given = c.json.find("ints"), *ranges = c.json.find("range");
  const std::set<std::string> absent = absent_args(c);
  std::ostringstream s;
  for (const Arg& a : c.op->inputs) {
    if (absent.count(a.name)) continue;
    const bool ints = a.kind == Kind::ints;
    const char* kind = ints ? "ints" : a.kind == Kind::data ? "data" : a.kind == Kind::param ? "param" : "fixed";
    s << (s.tellp() ? ",\"" : "{\"") << a.name << "\":{\"shape\":" << shape_string(shape_of(c, a)) << ",\"kind\":\"" << kind << "\"";
    const Json* values = ints && given ? given->find(a.name) : nullptr;
    const Json* range = !ints && ranges ? ranges->find(a.name) : nullptr;
    if (range) s << ",\"low\":" << range->items[0].number << ",\"high\":" << range->items[1].number;
    if (values && values->is(Json::Type::object)) s << ",\"low\":" << values->num("low", 0) << ",\"high\":" << values->num("high", 1);
    else if (values) {
      std::vector<double> list;
      flatten(*values, list);
      s << ",\"values\":[";
      for (size_t i = 0; i < list.size(); ++i) s << (i ? "," : "") << list[i];
      s << "]";
    }
    s << "}";
  }
  return s.tellp() ? s.str() + "}" : "{}";
}

std::string describe_attrs(const Op& op, const std::vector<double>& values) {
  std::ostringstream s;
  for (size_t i = 0; i < op.attrs.size(); ++i) {
    const Attr& a = op.attrs[i];
    s << (i ? ",\"" : "{\"") << a.name << "\":";
    if (a.type == AttrType::choice) s << "\"" << a.choices[static_cast<size_t>(values[i])] << "\"";
    else if (a.type == AttrType::boolean) s << (values[i] != 0 ? "true" : "false");
    else s << values[i];
  }
  return s.tellp() ? s.str() + "}" : "{}";
}

/** On a device one run is many, so that the way there and back is not what is timed. */
Pass make_pass(const char* name, double flops, double bytes, const std::shared_ptr<Run>& run, void (*pass)(Call&)) {
  if (!run->mirror) return {name, flops, bytes, [run, pass] { pass(*run->call); }};
  constexpr int kTimes = 20;
  auto many = [run, pass] {
    for (int i = 0; i < kTimes; ++i) pass(run->mirror->call());
    run->mirror->device().synchronize();
  };
  return {name, flops, bytes, many, kTimes};
}

/** Forward and backward of a case. Backward has to read and write the gradients at least. */
std::vector<Pass> passes_of(const Case& c, const Inputs& in) {
  auto run = std::make_shared<Run>(*c.op, in, DType::f32);
  run->forward();
  Call& call = *run->call;
  std::vector<Pass> passes{make_pass("forward", flops_of(call), bytes_of(call), run, run_forward)};
  if (!differentiable(*c.op)) return passes;
  run->backward(0, 0);
  double bytes = 0;
  for (const Tensors* gradients : {&call.dout, &call.din})
    for (const Tensor& t : *gradients)
      if (t && t.dtype != DType::i32) bytes += static_cast<double>(t.bytes());
  passes.push_back(make_pass("backward", 2 * flops_of(call), bytes, run, run_backward));
  return passes;
}

}  // namespace

std::vector<Bench> op_benches(const Options& options) {
  std::vector<Bench> all;
  for (const Case& c : load_cases(options)) {
    if (!c.json.find("bench") || !obstacle(options, *c.op).empty()) continue;
    all.push_back({c.op->name, c.name(), describe_inputs(c), describe_attrs(*c.op, attr_values(*c.op, c.json.find("attrs"))),
                   c.op->backward != nullptr, [c] { return passes_of(c, make_inputs(c)); }});
  }
  return all;
}

}  // namespace a2s::test
