// Passes that run at the same time add to the gradient of a parameter one after another: the sums have the bits that the passes give
// one by one, and no pass needs gradients of its own. The parameter that one pass is adding to, the next waits for; it stays an
// operator behind from then on, and hardly waits again.
#pragma once
#include <atomic>
#include <exception>
#include <mutex>
#include <vector>

#include "core/params.h"
#include "core/pool.h"

namespace a2s {

/** For each parameter, how many passes have added all that they will. */
class Turns {
 public:
  Turns(Pool& pool, const Params& params) : pool_(pool), done_(params.list().size()) {}

  size_t params() const { return done_.size(); }

  /** Waits until the passes before this one are done with the parameter. Rethrows what one of them has failed with. */
  void wait(size_t param, int64_t pass) {
    pool_.help_until([&] { return failed_.load() || done_[param].load() == pass; });
    if (failed_) std::rethrow_exception(error_);
  }
  void done(size_t param, int64_t pass) { done_[param].store(pass + 1); }
  /** Keeps the first failure. */
  void fail(std::exception_ptr error) {
    std::lock_guard lock(mutex_);
    if (!failed_) error_ = std::move(error), failed_ = true;
  }

 private:
  Pool& pool_;
  std::vector<std::atomic<int64_t>> done_;
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;
  std::mutex mutex_;
};

/** The turns of one pass. */
class PassTurns {
 public:
  PassTurns(Turns& turns, int64_t pass) : turns_(turns), pass_(pass), left_(turns.params()) {}

  /** It will add to the parameter, once more. */
  void expect(const Param& p) { ++left_[p.index]; }
  void begin(const Param& p) { turns_.wait(p.index, pass_); }
  void end(const Param& p) {
    if (--left_[p.index] == 0) turns_.done(p.index, pass_), left_[p.index] = kDone;
  }
  /** It adds nothing any more. */
  void finish() {
    for (size_t i = 0; i < left_.size(); ++i)
      if (left_[i] != kDone) turns_.wait(i, pass_), turns_.done(i, pass_);
  }

 private:
  static constexpr int32_t kDone = -1;
  Turns& turns_;
  int64_t pass_;
  std::vector<int32_t> left_;
};

}  // namespace a2s
