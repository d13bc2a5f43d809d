#include "core/pool.h"

#include <algorithm>

#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace a2s {
namespace {

enum State : uint32_t { idle, posted, running, stopping };
constexpr int kSpins = 2000;  // about 40 us of pauses

thread_local bool in_parallel = false;

void pause_cpu() {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

std::vector<int> allowed_cpus() {
  std::vector<int> cpus;
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    for (int i = 0; i < CPU_SETSIZE; ++i)
      if (CPU_ISSET(i, &set)) cpus.push_back(i);
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

Pool::Pool(int threads) : threads_(1) { resize(threads); }
Pool::~Pool() { stop_workers(); }

void Pool::resize(int threads) {
  std::lock_guard lock(busy_);
  stop_workers();
  threads_ = threads > 0 ? threads : static_cast<int>(allowed_cpus().size());
  if (threads_ > 1) start_workers();
}

void Pool::start_workers() {
  // One worker more than needed where there are CPUs for it: the one on the caller's CPU is never woken.
  std::vector<int> cpus = allowed_cpus();
  size_t wanted = std::max<size_t>(threads_ - 1, std::min<size_t>(threads_, cpus.size()));
  for (size_t i = 0; i < wanted; ++i) {
    workers_.push_back(std::make_unique<Worker>());
    Worker& w = *workers_.back();
    w.cpu = cpus[i % cpus.size()];
    w.thread = std::thread([this, &w] { loop(w); });
  }
}

void Pool::stop_workers() {
  for (auto& w : workers_) w->state.store(stopping), w->state.notify_one();
  for (auto& w : workers_) w->thread.join();
  workers_.clear();
}

void Pool::loop(Worker& w) {
  pin_to(w.cpu);
  in_parallel = true;
  for (;;) {
    uint32_t s = idle;
    for (int i = 0; i < kSpins && (s = w.state.load(std::memory_order_acquire)) == idle; ++i) pause_cpu();
    if (s == idle) w.state.wait(idle, std::memory_order_acquire);
    s = posted;
    if (w.state.compare_exchange_strong(s, running, std::memory_order_acq_rel)) {
      work();
      s = running;
      w.state.compare_exchange_strong(s, idle, std::memory_order_acq_rel);
    }
    if (w.state.load(std::memory_order_acquire) == stopping) return;
  }
}

void Pool::work() {
  for (int64_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < count_;) {
    try {
      body_(arg_, i);
    } catch (...) {
      std::lock_guard lock(error_mutex_);
      if (!error_) error_ = std::current_exception();
    }
  }
}

void Pool::run_erased(int64_t count, Body body, void* arg) {
  std::unique_lock lock(busy_, std::defer_lock);
  if (in_parallel || !lock.try_lock()) {
    for (int64_t i = 0; i < count; ++i) body(arg, i);
    return;
  }
  body_ = body, arg_ = arg, count_ = count, error_ = nullptr;
  next_.store(0, std::memory_order_relaxed);

  int here = current_cpu();
  int64_t helpers = std::min<int64_t>(threads_ - 1, count - 1);
  bool spare = static_cast<int>(workers_.size()) >= threads_;
  for (auto& w : workers_) {
    if (helpers == 0) break;
    if (spare && w->cpu >= 0 && w->cpu == here) continue;
    w->state.store(posted, std::memory_order_release);
    w->state.notify_one();
    --helpers;
  }
  in_parallel = true;
  work();
  in_parallel = false;
  for (auto& w : workers_) {
    uint32_t s = posted;
    if (w->state.compare_exchange_strong(s, idle, std::memory_order_acq_rel)) continue;  // never started
    for (int i = 0; w->state.load(std::memory_order_acquire) == running; ++i)
      i < kSpins ? pause_cpu() : std::this_thread::yield();
  }
  if (error_) std::rethrow_exception(error_);
}

}  // namespace a2s
