// Promises kept by the engine thread. `submit` queues work that runs there without touching JavaScript, and a delivery
// that runs on the caller's thread and makes the promise's value from the work's result.
#pragma once
#include <napi.h>

#include <functional>
#include <unordered_map>

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
  /** Progress callbacks of running calls. */
  std::unordered_map<uint64_t, Napi::FunctionReference> callbacks;
  uint64_t next_callback = 1;

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

/** `cancelToken()` and `cancel(token)`. */
Napi::Value cancel_token(const Napi::CallbackInfo& info);
Napi::Value cancel(const Napi::CallbackInfo& info);

}  // namespace a2s::js
