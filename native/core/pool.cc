#include "core/pool.h"

#include <algorithm>
#include <chrono>
#include <system_error>
#include <utility>

#include "core/error.h"

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace a2s {
namespace {

// A worker's life. The caller moves idle -> posted and, when the work is done before the worker came, posted -> idle;
// the worker moves posted -> running -> idle. The caller returns only when nobody is posted or running, so that a job's
// fields never change under a worker, and `stopping` is only ever stored over `idle`.
enum State : uint32_t { idle, posted, running, stopping };
constexpr std::chrono::microseconds kSpin{80};
constexpr size_t kFetched = 768 << 10;  // bytes that a waiting thread fetches at most, into the second level

void pause_cpu() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/** Waits for `done()` without sleeping, kSpin at most; the clock is read once in about a microsecond. */
template <class F>
bool spin_until(F&& done) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 32; ++i) {
      if (done()) return true;
      pause_cpu();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

/** The CPUs this process may use, the current one last: processes that use a few threads each then share them out. */
std::vector<int> allowed_cpus() {
  std::vector<int> cpus;
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    for (int i = 0; i < CPU_SETSIZE; ++i)
      if (CPU_ISSET(i, &set)) cpus.push_back(i);
  auto here = std::find(cpus.begin(), cpus.end(), sched_getcpu());
  if (here != cpus.end()) std::rotate(cpus.begin(), here + 1, cpus.end());
#endif
  if (cpus.empty())
    for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i) cpus.push_back(-1);
  return cpus;
}

int current_cpu() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

void pin_to([[maybe_unused]] int cpu) {
#if defined(__linux__)
  if (cpu < 0) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  pthread_setaffinity_np(pthread_self(), sizeof set, &set);
#endif
}

}  // namespace

constinit thread_local int Pool::depth_ = 0;

Pool::Pool(int threads) { resize(threads); }
Pool::~Pool() { stop_workers(); }

void Pool::resize(int threads) {
  std::lock_guard lock(busy_);
  stop_workers();
  threads_ = 1;
  if (threads <= 0) threads = static_cast<int>(allowed_cpus().size());
  if (threads > 1) start_workers(threads);
  shares_ = Shares(static_cast<size_t>(threads));
  threads_ = threads;
}

void Pool::start_workers(int threads) {
  // One worker more than needed where there are CPUs for it: the one on the caller's CPU is never woken.
  const std::vector<int> cpus = allowed_cpus();
  const size_t needed = static_cast<size_t>(threads) - 1, wanted = std::max(needed, std::min(needed + 1, cpus.size()));
  try {
    for (size_t i = 0; i < wanted; ++i) {
      workers_.push_back(std::make_unique<Worker>());
      Worker& w = *workers_.back();
      w.cpu = cpus[i % cpus.size()];
      w.thread = std::thread([this, &w] { loop(w); });
    }
  } catch (const std::system_error& e) {
    stop_workers();
    fail(ErrorCode::Device, "pool: threads: expected " + std::to_string(threads) + ", got " + e.what());
  }
}

void Pool::stop_workers() {
  for (auto& w : workers_) w->state.store(stopping, std::memory_order_release), w->state.notify_one();
  for (auto& w : workers_)
    if (w->thread.joinable()) w->thread.join();
  workers_.clear();
}

void Pool::expect(const void* data, size_t bytes) {
  if (depth_ > 0) return;
  expected_.data.store(static_cast<const char*>(data), std::memory_order_relaxed);
  expected_.bytes.store(bytes, std::memory_order_relaxed);
  expected_.number.fetch_add(1, std::memory_order_release);
}

/** What a waiting worker fetches, a KiB at a time. A mixture of two expectations does no harm: nothing is read. */
struct Pool::Fetching {
  uint64_t number = 0;
  const char *at = nullptr, *end = nullptr;

  void go_on(const Pool& pool, size_t share) {
    if (const uint64_t latest = pool.expected_.number.load(std::memory_order_acquire); latest != number) {
      number = latest;
      const size_t bytes = pool.expected_.bytes.load(std::memory_order_relaxed), count = pool.shares_.count(), begin = bytes * share / count;
      at = pool.expected_.data.load(std::memory_order_relaxed) + begin;
      end = at + std::min(bytes * (share + 1) / count - begin, kFetched);
    }
    for (int i = 0; i < 16 && at < end; ++i, at += 64) __builtin_prefetch(at, 0, 2);
  }
};

