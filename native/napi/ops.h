// Single ops. Everything here follows from the contracts in all_ops(): adding an op changes nothing in this folder.
#pragma once
#include <napi.h>

namespace a2s::js {

/** `runOp(name, {arg: handle}, {attr: value}, token?)`: promise of `{output: tensor}`. */
Napi::Value run_op(const Napi::CallbackInfo& info);
/** `opGradients(name, {arg: handle}, {attr: value}, {output: handle}, token?)`: promise of `{arg: tensor}`: runs forward,
 *  then backward from the given gradients of the outputs (absent: zeros). Parameters' gradients start from zero. */
Napi::Value op_gradients(const Napi::CallbackInfo& info);
/** `opTable()`: the contracts as plain objects. */
Napi::Value op_table(const Napi::CallbackInfo& info);

}  // namespace a2s::js
