// The engine: one thread per process that runs every command, one after another, and owns the compute threads and
// the memory that commands share. It knows nothing of JavaScript; see task.h for that side.
#pragma once
#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "core/op.h"

namespace a2s {

/** Set by whoever no longer wants a result; read between ops and between generated frames. */
using CancelFlag = std::shared_ptr<std::atomic<bool>>;

/** What a command may use while it runs. Arena memory is gone when the next command starts. */
struct Workspace {
  Pool& pool;
  Arena& scratch;
  Arena& arena;
  std::atomic<bool>& cancelled;
  Context context() const { return {pool, scratch}; }
  /** Throws Error(Cancelled) when the caller no longer wants the result. */
  void check_cancelled(const char* where) const;
};

struct Job;

/** Where finished jobs go. Called on any thread; must not block on the engine. */
struct Inbox {
  virtual ~Inbox() = default;
  virtual void deliver(std::unique_ptr<Job> job) = 0;
};

struct Job {
  virtual ~Job() = default;
  virtual void run(Workspace& w) = 0;
  std::shared_ptr<Inbox> inbox;
  CancelFlag cancel;
  std::exception_ptr error;  // what `run` threw
};

/** The one engine of the process. It starts with its first job and stops when its last user leaves or the process exits. */
class Engine {
 public:
  static Engine& get();

  /** Each user attaches its inbox before its first job. */
  void attach();
  /** Drops the inbox's queued jobs, cancels its running one and waits until that has stopped. */
  void detach(const Inbox* inbox);

  /** Runs the job after those before it; delivers it at once, as cancelled, where its flag is set already. */
  void submit(std::unique_ptr<Job> job);
  /** Sets the flag. A job that is still queued under it is delivered at once, as cancelled. */
  void cancel(const CancelFlag& flag);

  /** Number of compute threads. */
  int threads();
  /** Changes it, waiting for a parallel region in progress; 0 means one per CPU. */
  void resize(int threads);

 private:
  Engine() = default;
  void start();  // with jobs_mutex_ held
  void stop();   // with users_mutex_ held
  void loop();

  std::mutex users_mutex_;  // taken before jobs_mutex_
  int users_ = 0;

  std::mutex jobs_mutex_;
  std::condition_variable wake_, rest_;
  std::deque<std::unique_ptr<Job>> queue_;
  Job* running_ = nullptr;
  bool stopping_ = false, closed_ = false;

  std::optional<Pool> pool_;
  std::thread thread_;
  std::atomic<int> threads_{0};  // as asked for
};

}  // namespace a2s
