// Threads that take the same steps at the same time, each with data of its own. What they all would read in a step, such as a weight, is read
// once: a step is cut into parts, and one thread does a part for everybody. Between steps nobody waits for anybody.
#pragma once
#include <atomic>
#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include "core/pool.h"

namespace a2s {

class Team {
 public:
  using Clock = std::chrono::steady_clock;

  /** Its members are tasks of one Pool::run_together. */
  Team(Pool& pool, int64_t members);

  /** How long members have waited for others, all together. For when they are done. */
  Clock::duration waited() const;

  /** A thread's place, which it gives up when it has no steps left. */
  class Member {
   public:
    Member(Team& team, int64_t index) : team_(team), index_(index) {}
    ~Member() { team_.leave(index_); }
    Member(const Member&) = delete;
    Member& operator=(const Member&) = delete;

    /** How many members there were at first. */
    int64_t size() const { return static_cast<int64_t>(team_.places_.size()); }
    /** Whether another one is left. */
    bool has_others() const { return members_in(team_.state_.load(std::memory_order_relaxed)) > 1; }

    /** Waits until everybody has come to this step with data of their own; then body(all, i) runs once for each i in [0, parts), on the
     *  thread of some member, with the data of all who are left. Returns when all parts are done. All take the same steps, with the same
     *  `parts`. Rethrows the last failure of this thread, after the step. */
    template <class Data, class F>
    void step(Data& own, int64_t parts, F&& body) {
      auto part = [&](void* const* all, size_t count, int64_t i) {
        body(std::span<Data* const>(reinterpret_cast<Data* const*>(all), count), i);
      };
      team_.step(index_, &own, parts, [](void* f, std::span<void* const> all, int64_t i) {
        (*static_cast<decltype(part)*>(f))(all.data(), all.size(), i);
      }, &part);
    }

   private:
    Team& team_;
    int64_t index_;
  };

 private:
  using Body = void (*)(void*, std::span<void* const>, int64_t);
  /** What a member has come with; no data before its first step and after its last. */
  struct alignas(64) Place {
    void* data = nullptr;
    int64_t parts = 0;
    Clock::duration waited{};
  };
  // The state: how many members are left, and how many of them have come.
  static constexpr uint64_t kMember = uint64_t{1} << 32;
  static uint64_t members_in(uint64_t state) { return state / kMember; }
  static bool complete(uint64_t state) { return state > 0 && members_in(state) == state % kMember; }

  void step(int64_t index, void* data, int64_t parts, Body body, void* arg);
  void open();
  void leave(int64_t index);
  template <class F>
  void wait(int64_t index, F&& done);

  Pool& pool_;
  std::vector<Place> places_;
  std::vector<void*> all_;  // data of this step
  Shares shares_;
  alignas(64) std::atomic<uint64_t> state_;
  alignas(64) std::atomic<uint32_t> opened_{0};  // steps
  alignas(64) std::atomic<int64_t> left_{0};     // parts that are not done
};

/** Whether teams are worth it. Where something else takes one of their processors, members wait for the one that it kept from coming; when they have
 *  waited for too much of their time, it is better for a while that nobody depends on others. */
class Patience {
 public:
  using Clock = Team::Clock;
  static constexpr double kMost = .15;  // of their time; .03 on a quiet machine, .4 where one of two processors is taken
  static constexpr int kTimes = 10;     // as long as what has taken so long

  bool left(Clock::time_point now = Clock::now()) const { return now.time_since_epoch() >= until_.load(std::memory_order_relaxed); }
  /** A team of `members` was at work from `begin` to `now`. */
  void spend(Clock::duration waited, int64_t members, Clock::time_point begin, Clock::time_point now = Clock::now()) {
    const Clock::duration all = now - begin;
    if (waited > kMost * members * all) until_.store((now + kTimes * all).time_since_epoch(), std::memory_order_relaxed);
  }

 private:
  std::atomic<Clock::duration> until_{Clock::duration{}};
};

}  // namespace a2s
