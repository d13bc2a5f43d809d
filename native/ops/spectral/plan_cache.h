// Tables that depend only on settings (twiddles, windows, filters): built once for a setting, shared, never freed.
#pragma once
#include <map>
#include <mutex>

namespace a2s {

/** The `Plan` constructed from `key`; the same object on every call, from any thread. */
template <class Plan, class Key>
const Plan& cached_plan(const Key& key) {
  static std::mutex mutex;
  static auto& plans = *new std::map<Key, Plan>;  // leaked, so that no thread can outlive it
  std::lock_guard lock(mutex);
  return plans.try_emplace(key, key).first->second;
}

}  // namespace a2s
