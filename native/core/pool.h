// The compute threads. Each worker is pinned to a CPU of its own; the caller takes part. A thread begins at its own
// share of the chunks, the same part in every run, so that it finds in its caches what it wrote in the run before; then
// it helps the others, so a pre-empted thread delays at most one chunk. A worker spins for a few tens of microseconds
// after its last chunk, then sleeps. A worker that was woken but has not started when the work is done is not waited
// for. Nested calls and calls while another thread holds the pool run serially; but threads that have no long task (run_long)
// take part in the calls of those that have.
#pragma once
#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "core/shares.h"

namespace a2s {

class Pool {
 public:
  /** `threads` >= 1, the caller included; 0 means one per CPU this process may use. Throws Error(Device) when the
   *  system has no threads left; the pool then has one. */
  explicit Pool(int threads = 0);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /** How many threads take part in a run from here: 1 inside a task, but more inside a long one while others are free. */
  int threads() const {
    return depth_ == 0 ? threads_.load(std::memory_order_relaxed) : depth_ == 1 ? 1 + free_.load(std::memory_order_relaxed) : 1;
  }
  /** Some worker does not sleep: sharing a run costs microseconds, where waking one costs tens. */
  bool awake() const { return depth_ > 0 || awake_.load(std::memory_order_relaxed) > 0; }
  /** Waits for a run in progress. */
  void resize(int threads);

  /** Calls body(i) once for each i in [0, count), in any order, on any thread; returns when all are done.
   *  When a body throws, no further ones start and the first exception is rethrown here. */
  template <class F>
  void run(int64_t count, F&& body) {
    if (count <= 1 || threads() == 1) {
      for (int64_t i = 0; i < count; ++i) body(i);
      return;
    }
    run_erased(count, call<F>, &body, false);
  }

  /** The same for a few tasks that last, with runs of their own: threads without a task take part in those. */
  template <class F>
  void run_long(int64_t count, F&& body) {
    if (threads() == 1) return run(count, body);
    run_erased(count, call<F>, &body, true);
  }

  /** The same at the same time, each on a thread of its own, so that tasks may wait for each other; all begin, even where one throws. False,
   *  and nothing done, where the pool does not have so many threads to give. */
  template <class F>
  bool run_together(int64_t count, F&& body) {
    return try_run(count, call<F>, &body);
  }

  /** A run will soon read `bytes` from `data` on, in the order of its tasks: threads without work fetch what they will begin with. Never
   *  reads, so the memory may be gone by then. Nothing inside a task. */
  void expect(const void* data, size_t bytes);

  /** Returns when `done()`, which another thread makes true; takes part in the runs of long tasks meanwhile. */
  template <class F>
  void help_until(F&& done) {
    if (!done()) help_erased([](void* f) { return (*static_cast<std::remove_reference_t<F>*>(f))(); }, &done);
  }

  /** Splits [0, count) into pieces of `grain` and calls body(begin, end) for each. The pieces do not depend on the
   *  number of threads, so a reduction that keeps one partial result a piece gives the same bits for any number. */
  template <class F>
  void ranges(int64_t count, int64_t grain, F&& body) {
    grain = grain < 1 ? 1 : grain;
    run((count + grain - 1) / grain, [&](int64_t i) {
      int64_t begin = i * grain, end = begin + grain < count ? begin + grain : count;
      body(begin, end);
    });
  }

 private:
  struct alignas(64) Worker {
    std::atomic<uint32_t> state{0};  // State in pool.cc
    int cpu = -1;
    size_t share = 0;
    std::thread thread;
  };
  using Body = void (*)(void*, int64_t);
  template <class F>
  static void call(void* f, int64_t i) {
    (*static_cast<std::remove_reference_t<F>*>(f))(i);
  }
  /** A run inside a task, open to others. */
  struct Nested {
    Body body;
    void* arg;
    int64_t count;
    std::atomic<int64_t> next{0};
    std::exception_ptr error{};
    std::mutex mutex{};
    void work();
  };
  void run_erased(int64_t count, Body body, void* arg, bool lasting);
  bool try_run(int64_t count, Body body, void* arg);
  void run_held(int64_t count, Body body, void* arg, bool lasting);
  bool run_nested(int64_t count, Body body, void* arg);
  void help_erased(bool (*done)(void*), void* arg);
  struct Fetching;
  void take_part(size_t share);
  void work(size_t own);
  void loop(Worker& w);
  void start_workers(int threads);
  void stop_workers();

  static constinit thread_local int depth_;  // 1 inside a task of any pool, 2 inside one of a task's run

  std::atomic<int> threads_{1};
  std::atomic<int> awake_{0};  // workers that do not sleep
  std::vector<std::unique_ptr<Worker>> workers_;
  std::mutex busy_;
  // The current job: written by the caller while every worker is idle.
  Body body_ = nullptr;
  void* arg_ = nullptr;
  bool lasting_ = false;
  Shares shares_;
  std::exception_ptr error_;
  std::mutex error_mutex_;
  struct alignas(64) {
    std::atomic<uint64_t> number{0};
    std::atomic<const char*> data{nullptr};
    std::atomic<size_t> bytes{0};
  } expected_;
  // Of long tasks.
  alignas(64) std::atomic<int> active_{0};            // threads that have one
  alignas(64) std::atomic<int> free_{0};              // threads that would take part in a run
  alignas(64) std::atomic<Nested*> nested_{nullptr};  // the run in which they do
  std::atomic<bool> nesting_{false};                  // whether there is one, or its end is waited for
  alignas(64) std::atomic<int> visitors_{0};          // who is looking at it
};

}  // namespace a2s
