#include "napi/tensor.h"

#include <algorithm>
#include <cstdlib>

#include "core/arena.h"
#include "napi/values.h"

namespace a2s::js {
namespace {

/** What a large tensor takes of the system's memory; 0 for one that is small. */
size_t whole_pages(size_t bytes) {
  constexpr size_t kHugePage = size_t{2} << 20;
  return bytes < kHugePage ? 0 : (bytes + kHugePage - 1) / kHugePage * kHugePage;
}

void check_size(int64_t size, std::span<const int64_t> shape) {
  int64_t expected = 1;
  for (int64_t extent : shape) expected *= extent;
  if (size != expected)
    fail_shape("tensor: data: expected " + std::to_string(expected) + " elements for shape " + shape_string(shape) +
               ", got " + std::to_string(size));
}

/** The part of a tensor that a read or a write is about, with the matching part of the array. */
struct Slice {
  void *tensor, *array;
  size_t bytes;
};

Slice slice_of(const Napi::CallbackInfo& info) {
  const Tensor t = object_of<OwnedTensor>("tensor", info[0])->view;
  ArrayView array = to_array("tensor: data", info[1]);
  if (array.dtype != t.dtype)
    fail_shape(std::string("tensor: data: expected ") + name_of(t.dtype) + ", got " + name_of(array.dtype));
  check_size(array.size, t.shape());
  int64_t begin = to_integer("tensor: begin", info[2], 0, t.size(), ErrorCode::Shape);
  int64_t end = to_integer("tensor: end", info[3], begin, t.size(), ErrorCode::Shape);
  size_t skip = static_cast<size_t>(begin) * size_of(t.dtype);
  return {static_cast<char*>(t.data) + skip, static_cast<char*>(array.data) + skip,
          static_cast<size_t>(end - begin) * size_of(t.dtype)};
}

}  // namespace

OwnedTensor::OwnedTensor(DType dtype, std::span<const int64_t> shape) : view(make_tensor(nullptr, dtype, shape)) {
  const size_t bytes = std::max(view.bytes(), size_t{1});
  if (const size_t pages = whole_pages(bytes)) view.data = host_memory().alloc(pages);
  else if (posix_memalign(&view.data, 64, bytes) != 0) view.data = nullptr;
  if (!view.data)
    fail(ErrorCode::Device, "tensor: memory: expected " + std::to_string(bytes >> 20) + " MiB for shape " +
                                shape_string(shape) + ", got none; hint: a smaller batch, or dispose() of tensors");
}

OwnedTensor::~OwnedTensor() {
  if (const size_t pages = whole_pages(view.bytes())) host_memory().free(view.data, pages);
  else std::free(view.data);
}

Napi::Value make_tensor_value(Napi::Env env, TensorRef tensor) {
  const Tensor t = tensor->view;
  auto value = Napi::Object::New(env);
  value.Set("handle", make_handle(env, std::move(tensor), static_cast<int64_t>(t.bytes())));
  value.Set("dtype", Napi::String::New(env, name_of(t.dtype)));
  value.Set("shape", from_shape(env, t.shape()));
  return value;
}

Napi::Object make_tensor_values(Napi::Env env, NamedTensors& tensors) {
  auto object = Napi::Object::New(env);
  for (auto& [name, tensor] : tensors)
    if (tensor) object.Set(name, make_tensor_value(env, std::move(tensor)));
  return object;
}

Napi::Value tensor_new(const Napi::CallbackInfo& info) {
  ArrayView array = to_array("tensor: data", info[0]);
  std::vector<int64_t> shape = to_shape("tensor: shape", info[1]);
  check_size(array.size, shape);
  return make_tensor_value(info.Env(), std::make_shared<OwnedTensor>(array.dtype, shape));
}

Napi::Value tensor_write(const Napi::CallbackInfo& info) {
  Slice s = slice_of(info);
  if (s.bytes) std::memcpy(s.tensor, s.array, s.bytes);
  return info.Env().Undefined();
}

Napi::Value tensor_read(const Napi::CallbackInfo& info) {
  Slice s = slice_of(info);
  if (s.bytes) std::memcpy(s.array, s.tensor, s.bytes);
  return info.Env().Undefined();
}

}  // namespace a2s::js
