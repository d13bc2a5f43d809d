#include "napi/task.h"

#include "napi/handle.h"

namespace a2s::js {

template <>
struct HandleKind<std::atomic<bool>> {
  static constexpr napi_type_tag tag{0x5d0f1c2a77e04b31, 0x9a3c6e8812f4d701};
  static constexpr const char* name = "cancel token";
};

namespace {

class ProgressMessage final : public Message {
 public:
  ProgressMessage(int64_t id, int64_t step, int64_t running) : id_(id), step_(step), running_(running) {}
  void receive(Napi::Env env) override {
    Napi::HandleScope scope(env);
    auto number = [env](int64_t v) { return Napi::Number::New(env, static_cast<double>(v)); };
    Instance::of(env).progress_listener.Call({number(id_), number(step_), number(running_)});
  }

 private:
  int64_t id_, step_, running_;
};

}  // namespace

Mailbox::Mailbox(Napi::Env env) {
  auto receive = [](napi_env env, napi_value, void*, void* data) {
    std::unique_ptr<Message> message(static_cast<Message*>(data));
    if (!env) return;  // the environment is being torn down
    try {
      message->receive(env);
    } catch (const Napi::Error& e) {
      e.ThrowAsJavaScriptException();
    }
  };
  napi_status status = napi_create_threadsafe_function(env, nullptr, nullptr, Napi::String::New(env, "align2speak"), 0, 1,
                                                       nullptr, nullptr, nullptr, receive, &function_);
  if (status != napi_ok) throw Napi::Error::New(env);
  napi_unref_threadsafe_function(env, function_);
}

void Mailbox::post(std::unique_ptr<Message> message) {
  std::lock_guard lock(mutex_);
  if (!open_) return;
  if (napi_call_threadsafe_function(function_, message.get(), napi_tsfn_nonblocking) == napi_ok) message.release();
}

void Mailbox::deliver(std::unique_ptr<Job> job) {
  // Every job with this inbox is a task: submit_task is the only place that makes one.
  post(std::unique_ptr<Message>(static_cast<Task*>(job.release())));
}

void Mailbox::close() {
  std::lock_guard lock(mutex_);
  open_ = false;
}

void Mailbox::hold(Napi::Env env) {
  if (pending_++ == 0) napi_ref_threadsafe_function(env, function_);
}

void Mailbox::release(Napi::Env env) {
  if (--pending_ == 0) napi_unref_threadsafe_function(env, function_);
}

void Instance::create(Napi::Env env) {
  auto* instance = new Instance;
  env.SetInstanceData(instance);
  // Cleanup hooks run last in, first out: this one before the thread-safe function's own, which frees it.
  instance->mailbox = std::make_shared<Mailbox>(env);
  Engine::get().attach();
  napi_add_env_cleanup_hook(
      env,
      [](void* data) {
        auto* mailbox = static_cast<Mailbox*>(data);
        mailbox->close();
        Engine::get().detach(mailbox);
      },
      instance->mailbox.get());
}

Napi::Value Task::open(Napi::Env env) {
  napi_value promise;
  if (napi_create_promise(env, &deferred_, &promise) != napi_ok) throw Napi::Error::New(env);
  return {env, promise};
}

void Task::receive(Napi::Env env) {
  Napi::HandleScope scope(env);
  Instance::of(env).mailbox->release(env);
  try {
    if (error) std::rethrow_exception(error);
    napi_resolve_deferred(env, deferred_, value(env));
  } catch (...) {
    napi_reject_deferred(env, deferred_, to_error(env, std::current_exception()).Value());
  }
}

Napi::Value submit_task(Napi::Env env, const Napi::Value& token, std::unique_ptr<Task> task) {
  task->cancel = token.IsUndefined() ? std::make_shared<std::atomic<bool>>(false)
                                     : object_of<std::atomic<bool>>("signal", token);
  task->inbox = Instance::of(env).mailbox;
  Napi::Value promise = task->open(env);
  Engine::get().submit(std::move(task));
  Instance::of(env).mailbox->hold(env);
  return promise;
}

void Progress::report(int64_t step, int64_t running) const {
  if (id_ != 0) mailbox_->post(std::make_unique<ProgressMessage>(id_, step, running));
}

Napi::Value set_progress_listener(const Napi::CallbackInfo& info) {
  if (!info[0].IsFunction()) fail_type("setProgressListener: listener", "a function", info[0]);
  Instance::of(info.Env()).progress_listener = Napi::Persistent(info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

Napi::Value cancel_token(const Napi::CallbackInfo& info) {
  return make_handle(info.Env(), std::make_shared<std::atomic<bool>>(false), 0);
}

Napi::Value cancel(const Napi::CallbackInfo& info) {
  Engine::get().cancel(object_of<std::atomic<bool>>("cancel: token", info[0]));
  return info.Env().Undefined();
}

}  // namespace a2s::js
