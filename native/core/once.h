// What several passes of a call need alike, such as weights in the order in which products read them, made by the first that needs it.
#pragma once
#include <atomic>
#include <map>
#include <mutex>

#include "core/arena.h"
#include "core/pool.h"

namespace a2s {

class Once {
 public:
  /** `bytes` from `data` on stay as they are meanwhile; what is made lies in `arena`, which nobody else uses. */
  Once(const void* data, size_t bytes, Arena& arena) : begin_(static_cast<const char*>(data)), end_(begin_ + bytes), arena_(arena) {}

  bool covers(const void* of) const { return begin_ <= of && of < end_; }
  /** `elements` that make(T*) has filled from what lies at `of`; `kind` tells apart what is made of the same. Who comes while another
   *  thread of the pool makes it takes part in that thread's runs. Where make throws, whoever wants it next makes it. */
  template <class T, class Make>
  const T* get(Pool& pool, const void* of, int kind, int64_t elements, Make&& make) {
    std::unique_lock lock(mutex_);
    Made& made = all_[{of, kind}];
    if (!made.memory) made.memory = arena_.alloc<T>(elements);
    lock.unlock();
    T* memory = static_cast<T*>(made.memory);
    for (State state = empty; !made.state.compare_exchange_strong(state, being_made); state = empty) {
      if (state == ready) return memory;
      pool.help_until([&] { return made.state.load(std::memory_order_acquire) != being_made; });
    }
    try {
      make(memory);
    } catch (...) {
      made.state = empty;
      throw;
    }
    made.state = ready;
    return memory;
  }

 private:
  enum State { empty, being_made, ready };
  struct Made {
    void* memory = nullptr;
    std::atomic<State> state{empty};
  };
  const char *begin_, *end_;
  Arena& arena_;
  std::mutex mutex_;
  std::map<std::pair<const void*, int>, Made> all_;
};

}  // namespace a2s
