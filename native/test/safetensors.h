// Reads the golden files of the ops: safetensors with F64, F32 and I32 tensors.
#pragma once
#include <cstdint>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "test/json.h"

namespace a2s::test {

struct Golden {
  struct Entry {
    std::string dtype;
    std::vector<int64_t> shape;
    std::vector<double> values;
  };
  std::map<std::string, Entry> tensors;
  std::map<std::string, std::string> metadata;
};

inline Golden read_golden(const std::string& path) {
  const std::string bytes = read_file(path);
  uint64_t header = 0;
  if (bytes.size() < 8) throw std::runtime_error(path + ": too short");
  std::memcpy(&header, bytes.data(), 8);
  if (header > bytes.size() - 8) throw std::runtime_error(path + ": header beyond the end");
  const std::string text = bytes.substr(8, header);
  Json json = parse_json(text);
  Golden golden;
  for (auto& [name, v] : json.members) {
    if (name == "__metadata__") {
      for (auto& [k, m] : v.members) golden.metadata[k] = m.string;
      continue;
    }
    Golden::Entry e;
    e.dtype = v.str("dtype");
    for (const Json& d : v.find("shape")->items) e.shape.push_back(static_cast<int64_t>(d.number));
    const auto& offsets = v.find("data_offsets")->items;
    const size_t begin = static_cast<size_t>(offsets.at(0).number), end = static_cast<size_t>(offsets.at(1).number);
    const size_t width = e.dtype == "F64" || e.dtype == "I64" ? 8 : 4;
    if (8 + header + end > bytes.size() || begin > end) throw std::runtime_error(path + ": " + name + ": beyond the end");
    for (size_t at = begin; at + width <= end; at += width) {
      const char* p = bytes.data() + 8 + header + at;
      double x = 0;
      if (e.dtype == "F64") std::memcpy(&x, p, 8);
      else if (e.dtype == "F32") { float f; std::memcpy(&f, p, 4); x = f; }
      else if (e.dtype == "I32") { int32_t i; std::memcpy(&i, p, 4); x = i; }
      else if (e.dtype == "I64") { int64_t i; std::memcpy(&i, p, 8); x = static_cast<double>(i); }
      else throw std::runtime_error(path + ": " + name + ": dtype " + e.dtype);
      e.values.push_back(x);
    }
    golden.tensors[name] = std::move(e);
  }
  return golden;
}

}  // namespace a2s::test
