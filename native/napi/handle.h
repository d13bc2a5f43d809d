// Opaque references from JavaScript to native objects: externals that carry a type tag, so that a value of another
// kind is refused instead of misread. A handle shares its object with the calls that use it; dispose() drops its share.
#pragma once
#include <napi.h>

#include <memory>

#include "napi/errors.h"

namespace a2s::js {

/** Name and tag of each kind of handle; specialised where the kind is defined. */
template <class T>
struct HandleKind;

template <class T>
struct Handle {
  std::shared_ptr<T> object;  // null after dispose
  int64_t bytes = 0;          // native memory that the garbage collector was told of

  void dispose(Napi::Env env) {
    object.reset();
    if (bytes) Napi::MemoryManagement::AdjustExternalMemory(env, -bytes);
    bytes = 0;
  }
};

template <class T>
Napi::Value make_handle(Napi::Env env, std::shared_ptr<T> object, int64_t bytes) {
  auto* handle = new Handle<T>{std::move(object), bytes};
  auto external = Napi::External<Handle<T>>::New(env, handle, [](Napi::Env env, Handle<T>* h) {
    h->dispose(env);
    delete h;
  });
  napi_status status = napi_type_tag_object(env, external, &HandleKind<T>::tag);
  if (status != napi_ok) throw Napi::Error::New(env, "handle: tag: expected Node-API 8, got an older one");
  if (bytes) Napi::MemoryManagement::AdjustExternalMemory(env, bytes);
  return external;
}

/** The handle in a value. Throws TypeError for a value of any other kind. */
template <class T>
Handle<T>& handle_of(const std::string& where, const Napi::Value& value) {
  bool tagged = false;
  if (value.IsExternal()) napi_check_object_type_tag(value.Env(), value, &HandleKind<T>::tag, &tagged);
  if (!tagged) fail_type(where, std::string("a ") + HandleKind<T>::name, value);
  return *value.As<Napi::External<Handle<T>>>().Data();
}

/** A share of the object behind a handle. Throws Error(Device) when it was disposed. */
template <class T>
std::shared_ptr<T> object_of(const std::string& where, const Napi::Value& value) {
  std::shared_ptr<T> object = handle_of<T>(where, value).object;
  if (!object)
    fail(ErrorCode::Device, where + ": expected a live " + HandleKind<T>::name + ", got one that was disposed");
  return object;
}

/** `disposeX(handle)`; a second time does nothing. */
template <class T>
Napi::Value dispose(const Napi::CallbackInfo& info) {
  handle_of<T>("dispose: handle", info[0]).dispose(info.Env());
  return info.Env().Undefined();
}

}  // namespace a2s::js
