// Settings from plain objects: camelCase keys into the fields of a struct.
#pragma once
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "napi/tensor.h"
#include "napi/values.h"

namespace a2s::js {

/** Reads the fields of one object. Absent keys leave a field as it is; keys that no field claimed are an error.
 *
 *    Settings s("optimizer", value);
 *    s.read("beta1", settings.beta1);
 *    s.finish();                                                                                              */
class Settings {
 public:
  Settings(std::string where, const Napi::Value& value) : where_(std::move(where)), object_(to_object(where_, value)) {}

  void read(const char* key, double& field) {
    if (auto value = take(key); !value.IsUndefined()) field = to_number(name(key), value);
  }
  void read(const char* key, bool& field) {
    if (auto value = take(key); !value.IsUndefined()) field = to_flag(name(key), value);
  }
  template <class Int>
    requires std::is_integral_v<Int>
  void read(const char* key, Int& field) {
    // Doubles hold every integer up to 2^53.
    constexpr int64_t high = sizeof(Int) == 4 ? std::numeric_limits<int32_t>::max() : int64_t{1} << 53;
    if (auto value = take(key); !value.IsUndefined())
      field = static_cast<Int>(to_integer(name(key), value, std::is_signed_v<Int> ? -high : 0, high, ErrorCode::Config));
  }
  template <class Number>
  void read(const char* key, std::vector<Number>& field) {
    auto value = take(key);
    if (value.IsUndefined()) return;
    if (!value.IsArray()) fail_type(name(key), "an array of numbers", value);
    auto array = value.As<Napi::Array>();
    field.clear();
    for (uint32_t i = 0; i < array.Length(); ++i) {
      const std::string entry = name(key) + "[" + std::to_string(i) + "]";
      if constexpr (std::is_floating_point_v<Number>) field.push_back(to_number(entry, array[i]));
      else field.push_back(static_cast<Number>(to_integer(entry, array[i], -(1 << 30), 1 << 30, ErrorCode::Config)));
    }
  }
  void read(const char* key, TensorRef& field) {
    if (auto value = take(key); !value.IsUndefined()) field = object_of<OwnedTensor>(name(key), value);
  }
  /** An enum whose values are, in order, these texts. */
  template <class Enum>
  void read(const char* key, Enum& field, std::initializer_list<const char*> texts) {
    auto value = take(key);
    if (value.IsUndefined()) return;
    std::string chosen = to_text(name(key), value), all;
    int i = 0;
    for (const char* text : texts) {
      if (chosen == text) return void(field = static_cast<Enum>(i));
      all += (i++ ? ", " : "") + std::string(text);
    }
    fail_config(name(key) + ": expected one of " + all + ", got " + describe(value));
  }
  /** The object under a key, when there is one. */
  std::optional<Settings> nested(const char* key) {
    auto value = take(key);
    if (value.IsUndefined() || value.IsNull()) return {};
    return Settings(name(key), value);
  }
  /** The value under a key, which counts as read. */
  Napi::Value take(const char* key) {
    known_.insert(key);
    return object_.Get(key);
  }
  std::string name(const char* key) const { return where_ + ": " + key; }

  /** Throws Error(Config) for the first key that was not read. */
  void finish() const {
    Napi::Array keys = object_.GetPropertyNames();
    for (uint32_t i = 0; i < keys.Length(); ++i) {
      std::string key = Napi::Value(keys[i]).ToString();
      if (!known_.count(key)) fail_config(name(key.c_str()) + ": expected a known field, got an unknown one");
    }
  }

 private:
  std::string where_;
  Napi::Object object_;
  std::set<std::string> known_;
};

}  // namespace a2s::js
