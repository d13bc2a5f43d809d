// Errors of the core. One grammar: `<where>: <what>: expected <E>, got <A>` (+ `hint: …`).
// The binding turns each code into the class of the same name in @align2speak/contracts.
#pragma once
#include <stdexcept>
#include <string>

namespace a2s {

enum class ErrorCode { Shape, Config, Data, Checkpoint, Device, Cancelled };

struct Error : std::runtime_error {
  ErrorCode code;
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code(code) {}
};

[[noreturn]] inline void fail(ErrorCode code, const std::string& message) { throw Error(code, message); }

/** A bad shape, index or value in a tensor argument. */
[[noreturn]] inline void fail_shape(const std::string& message) { fail(ErrorCode::Shape, message); }

/** A bad attribute or model setting. */
[[noreturn]] inline void fail_config(const std::string& message) { fail(ErrorCode::Config, message); }

}  // namespace a2s
