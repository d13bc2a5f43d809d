// Promises kept by the engine thread. `submit` queues work that runs there without touching JavaScript, and a delivery
// that runs on the caller's thread and makes the promise's value from the work's result.
#pragma once
#include <napi.h>


#include "napi/engine.h"
#include "napi/errors.h"

namespace a2s::js {

/** Something to do on the JavaScript thread. */
struct Message {
  virtual ~Message() = default;
  virtual void receive(Napi::Env env) = 0;
};

/** The way from other threads into one environment (the main thread or a worker). */
class Mailbox final : public Inbox {
 public:
  explicit Mailbox(Napi::Env env);
  /** From any thread. After close() the message is dropped. */
  void post(std::unique_ptr<Message> message);
  void deliver(std::unique_ptr<Job> job) override;
  void close();
  /** While calls are pending the process stays alive. Only on the JavaScript thread. */
  void hold(Napi::Env env);
  void release(Napi::Env env);

 private:
  std::mutex mutex_;
  napi_threadsafe_function function_ = nullptr;
  bool open_ = true;
  int pending_ = 0;
};

/** What belongs to one environment. */
struct Instance {
  std::shared_ptr<Mailbox> mailbox;
  Napi::FunctionReference error_factory;
  Napi::FunctionReference progress_listener;

  static void create(Napi::Env env);
  static Instance& of(Napi::Env env) { return *env.GetInstanceData<Instance>(); }
};

/** A job whose outcome settles a promise. Off the JavaScript thread it may be destroyed, but not settled. */
class Task : public Job, public Message {
 public:
  /** Creates the promise. */
  Napi::Value open(Napi::Env env);
  void receive(Napi::Env env) override;

 protected:
  virtual Napi::Value value(Napi::Env env) = 0;

 private:
  napi_deferred deferred_ = nullptr;
};

template <class Work, class Deliver>
class TaskOf final : public Task {
 public:
  TaskOf(Work work, Deliver deliver) : work_(std::move(work)), deliver_(std::move(deliver)) {}
  void run(Workspace& w) override { result_.emplace(work_(w)); }

 protected:
  Napi::Value value(Napi::Env env) override { return deliver_(env, *result_); }

 private:
  Work work_;
  Deliver deliver_;
  std::optional<std::invoke_result_t<Work&, Workspace&>> result_;
};

/** Queues a task and returns its promise. `token` is undefined or a cancel token. */
Napi::Value submit_task(Napi::Env env, const Napi::Value& token, std::unique_ptr<Task> task);

/** Queues `result = work(Workspace&)`; the promise's value is `deliver(env, result)`. */
template <class Work, class Deliver>
Napi::Value submit(Napi::Env env, const Napi::Value& token, Work work, Deliver deliver) {
  return submit_task(env, token, std::make_unique<TaskOf<Work, Deliver>>(std::move(work), std::move(deliver)));
}

/** A result that says only "done": its promise resolves to undefined. */
struct Done {};
inline Napi::Value deliver_done(Napi::Env env, Done) { return env.Undefined(); }

/** Tells the environment's listener how far the call under `id` has come. From any thread. */
class Progress {
 public:
  /** An id of 0 tells nobody. */
  Progress(Napi::Env env, int64_t id) : mailbox_(Instance::of(env).mailbox), id_(id) {}
  void report(int64_t step, int64_t running) const;

 private:
  std::shared_ptr<Mailbox> mailbox_;
  int64_t id_;
};

/** `setProgressListener((id, step, running) => void)`. */
Napi::Value set_progress_listener(const Napi::CallbackInfo& info);

/** `cancelToken()` and `cancel(token)`. */
Napi::Value cancel_token(const Napi::CallbackInfo& info);
Napi::Value cancel(const Napi::CallbackInfo& info);

}  // namespace a2s::js
