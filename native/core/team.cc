#include "core/team.h"

#include <exception>

namespace a2s {

Team::Team(Pool& pool, int64_t members) : pool_(pool), places_(static_cast<size_t>(members)), shares_(places_.size()), state_(static_cast<uint64_t>(members) * kMember) {
  all_.reserve(places_.size());
}

/** Called by the one who completes the step: nobody else looks meanwhile. */
void Team::open() {
  all_.clear();
  int64_t parts = 0;
  for (Place& p : places_)
    if (p.data) all_.push_back(p.data), parts = p.parts;
  shares_.deal(parts);
  left_.store(parts, std::memory_order_relaxed);
  state_.fetch_sub(all_.size(), std::memory_order_relaxed);
  opened_.fetch_add(1, std::memory_order_release);
}

template <class F>
void Team::wait(int64_t index, F&& done) {
  if (done()) return;
  const auto begin = Clock::now();
  pool_.help_until(done);
  places_[index].waited += Clock::now() - begin;
}

Team::Clock::duration Team::waited() const {
  Clock::duration sum{};
  for (const Place& p : places_) sum += p.waited;
  return sum;
}

void Team::step(int64_t index, void* data, int64_t parts, Body body, void* arg) {
  places_[index].data = data, places_[index].parts = parts;
  const uint32_t before = opened_.load(std::memory_order_relaxed);
  if (complete(state_.fetch_add(1, std::memory_order_acq_rel) + 1)) open();
  else wait(index, [&] { return opened_.load(std::memory_order_acquire) != before; });

  int64_t done = 0;
  std::exception_ptr error;
  shares_.take(static_cast<size_t>(index), [&](int64_t i) {
    try {
      body(arg, all_, i);
    } catch (...) {
      error = std::current_exception();
    }
    ++done;
  });
  left_.fetch_sub(done, std::memory_order_acq_rel);
  wait(index, [&] { return left_.load(std::memory_order_acquire) == 0; });
  if (error) std::rethrow_exception(error);
}

void Team::leave(int64_t index) {
  places_[index].data = nullptr;
  if (complete(state_.fetch_sub(kMember, std::memory_order_acq_rel) - kMember)) open();
}

}  // namespace a2s
