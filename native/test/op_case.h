// One case of a cases file: read, its inputs made, its op run forward and backward. What the checks and the benches share.
#pragma once
#include <filesystem>
#include <memory>
#include <set>

#include "test/json.h"
#include "test/mirror.h"
#include "test/op_cases.h"
#include "test/test.h"

namespace a2s::test {

struct Case {
  const Op* op;
  Json json;
  std::string name() const { return json.str("name"); }
};

/** Inputs of one call as doubles; each run casts them to its precision. */
struct Inputs {
  struct Value {
    std::vector<int64_t> shape;
    std::vector<double> values;
    bool present = false;
  };
  std::vector<Value> args;
  std::vector<double> attrs;
};

/** Files below native/ whose names end so, in order. */
std::vector<std::filesystem::path> files_ending(const std::string& suffix);
bool wanted(const Options& o, const std::string& op);
/** Why `op` cannot run where the options say; empty where it can. */
std::string obstacle(const Options& o, const Op& op);
/** Prints a skip for each wanted op that cannot run. */
void skip_obstructed(const Options& o);
/** `op` has a backward where it runs. */
bool differentiable(const Op& op);
std::vector<Case> load_cases(const Options& options);
/** Values of the attributes of `op`, defaults where `given` (may be null) says nothing. */
std::vector<double> attr_values(const Op& op, const Json* given);
std::vector<int64_t> shape_of(const Case& c, const Arg& a);
std::set<std::string> absent_args(const Case& c);
/** Numbers of nested lists, in order. */
void flatten(const Json& v, std::vector<double>& out);
Inputs make_inputs(const Case& c);

Tensor cast(Arena& arena, const std::vector<int64_t>& shape, const std::vector<double>& values, DType dtype);

/** One call in one precision, with memory of its own. */
struct Run {
  Arena arena;
  std::unique_ptr<Call> call;
  std::unique_ptr<Mirror> mirror;  // where the call runs on a device

  Run(const Op& op, const Inputs& in, DType dtype, Device* device = test_device());
  Run& forward();
  /** d loss / d output = given values, or fixed random ones; gradients start at `fill` (data: must not matter). */
  Run& backward(double data_fill, double param_fill, const std::vector<std::vector<double>>* douts = nullptr);
};

}  // namespace a2s::test
