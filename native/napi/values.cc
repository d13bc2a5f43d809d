#include "napi/values.h"

#include <cmath>

namespace a2s::js {
namespace {

constexpr int64_t kMaxElements = int64_t{1} << 48;

}  // namespace

Napi::Object to_object(const std::string& where, const Napi::Value& value) {
  if (!value.IsObject() || value.IsArray() || value.IsFunction()) fail_type(where, "an object", value);
  return value.As<Napi::Object>();
}

std::string to_text(const std::string& where, const Napi::Value& value) {
  if (!value.IsString()) fail_type(where, "a string", value);
  return value.As<Napi::String>();
}

bool to_flag(const std::string& where, const Napi::Value& value) {
  if (!value.IsBoolean()) fail_type(where, "true or false", value);
  return value.As<Napi::Boolean>();
}

double to_number(const std::string& where, const Napi::Value& value) {
  if (!value.IsNumber()) fail_type(where, "a number", value);
  return value.As<Napi::Number>().DoubleValue();
}

int64_t to_integer(const std::string& where, const Napi::Value& value, int64_t low, int64_t high, ErrorCode code) {
  double number = to_number(where, value);
  // False for NaN; the comparisons are exact, because both bounds are far below 2^53.
  if (number == std::floor(number) && number >= static_cast<double>(low) && number <= static_cast<double>(high))
    return static_cast<int64_t>(number);
  fail(code, where + ": expected an integer in [" + std::to_string(low) + ", " + std::to_string(high) + "], got " +
                 describe(value));
}

std::optional<uint64_t> to_seed(const std::string& where, const Napi::Value& value) {
  if (value.IsNull()) return std::nullopt;
  return static_cast<uint64_t>(to_integer(where, value, 0, int64_t{1} << 53, ErrorCode::Config));
}

std::vector<int64_t> to_shape(const std::string& where, const Napi::Value& value) {
  if (!value.IsArray()) fail_type(where, "an array of integers", value);
  auto array = value.As<Napi::Array>();
  if (array.Length() > kMaxRank)
    fail_shape(where + ": expected at most 6 axes, got " + std::to_string(array.Length()));
  std::vector<int64_t> shape;
  int64_t size = 1;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    Napi::Value extent = array[i];
    std::string axis = where + ": axis " + std::to_string(i);
    shape.push_back(to_integer(axis, extent, 0, kMaxElements, ErrorCode::Shape));
    if (shape.back() > 0 && size > kMaxElements / shape.back())
      fail_shape(where + ": expected at most 2^48 elements, got " + shape_string(shape));
    size *= shape.back();
  }
  return shape;
}

DType to_float_dtype(const std::string& where, const Napi::Value& value) {
  const std::string name = to_text(where, value);
  if (name != "f32" && name != "f64") fail_config(where + ": expected f32 or f64, got " + describe(value));
  return name == "f32" ? DType::f32 : DType::f64;
}

ArrayView to_array(const std::string& where, const Napi::Value& value) {
  const char* wanted = "a Float32Array, Float64Array or Int32Array";
  if (!value.IsTypedArray()) fail_type(where, wanted, value);
  auto array = value.As<Napi::TypedArray>();
  napi_typedarray_type type = array.TypedArrayType();
  if (type != napi_float32_array && type != napi_float64_array && type != napi_int32_array)
    fail_type(where, wanted, value);
  ArrayView view{};
  view.dtype = type == napi_float32_array ? DType::f32 : type == napi_float64_array ? DType::f64 : DType::i32;
  size_t size = 0, offset = 0;
  napi_value buffer;
  if (napi_get_typedarray_info(value.Env(), value, nullptr, &size, &view.data, &buffer, &offset) != napi_ok)
    throw Napi::Error::New(value.Env());
  bool detached = false;
  napi_is_detached_arraybuffer(value.Env(), buffer, &detached);
  if (detached) fail_shape(where + ": expected an array with its memory, got one whose buffer was transferred away");
  view.size = static_cast<int64_t>(size);
  return view;
}

Napi::Value from_shape(Napi::Env env, std::span<const int64_t> shape) {
  auto array = Napi::Array::New(env, shape.size());
  for (size_t i = 0; i < shape.size(); ++i)
    array.Set(static_cast<uint32_t>(i), Napi::Number::New(env, static_cast<double>(shape[i])));
  return array;
}

}  // namespace a2s::js
