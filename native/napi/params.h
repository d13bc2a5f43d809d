// The parameters of any model: what they are called, and their values, gradients and moments as tensors.
#pragma once
#include "core/params.h"
#include "napi/handle.h"

namespace a2s::js {

/** A handle of this kind shares ownership of the whole model. */
template <>
struct HandleKind<Params> {
  static constexpr napi_type_tag tag{0x7e24d90b3c1f4a85, 0x8d6b02f1e95c7734};
  static constexpr const char* name = "model's parameters";
};

/** What a model with these parameters holds in memory, gradients included. */
inline int64_t bytes_of(const Params& params) {
  return 2 * params.flat_size() * static_cast<int64_t>(size_of(params.dtype()));
}

/** `{model, params}`: two handles of one object. */
template <class M>
Napi::Value make_model_value(Napi::Env env, std::shared_ptr<M>& model) {
  auto object = Napi::Object::New(env);
  const int64_t bytes = bytes_of(model->params());
  object.Set("params", make_handle(env, std::shared_ptr<Params>(model, &model->params()), 0));
  object.Set("model", make_handle(env, std::move(model), bytes));
  return object;
}

/** `paramsList(params)`: `[{name, shape, dtype, trainable}]` under the published names. */
Napi::Value params_list(const Napi::CallbackInfo& info);
/** `paramsRead(params, which)`: promise of `{name: tensor}`; which: values, grads, expAvg or expAvgSq. */
Napi::Value params_read(const Napi::CallbackInfo& info);
/** `paramsWrite(params, which, {name: handle})`: every tensor once, in its shape; f32 and f64 convert. */
Napi::Value params_write(const Napi::CallbackInfo& info);
/** `paramsZeroGrad(params)`: a promise. */
Napi::Value params_zero_grad(const Napi::CallbackInfo& info);

}  // namespace a2s::js
