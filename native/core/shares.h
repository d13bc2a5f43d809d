// The parts of some work, dealt out to threads: each begins with a share of its own, the same one every time, and then helps the others.
#pragma once
#include <atomic>
#include <cstdint>
#include <vector>

namespace a2s {

class Shares {
 public:
  explicit Shares(size_t threads = 0) : shares_(threads) {}
  size_t count() const { return shares_.size(); }
  /** Parts 0 .. parts - 1, while nobody takes any. */
  void deal(int64_t parts) {
    const auto count = static_cast<int64_t>(shares_.size());
    for (int64_t s = 0; s < count; ++s) {
      shares_[s].next.store(parts * s / count, std::memory_order_relaxed);
      shares_[s].end = parts * (s + 1) / count;
    }
  }
  /** Calls body(i) for parts that nobody has taken, from share `own` on, until there are none; body must not throw. */
  template <class F>
  void take(size_t own, F&& body) {
    for (size_t k = 0; k < shares_.size(); ++k) {
      Share& share = shares_[(own + k) % shares_.size()];
      // Looking first leaves the line of a finished share with all who look.
      while (share.next.load(std::memory_order_relaxed) < share.end) {
        const int64_t i = share.next.fetch_add(1, std::memory_order_relaxed);
        if (i >= share.end) break;
        body(i);
      }
    }
  }
  /** Nobody takes any more. */
  void stop() {
    for (Share& each : shares_) each.next.store(each.end, std::memory_order_relaxed);
  }

 private:
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };
  std::vector<Share> shares_;
};

}  // namespace a2s
