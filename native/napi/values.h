// Reading plain JavaScript values. `where` is how the message names the value: "tensor: shape", "layer_norm: eps".
// A value of another JavaScript type is a TypeError; a number that is out of range is an error of the family.
#pragma once
#include <napi.h>

#include <optional>
#include <string>
#include <vector>

#include "core/tensor.h"
#include "napi/errors.h"

namespace a2s::js {

Napi::Object to_object(const std::string& where, const Napi::Value& value);
std::string to_text(const std::string& where, const Napi::Value& value);
bool to_flag(const std::string& where, const Napi::Value& value);
double to_number(const std::string& where, const Napi::Value& value);
/** A whole number in [low, high]; `code` is the error of one that is not. */
int64_t to_integer(const std::string& where, const Napi::Value& value, int64_t low, int64_t high, ErrorCode code);

/** Of initial values: a whole number up to 2^53, or null for none. */
std::optional<uint64_t> to_seed(const std::string& where, const Napi::Value& value);

/** Extents of a tensor: an array of at most 6 integers, together less than 2^48 elements. */
std::vector<int64_t> to_shape(const std::string& where, const Napi::Value& value);

/** "f32" or "f64". */
DType to_float_dtype(const std::string& where, const Napi::Value& value);

/** Memory of a typed array that JavaScript owns. Valid until control returns to JavaScript. */
struct ArrayView {
  DType dtype;
  void* data;
  int64_t size;  // elements
};
/** A Float32Array, Float64Array or Int32Array whose memory is still attached. */
ArrayView to_array(const std::string& where, const Napi::Value& value);

Napi::Value from_shape(Napi::Env env, std::span<const int64_t> shape);

}  // namespace a2s::js
