// Errors on their way to JavaScript, and values described for messages.
#pragma once
#include <napi.h>

#include <exception>
#include <string>

#include "core/error.h"

namespace a2s::js {

/** The JavaScript error for what a command threw: the class that belongs to its code, or an Error of unknown cause. */
Napi::Error to_error(Napi::Env env, std::exception_ptr thrown);

/** `setErrorFactory((code, message) => Error)`: how this environment makes its errors. */
Napi::Value set_error_factory(const Napi::CallbackInfo& info);

/** What a value is, in a few words: "undefined", "3.5", "\"abc\"", "an array", "a Float32Array", "an object". */
std::string describe(const Napi::Value& value);

/** `<where>: expected <E>, got <the value>`, as a TypeError. */
[[noreturn]] void fail_type(const std::string& where, const std::string& expected, const Napi::Value& got);

/** Makes F a Node-API callback that no C++ exception leaves. */
template <Napi::Value (*F)(const Napi::CallbackInfo&)>
Napi::Value guarded(const Napi::CallbackInfo& info) {
  try {
    return F(info);
  } catch (const Napi::Error&) {
    throw;
  } catch (...) {
    throw to_error(info.Env(), std::current_exception());
  }
}

}  // namespace a2s::js
