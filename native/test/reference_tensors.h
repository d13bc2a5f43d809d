// Tensors that other implementations computed for whole models; they are not part of the repository.
#pragma once
#include <cstdlib>
#include <filesystem>

#include "test/safetensors.h"
#include "test/test.h"

namespace a2s::test {

/** The file `path` under $ALIGN2SPEAK_GOLDEN (default: ../shared/golden, from the repository). Missing: the test is
 *  skipped. */
inline Golden reference_tensors(const std::string& path) {
  namespace fs = std::filesystem;
  const char* set = std::getenv("ALIGN2SPEAK_GOLDEN");
  const fs::path root = fs::path(A2S_SOURCE_DIR) / "..";
  const fs::path file = (set ? root / set : root / "../shared/golden") / path;
  if (!fs::exists(file))
    throw Skip("no reference tensors at " + file.lexically_normal().string() + "; set ALIGN2SPEAK_GOLDEN");
  return read_golden(file.string());
}

/** One of its tensors, in `dtype`. */
inline Tensor tensor_of(Arena& arena, const Golden& golden, const std::string& name, DType dtype) {
  auto it = golden.tensors.find(name);
  if (it == golden.tensors.end()) throw Failure("reference tensors: expected " + name + ", got none of that name");
  Tensor t = new_tensor(arena, dtype, std::span<const int64_t>(it->second.shape));
  for (int64_t i = 0; i < t.size(); ++i) {
    const double v = it->second.values[i];
    if (dtype == DType::f32) t.as<float>()[i] = static_cast<float>(v);
    else if (dtype == DType::f64) t.as<double>()[i] = v;
    else t.as<int32_t>()[i] = static_cast<int32_t>(v);
  }
  return t;
}

}  // namespace a2s::test
