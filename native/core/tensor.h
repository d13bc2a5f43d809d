// A tensor is a typed view of memory that somebody else owns: contiguous, row-major, last axis fastest.
#pragma once
#include <cassert>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string>

#include "core/arena.h"
#include "core/bf16.h"
#include "core/error.h"

namespace a2s {

enum class DType : uint8_t { f32, f64, i32, bf16 };

inline size_t size_of(DType t) { return t == DType::f64 ? 8 : t == DType::bf16 ? 2 : 4; }
inline const char* name_of(DType t) {
  constexpr const char* names[]{"f32", "f64", "i32", "bf16"};
  return names[static_cast<int>(t)];
}

template <class T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() { return DType::f32; }
template <>
constexpr DType dtype_of<double>() { return DType::f64; }
template <>
constexpr DType dtype_of<int32_t>() { return DType::i32; }
template <>
constexpr DType dtype_of<Bf16>() { return DType::bf16; }

constexpr int kMaxRank = 6;

struct Tensor {
  void* data = nullptr;
  DType dtype = DType::f32;
  int rank = 0;
  int64_t dims[kMaxRank] = {};

  explicit operator bool() const { return data != nullptr; }
  std::span<const int64_t> shape() const { return {dims, static_cast<size_t>(rank)}; }
  int64_t size() const {
    int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= dims[i];
    return n;
  }
  size_t bytes() const { return static_cast<size_t>(size()) * size_of(dtype); }
  /** Extent of axis i; negative i counts from the end. */
  int64_t dim(int i) const { return dims[i < 0 ? rank + i : i]; }
  /** Number of rows when all axes but the last are flattened. */
  int64_t rows() const { return rank == 0 ? 1 : size() / (dim(-1) > 0 ? dim(-1) : 1); }

  template <class T>
  T* as() const {
    assert(dtype == dtype_of<T>());
    return static_cast<T*>(data);
  }
};

inline std::string shape_string(std::span<const int64_t> shape) {
  std::string s = "[";
  for (size_t i = 0; i < shape.size(); ++i) s += (i ? ", " : "") + std::to_string(shape[i]);
  return s + "]";
}

inline Tensor make_tensor(void* data, DType dtype, std::span<const int64_t> shape) {
  if (shape.size() > kMaxRank) fail_shape("tensor: shape: expected at most 6 axes, got " + shape_string(shape));
  Tensor t{data, dtype, static_cast<int>(shape.size()), {}};
  for (size_t i = 0; i < shape.size(); ++i) t.dims[i] = shape[i];
  return t;
}
inline Tensor make_tensor(void* data, DType dtype, std::initializer_list<int64_t> shape) {
  return make_tensor(data, dtype, std::span<const int64_t>(shape.begin(), shape.size()));
}

/** Uninitialised tensor in an arena. */
inline Tensor new_tensor(Arena& arena, DType dtype, std::span<const int64_t> shape) {
  Tensor t = make_tensor(nullptr, dtype, shape);
  t.data = arena.alloc(t.bytes());
  return t;
}
inline Tensor new_tensor(Arena& arena, DType dtype, std::initializer_list<int64_t> shape) {
  return new_tensor(arena, dtype, std::span<const int64_t>(shape.begin(), shape.size()));
}

/** Element i of a tensor of floating point. */
inline double number(const Tensor& t, int64_t i = 0) { return t.dtype == DType::f32 ? t.as<float>()[i] : t.as<double>()[i]; }

/** Rows [begin, begin + count) of a tensor's first axis, in place; of one without data nothing but the shape. */
inline Tensor rows_of(Tensor t, int64_t begin, int64_t count) {
  const size_t row = t.dims[0] ? t.bytes() / static_cast<size_t>(t.dims[0]) : 0;
  if (t.data) t.data = static_cast<char*>(t.data) + static_cast<size_t>(begin) * row;
  t.dims[0] = count;
  return t;
}

inline void fill_zero(const Tensor& t) { std::memset(t.data, 0, t.bytes()); }

}  // namespace a2s
