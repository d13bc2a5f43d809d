#include "test/op_cases.h"

#include <algorithm>

#include "test/op_case.h"
#include "test/safetensors.h"

namespace a2s::test {
namespace {

namespace fs = std::filesystem;

bool same_bits(const Tensor& a, const Tensor& b) { return a.bytes() == b.bytes() && !std::memcmp(a.data, b.data, a.bytes()); }

void check_finite(const Tensor& t, const std::string& what) {
  if (t.dtype == DType::i32) return;
  for (int64_t i = 0; i < t.size(); ++i)
    if (std::isnan(element(t, i))) throw Failure(what + ": NaN (or never written) at element " + std::to_string(i));
}

void require(double error, double tolerance, const std::string& what) {
  if (error <= tolerance) return;
  std::ostringstream s;
  s << what << ": relative error " << error << " > " << tolerance;
  throw Failure(s.str());
}

// ---- what each case must satisfy ------------------------------------------------------------------------------------

void compare(const Case& c, const Inputs& in, DType dtype, double tolerance, double grad_tolerance) {
  Run a(*c.op, in, dtype), b(*c.op, in, DType::f64, nullptr);
  a.forward(), b.forward();
  for (size_t j = 0; j < c.op->outputs.size(); ++j) {
    check_finite(a.call->out[j], c.op->outputs[j].name);
    require(relative_error(a.call->out[j], b.call->out[j]), tolerance, std::string("forward ") + c.op->outputs[j].name);
  }
  if (!differentiable(*c.op)) return;
  a.backward(0, 0), b.backward(0, 0);
  for (size_t k = 0; k < c.op->inputs.size(); ++k)
    if (a.call->din[k]) {
      check_finite(a.call->din[k], std::string("d") + c.op->inputs[k].name);
      require(relative_error(a.call->din[k], b.call->din[k]), grad_tolerance, std::string("backward d") + c.op->inputs[k].name);
    }
}

void check_parity(const Case& c, const Inputs& in) {
  compare(c, in, DType::f32, c.json.num("tolerance", 1e-5), c.json.num("gradTolerance", 1e-4));
}
/** For what runs on a device: its f64 is the CPU's but for rounding. */
void check_parity64(const Case& c, const Inputs& in) { compare(c, in, DType::f64, 1e-12, 1e-11); }

/** Central differences of sum(out * r) in f64, on up to 40 elements of each input. */
void check_differences(const Case& c, const Inputs& in) {
  Run base(*c.op, in, DType::f64);
  base.forward().backward(0, 0);
  auto objective = [&](const Inputs& x) {
    Run r(*c.op, x, DType::f64);
    r.forward();
    double sum = 0;
    for (size_t j = 0; j < c.op->outputs.size(); ++j)
      if (c.op->outputs[j].kind == Kind::data)
        for (int64_t i = 0; i < r.call->out[j].size(); ++i) sum += element(r.call->out[j], i) * element(base.call->dout[j], i);
    return sum;
  };
  for (size_t k = 0; k < c.op->inputs.size(); ++k) {
    const Tensor& g = base.call->din[k];
    if (!g) continue;
    double scale = 1e-3;
    for (int64_t i = 0; i < g.size(); ++i) scale = std::max(scale, std::fabs(element(g, i)));
    const int64_t step = std::max<int64_t>(1, g.size() / 40);
    for (int64_t i = 0; i < g.size(); i += step) {
      Inputs moved = in;
      const double x = in.args[k].values[i], h = 1e-5 * std::max(1.0, std::fabs(x));
      moved.args[k].values[i] = x + h;
      double up = objective(moved);
      moved.args[k].values[i] = x - h;
      double down = objective(moved);
      const double difference = (up - down) / (2 * h);
      require(std::fabs(difference - element(g, i)) / scale, c.json.num("fdTolerance", 1e-5),
              std::string("finite difference d") + c.op->inputs[k].name + "[" + std::to_string(i) + "]");
    }
  }
}

void check_assignment(const Case& c, const Inputs& in) {
  Run zero(*c.op, in, DType::f64), filled(*c.op, in, DType::f64);
  zero.forward().backward(0, 0);
  filled.forward().backward(std::nan(""), 1.5);
  auto expect = [&](const Run& run, size_t k, double more, const char* rule) {
    for (int64_t i = 0; i < zero.call->din[k].size(); ++i) {
      double want = element(zero.call->din[k], i) + more, got = element(run.call->din[k], i);
      if (!(std::fabs(want - got) <= 1e-12 * std::max(1.0, std::fabs(want))))
        throw Failure(std::string("d") + c.op->inputs[k].name + rule);
    }
  };
  for (size_t k = 0; k < c.op->inputs.size(); ++k) {
    if (!zero.call->din[k]) continue;
    if (c.op->inputs[k].kind == Kind::param) expect(filled, k, 1.5, ": a parameter's gradient must be accumulated");
    else expect(filled, k, 0, ": a data gradient must be assigned");
  }
  if (!c.op->adds) return;
  Run added(*c.op, in, DType::f64);
  added.forward().call->adds = true;
  added.backward(2.5, 0);
  expect(added, 0, 2.5, ": must be added to the gradient that is there");
}

void check_determinism(const Case& c, const Inputs& in) {
  const int threads = test_pool().threads();
  std::unique_ptr<Run> first;
  for (int n : {1, 2, 3, 2}) {
    test_pool().resize(n);
    auto r = std::make_unique<Run>(*c.op, in, DType::f32);
    r->forward();
    if (differentiable(*c.op)) r->backward(0, 0);
    if (!first) {
      first = std::move(r);
      continue;
    }
    for (size_t j = 0; j < c.op->outputs.size(); ++j)
      if (!same_bits(first->call->out[j], r->call->out[j]))
        throw Failure(std::string(c.op->outputs[j].name) + ": other bits with " + std::to_string(n) + " threads");
    for (size_t k = 0; k < c.op->inputs.size(); ++k)
      if (first->call->din[k] && !same_bits(first->call->din[k], r->call->din[k]))
        throw Failure(std::string("d") + c.op->inputs[k].name + ": other bits with " + std::to_string(n) + " threads");
  }
  test_pool().resize(threads);
}

/** Each item of the batch alone gives what it gives inside the batch. */
void check_batch(const Case& c, const Inputs& in) {
  const Json* b = c.json.find("batch");
  const std::string axis = b->is(Json::Type::string) ? b->string : "B";
  auto leads = [&](const Arg& a) {
    std::string first = std::string(a.axes).substr(0, std::string(a.axes).find(' '));
    return first == axis || first == "...";
  };
  Run whole(*c.op, in, DType::f32);
  whole.forward();
  int64_t items = 0;
  for (size_t k = 0; k < in.args.size(); ++k)
    if (in.args[k].present && leads(c.op->inputs[k])) items = in.args[k].shape[0];
  for (int64_t item = 0; item < items; ++item) {
    Inputs one = in;
    for (size_t k = 0; k < in.args.size(); ++k) {
      Inputs::Value& v = one.args[k];
      if (!v.present || !leads(c.op->inputs[k])) continue;
      const size_t width = v.values.size() / static_cast<size_t>(v.shape[0]);
      v.values.assign(in.args[k].values.begin() + item * width, in.args[k].values.begin() + (item + 1) * width);
      v.shape[0] = 1;
    }
    Run alone(*c.op, one, DType::f32);
    alone.forward();
    for (size_t j = 0; j < c.op->outputs.size(); ++j) {
      if (!leads(c.op->outputs[j])) continue;
      Tensor part = whole.call->out[j];
      part.dims[0] = 1;
      part.data = static_cast<char*>(part.data) + item * part.bytes();
      require(relative_error(alone.call->out[j], part), 1e-6, std::string(c.op->outputs[j].name) + " of item " + std::to_string(item) + " alone");
    }
  }
}

void check_error(const Case& c, const Inputs& in) {
  Run r(*c.op, in, DType::f32);
  CHECK_THROWS(r.forward(), c.json.str("error"));
}

}  // namespace

void check_ops(const Options& options) {
  std::set<std::string> seen;
  for (const Case& c : load_cases(options)) {
    seen.insert(c.op->name);
    if (!obstacle(options, *c.op).empty()) continue;
    auto test = [&](const char* what, void (*check)(const Case&, const Inputs&)) {
      run_test(c.op->name, c.name() + ", " + what, [&] { check(c, make_inputs(c)); });
    };
    if (c.json.find("error")) {
      test("refused", check_error);
      continue;
    }
    if (c.json.find("bench")) continue;
    const Json* fd = c.json.find("fd");
    test("f32 = f64", check_parity);
    if (test_device()) test("f64 = CPU's f64", check_parity64);
    test("same bits", check_determinism);
    if (differentiable(*c.op)) {
      if ((!fd || fd->truthy()) && !test_device()) test("finite differences", check_differences);
      test("gradient assignment", check_assignment);
    }
    if (const Json* b = c.json.find("batch"); b && (b->truthy() || b->is(Json::Type::string))) test("batch independence", check_batch);
  }
  skip_obstructed(options);
  for (const Op* op : all_ops())
    if (wanted(options, op->name) && obstacle(options, *op).empty())
      run_test(op->name, "has cases", [&] { CHECK(seen.count(op->name)); });
}

void check_goldens(const Options& options) {
  for (const fs::path& path : files_ending(".golden.safetensors")) {
    Golden golden = read_golden(path.string());
    std::string stem = path.filename().string();
    stem = stem.substr(0, stem.find('.'));
    for (auto& [name, text] : golden.metadata) {
      Json meta;
      try {
        meta = parse_json(text);
      } catch (const std::exception&) {
        continue;  // provenance, not a case
      }
      if (!meta.find("attrs")) continue;
      const std::string op_name = meta.find("op") ? meta.str("op") : stem;
      const Op* op = find_op(op_name);
      if (op && (!wanted(options, op_name) || !obstacle(options, *op).empty())) continue;
      for (DType dtype : {DType::f64, DType::f32})
        run_test(op_name, name + ", golden " + name_of(dtype), [&] {
          CHECK(op);
          auto entry = [&](const std::string& part) {
            auto it = golden.tensors.find(name + "/" + part);
            return it == golden.tensors.end() ? nullptr : &it->second;
          };
          Inputs in;
          in.attrs = attr_values(*op, meta.find("attrs"));
          for (const Arg& a : op->inputs) {
            Inputs::Value& v = in.args.emplace_back();
            if (const Golden::Entry* e = entry(std::string("in.") + a.name)) v = {e->shape, e->values, true};
          }
          const bool wide = dtype == DType::f64;
          const double forward_tolerance = meta.num(wide ? "tolerance64" : "tolerance", wide ? 1e-9 : 1e-5);
          const double backward_tolerance = meta.num(wide ? "gradTolerance64" : "gradTolerance", wide ? 1e-8 : 1e-4);
          Run r(*op, in, dtype);
          r.forward();
          int compared = 0;
          Arena arena;
          std::vector<std::vector<double>> douts;
          bool has_dout = false;
          for (size_t j = 0; j < op->outputs.size(); ++j) {
            const Tensor& out = r.call->out[j];
            douts.emplace_back(static_cast<size_t>(out.size()), 0.0);
            if (const Golden::Entry* e = entry(std::string("out.") + op->outputs[j].name)) {
              CHECK(std::equal(e->shape.begin(), e->shape.end(), out.shape().begin(), out.shape().end()));
              require(relative_error(out, cast(arena, e->shape, e->values, DType::f64)), op->outputs[j].kind == Kind::ints ? 0 : forward_tolerance,
                      std::string("out.") + op->outputs[j].name);
              ++compared;
            }
            if (const Golden::Entry* e = entry(std::string("dout.") + op->outputs[j].name)) douts[j] = e->values, has_dout = true;
          }
          if (has_dout && differentiable(*op)) {
            r.backward(0, 0, &douts);
            for (size_t k = 0; k < op->inputs.size(); ++k)
              if (const Golden::Entry* e = entry(std::string("din.") + op->inputs[k].name)) {
                CHECK(r.call->din[k]);
                require(relative_error(r.call->din[k], cast(arena, e->shape, e->values, DType::f64)), backward_tolerance,
                        std::string("din.") + op->inputs[k].name);
                ++compared;
              }
          }
          CHECK(compared > 0);
        });
    }
  }
  skip_obstructed(options);
}

}  // namespace a2s::test
