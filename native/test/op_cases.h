// Drives every op through its cases file and its golden tensors. See op_cases.cc for what each case must satisfy.
#pragma once
#include <string>
#include <vector>

namespace a2s::test {

struct Options {
  std::vector<std::string> names;  // ops to run; empty: all
  std::string device = "cpu";
};

/** each *.cases.json: parity, gradients, assignment, determinism, batch independence, errors. */
void check_ops(const Options&);
/** each *.golden.safetensors: outputs and gradients computed elsewhere. */
void check_goldens(const Options&);

}  // namespace a2s::test
