// Tensors that JavaScript holds. Native memory of their own, written once before anybody else sees them.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "napi/handle.h"

namespace a2s::js {

class OwnedTensor {
 public:
  /** Uninitialised. Throws Error(Device) when there is no memory for it. */
  OwnedTensor(DType dtype, std::span<const int64_t> shape);
  explicit OwnedTensor(const Tensor& copied) : OwnedTensor(copied.dtype, copied.shape()) {
    std::memcpy(view.data, copied.data, copied.bytes());
  }
  ~OwnedTensor();
  OwnedTensor(const OwnedTensor&) = delete;

  Tensor view;
};
using TensorRef = std::shared_ptr<OwnedTensor>;

template <>
struct HandleKind<OwnedTensor> {
  static constexpr napi_type_tag tag{0x1b6f5c0e8d2a4973, 0xc41f09be57d3a862};
  static constexpr const char* name = "Tensor";
};

/** `{handle, dtype, shape}`, from which the TypeScript class is made. */
Napi::Value make_tensor_value(Napi::Env env, TensorRef tensor);

/** Results of a call by name; absent ones are null. */
using NamedTensors = std::vector<std::pair<std::string, TensorRef>>;
/** `{name: {handle, dtype, shape}}` of those that are there. */
Napi::Object make_tensor_values(Napi::Env env, NamedTensors& tensors);
/** A copy of a tensor that lies in an arena; null where it has no data. */
inline TensorRef keep(const Tensor& t) { return t ? std::make_shared<OwnedTensor>(t) : nullptr; }

/** The view of a tensor that may be absent. */
inline Tensor view_of(const TensorRef& tensor) { return tensor ? tensor->view : Tensor{}; }

/** `tensorNew(array, shape)`: of the array's type, uninitialised. */
Napi::Value tensor_new(const Napi::CallbackInfo& info);
/** `tensorWrite(handle, array, begin, end)`: elements [begin, end) from the array of the whole tensor. */
Napi::Value tensor_write(const Napi::CallbackInfo& info);
/** `tensorRead(handle, array, begin, end)`: the same, into the array. */
Napi::Value tensor_read(const Napi::CallbackInfo& info);

}  // namespace a2s::js
