#include "napi/errors.h"

#include <new>
#include <sstream>

#include "napi/task.h"

namespace a2s::js {
namespace {

const char* name_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::Shape: return "SHAPE";
    case ErrorCode::Config: return "CONFIG";
    case ErrorCode::Data: return "DATA";
    case ErrorCode::Checkpoint: return "CHECKPOINT";
    case ErrorCode::Device: return "DEVICE";
    case ErrorCode::Cancelled: return "CANCELLED";
  }
  return "DEVICE";
}

Napi::Error make(Napi::Env env, ErrorCode code, const std::string& message) {
  Napi::FunctionReference& factory = Instance::of(env).error_factory;
  if (!factory.IsEmpty()) {
    Napi::Value made = factory.Call({Napi::String::New(env, name_of(code)), Napi::String::New(env, message)});
    if (made.IsObject()) return Napi::Error(env, made);
  }
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, name_of(code)));
  return error;
}

}  // namespace

Napi::Error to_error(Napi::Env env, std::exception_ptr thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Napi::Error& e) {
    return e;
  } catch (const Error& e) {
    return make(env, e.code, e.what());
  } catch (const std::bad_alloc&) {
    return make(env, ErrorCode::Device, "native: memory: expected enough for this call, got none; hint: smaller batches");
  } catch (const std::exception& e) {
    return make(env, ErrorCode::Device, std::string("native: internal: expected no failure, got ") + e.what());
  }
}

Napi::Value set_error_factory(const Napi::CallbackInfo& info) {
  if (!info[0].IsFunction()) fail_type("setErrorFactory: factory", "a function", info[0]);
  Instance::of(info.Env()).error_factory = Napi::Persistent(info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

std::string describe(const Napi::Value& value) {
  switch (value.Type()) {
    case napi_undefined: return "undefined";
    case napi_null: return "null";
    case napi_boolean: return value.As<Napi::Boolean>() ? "true" : "false";
    case napi_number: {
      std::ostringstream s;
      s.precision(17);
      s << value.As<Napi::Number>().DoubleValue();
      return s.str();
    }
    case napi_bigint: return "a bigint";
    case napi_string: {
      std::string text = value.As<Napi::String>();
      return '"' + (text.size() > 40 ? text.substr(0, 40) + "…" : text) + '"';
    }
    case napi_symbol: return "a symbol";
    case napi_function: return "a function";
    case napi_external: return "a native handle";
    case napi_object: break;
  }
  if (value.IsArray()) return "an array";
  if (value.IsTypedArray()) {
    switch (value.As<Napi::TypedArray>().TypedArrayType()) {
      case napi_float32_array: return "a Float32Array";
      case napi_float64_array: return "a Float64Array";
      case napi_int32_array: return "an Int32Array";
      default: return "a typed array of another type";
    }
  }
  return "an object";
}

void fail_type(const std::string& where, const std::string& expected, const Napi::Value& got) {
  throw Napi::TypeError::New(got.Env(), where + ": expected " + expected + ", got " + describe(got));
}

}  // namespace a2s::js
