#include "napi/engine.h"

#include <algorithm>
#include <string>
#include <vector>

namespace a2s {
namespace {

std::exception_ptr cancelled(const char* where) {
  return std::make_exception_ptr(
      Error(ErrorCode::Cancelled, std::string(where) + ": signal: expected the call to run to its end, got an abort"));
}

void deliver_cancelled(std::unique_ptr<Job> job) {
  job->error = cancelled("engine");
  std::shared_ptr<Inbox> inbox = job->inbox;
  inbox->deliver(std::move(job));
}

}  // namespace

void Workspace::check_cancelled(const char* where) const {
  if (cancelled.load(std::memory_order_relaxed)) std::rethrow_exception(a2s::cancelled(where));
}

// The engine itself is never destroyed: threads of the process may outlive its static objects. A process that exits
// with a job running stops the thread first, before the op table is gone, because that was made earlier.
Engine& Engine::get() {
  all_ops();
  static Engine* engine = new Engine;
  static struct AtExit {
    ~AtExit() {
      std::lock_guard users(engine->users_mutex_);
      engine->stop();
      std::lock_guard jobs(engine->jobs_mutex_);
      engine->closed_ = true;
    }
  } at_exit;
  return *engine;
}

void Engine::attach() {
  std::lock_guard users(users_mutex_);
  ++users_;
}

void Engine::detach(const Inbox* inbox) {
  std::lock_guard users(users_mutex_);
  std::vector<std::unique_ptr<Job>> dropped;
  {
    std::unique_lock jobs(jobs_mutex_);
    for (auto& job : queue_)
      if (job->inbox.get() == inbox) dropped.push_back(std::move(job));
    std::erase(queue_, nullptr);
    auto mine = [&] { return running_ && running_->inbox.get() == inbox; };
    if (mine()) *running_->cancel = true;
    rest_.wait(jobs, [&] { return !mine(); });
  }
  if (--users_ == 0) stop();
}

void Engine::start() {
  if (thread_.joinable() || closed_) return;
  stopping_ = false;
  pool_.emplace(threads_.load());
  thread_ = std::thread([this] { loop(); });
}

void Engine::stop() {
  std::deque<std::unique_ptr<Job>> dropped;
  {
    std::lock_guard jobs(jobs_mutex_);
    stopping_ = true;
    dropped.swap(queue_);
    if (running_) *running_->cancel = true;
    wake_.notify_all();
  }
  if (!thread_.joinable()) return;
  thread_.join();
  pool_.reset();
}

void Engine::submit(std::unique_ptr<Job> job) {
  if (*job->cancel) return deliver_cancelled(std::move(job));
  std::lock_guard jobs(jobs_mutex_);
  start();
  queue_.push_back(std::move(job));
  wake_.notify_one();
}

void Engine::cancel(const CancelFlag& flag) {
  *flag = true;
  std::unique_ptr<Job> job;
  {
    std::lock_guard jobs(jobs_mutex_);
    auto it = std::find_if(queue_.begin(), queue_.end(), [&](auto& queued) { return queued->cancel == flag; });
    if (it == queue_.end()) return;
    job = std::move(*it);
    queue_.erase(it);
  }
  deliver_cancelled(std::move(job));
}

int Engine::threads() {
  std::lock_guard jobs(jobs_mutex_);
  start();
  return pool_ ? pool_->threads() : 0;
}

void Engine::resize(int threads) {
  threads_ = threads;
  pool_->resize(threads);
}

void Engine::loop() {
  Arena scratch, arena;
  for (;;) {
    std::unique_ptr<Job> job;
    {
      std::unique_lock jobs(jobs_mutex_);
      wake_.wait(jobs, [&] { return stopping_ || !queue_.empty(); });
      if (stopping_) return;
      job = std::move(queue_.front());
      queue_.pop_front();
      running_ = job.get();
    }
    try {
      scratch.reset();
      arena.reset();
      Workspace w{*pool_, scratch, arena, *job->cancel};
      w.check_cancelled("engine");
      job->run(w);
    } catch (...) {
      job->error = std::current_exception();
    }
    std::shared_ptr<Inbox> inbox = job->inbox;
    bool wanted;
    {
      std::lock_guard jobs(jobs_mutex_);
      running_ = nullptr;
      wanted = !stopping_;
    }
    rest_.notify_all();
    if (wanted) inbox->deliver(std::move(job));
  }
}

}  // namespace a2s
