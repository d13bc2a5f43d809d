// What several passes of a call need alike, such as weights in the order in which products read them, made by the first that needs it.
#pragma once
#include <map>
#include <mutex>

#include "core/arena.h"

namespace a2s {

class Once {
 public:
  /** `bytes` from `data` on stay as they are meanwhile; what is made lies in `arena`, which nobody else uses. */
  Once(const void* data, size_t bytes, Arena& arena) : begin_(static_cast<const char*>(data)), end_(begin_ + bytes), arena_(arena) {}

  bool covers(const void* of) const { return begin_ <= of && of < end_; }
  /** `elements` that make(T*) has filled from what lies at `of`; `kind` tells apart what is made of the same. */
  template <class T, class Make>
  const T* get(const void* of, int kind, int64_t elements, Make&& make) {
    std::unique_lock lock(mutex_);
    Made& made = all_[{of, kind}];
    if (!made.memory) made.memory = arena_.alloc<T>(elements);
    lock.unlock();
    std::call_once(made.done, [&] { make(static_cast<T*>(made.memory)); });
    return static_cast<const T*>(made.memory);
  }

 private:
  struct Made {
    void* memory = nullptr;
    std::once_flag done;
  };
  const char *begin_, *end_;
  Arena& arena_;
  std::mutex mutex_;
  std::map<std::pair<const void*, int>, Made> all_;
};

}  // namespace a2s