void Pool::loop(Worker& w) {
  pin_to(w.cpu);
  depth_ = 1;
  awake_.fetch_add(1, std::memory_order_relaxed);
  size_t share = 0;
  Fetching fetching;
  auto wanted = [&] {
    if (w.state.load(std::memory_order_acquire) != idle) return true;
    if (share > 0) fetching.go_on(*this, share);
    return false;
  };
  for (;;) {
    if (!spin_until(wanted)) {
      awake_.fetch_sub(1, std::memory_order_relaxed);
      w.state.wait(idle, std::memory_order_acquire);
      awake_.fetch_add(1, std::memory_order_relaxed);
    }
    uint32_t s = posted;
    if (w.state.compare_exchange_strong(s, running, std::memory_order_acq_rel)) {
      share = w.share;
      take_part(share);
      w.state.store(idle, std::memory_order_release);
    } else if (s == stopping) {
      awake_.fetch_sub(1, std::memory_order_relaxed);
      return;
    }
  }
}

void Pool::work(size_t own) {
  shares_.take(own, [&](int64_t i) {
    try {
      body_(arg_, i);
    } catch (...) {
      if (!lasting_) shares_.stop();
      std::lock_guard lock(error_mutex_);
      if (!error_) error_ = std::current_exception();
    }
  });
}

void Pool::take_part(size_t share) {
  if (!lasting_) return work(share);
  active_.fetch_add(1);
  work(share);
  active_.fetch_sub(1);
  help_until([&] { return active_.load() == 0; });
}

void Pool::Nested::work() {
  for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < count;) {
    try {
      body(arg, i);
    } catch (...) {
      next.store(count, std::memory_order_relaxed);
      std::lock_guard lock(mutex);
      if (!error) error = std::current_exception();
    }
  }
}

/** False, and nothing done, where nobody would take part. */
bool Pool::run_nested(int64_t count, Body body, void* arg) {
  if (depth_ != 1 || free_.load(std::memory_order_relaxed) == 0 || nesting_.exchange(true)) return false;
  Nested run{body, arg, count};
  depth_ = 2;
  nested_.store(&run);
  run.work();
  nested_.store(nullptr);
  auto left = [&] { return visitors_.load() == 0; };  // who has seen the run is among them
  while (!spin_until(left)) std::this_thread::yield();
  depth_ = 1;
  nesting_.store(false);
  if (run.error) std::rethrow_exception(run.error);
  return true;
}

void Pool::help_erased(bool (*done)(void*), void* arg) {
  const int depth = std::exchange(depth_, 2);
  free_.fetch_add(1);
  auto look = [&] {
    if (nested_.load(std::memory_order_relaxed)) {
      visitors_.fetch_add(1);
      if (Nested* run = nested_.load()) run->work();
      visitors_.fetch_sub(1);
    }
    return done(arg);
  };
  while (!spin_until(look)) std::this_thread::yield();
  free_.fetch_sub(1);
  depth_ = depth;
}

void Pool::run_erased(int64_t count, Body body, void* arg, bool lasting) {
  if (depth_ > 0 && run_nested(count, body, arg)) return;
  std::unique_lock lock(busy_, std::defer_lock);
  if (depth_ > 0 || !lock.try_lock()) {
    for (int64_t i = 0; i < count; ++i) body(arg, i);
    return;
  }
  run_held(count, body, arg, lasting);
}

bool Pool::try_run(int64_t count, Body body, void* arg) {
  std::unique_lock lock(busy_, std::defer_lock);
  if (depth_ > 0 || !lock.try_lock() || count > threads()) return false;
  run_held(count, body, arg, true);
  return true;
}

void Pool::run_held(int64_t count, Body body, void* arg, bool lasting) {
  body_ = body, arg_ = arg, lasting_ = lasting;
  shares_.deal(count);

  const int here = current_cpu();
  size_t helpers = static_cast<size_t>(lasting ? threads() - 1 : std::min<int64_t>(threads() - 1, count - 1)), share = 0;
  const bool spare = static_cast<int>(workers_.size()) >= threads();
  for (auto& w : workers_) {
    if (helpers == 0) break;
    if (spare && w->cpu >= 0 && w->cpu == here) continue;
    w->share = ++share;
    w->state.store(posted, std::memory_order_release);
    w->state.notify_one();
    --helpers;
  }
  depth_ = 1;
  take_part(0);
  depth_ = 0;
  for (auto& w : workers_) {
    uint32_t s = posted;
    if (w->state.compare_exchange_strong(s, idle, std::memory_order_acq_rel)) continue;  // never started
    auto finished = [&] { return w->state.load(std::memory_order_acquire) != running; };
    while (!spin_until(finished)) std::this_thread::yield();
  }
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

}  // namespace a2s
