#include "core/side_by_side.h"

#include <atomic>
#include <cstring>
#include <memory>

#include "core/once.h"
#include "core/simd.h"

namespace a2s {
namespace {

template <class T>
A2S_INLINE void move_sum(T* __restrict from, T* __restrict to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] += from[i], from[i] = 0;
}
A2S_CLONES void move_gradients(float* from, float* to, int64_t n) { move_sum(from, to, n); }
void move_gradients(double* from, double* to, int64_t n) { move_sum(from, to, n); }

constexpr int64_t kMoved = 1 << 16;  // gradients a task

/** Whose turn it is to add its gradients. */
class Turns {
 public:
  /** Waits for that of pass i, and does `work` in it; false where a pass has failed. */
  template <class F>
  bool in_turn(Pool& pool, int64_t i, F&& work) {
    pool.help_until([&] { return failed_.load() || next_.load() == i; });
    if (failed_) return false;
    work();
    next_ = i + 1;
    return true;
  }
  void fail() { failed_ = true; }

 private:
  std::atomic<int64_t> next_{0};
  std::atomic<bool> failed_{false};
};

}  // namespace

std::vector<LaneArenas*> lane_arenas(int64_t count) {
  thread_local std::vector<std::unique_ptr<LaneArenas>> kept;
  while (std::ssize(kept) < count) kept.push_back(std::make_unique<LaneArenas>());
  std::vector<LaneArenas*> arenas;
  for (int64_t i = 0; i < count; ++i) {
    arenas.push_back(kept[static_cast<size_t>(i)].get());
    arenas.back()->memory.reset(), arenas.back()->scratch.reset();
  }
  return arenas;
}

void side_by_side(const Context& ctx, Arena& arena, Params& params, int64_t count,
                  const std::function<void(const Lane&, int64_t)>& one) {
  if (count == 1 || ctx.device) {
    for (int64_t i = 0; i < count; ++i) one({ctx, arena, nullptr}, i);
    return;
  }
  params.need_grads();
  const bool f32 = params.dtype() == DType::f32;
  const size_t bytes = static_cast<size_t>(params.flat_size()) * size_of(params.dtype());
  Turns turns;
  std::atomic<int64_t> begun{0};
  auto run = [&](const Context& own, Arena& memory) {
    ScratchScope scope(memory);
    void* grads = nullptr;
    for (int64_t i; (i = begun++) < count;) {
      try {
        // The first pass adds its gradients to the parameters' itself: nobody else does before its turn is over.
        if (i > 0 && !grads) grads = std::memset(memory.alloc(bytes), 0, bytes);
        ScratchScope pass(memory);
        one({own, memory, i > 0 ? grads : nullptr}, i);
      } catch (...) {
        turns.fail();
        throw;
      }
      const bool added = turns.in_turn(ctx.pool, i, [&] {
        if (i == 0) return;
        ctx.pool.ranges(params.flat_size(), kMoved, [&](int64_t begin, int64_t end) {
          if (f32) move_gradients(static_cast<float*>(grads) + begin, static_cast<float*>(params.grads()) + begin, end - begin);
          else move_gradients(static_cast<double*>(grads) + begin, static_cast<double*>(params.grads()) + begin, end - begin);
        });
      });
      if (!added) return;
    }
  };
  const int64_t threads = ctx.pool.threads();
  Once once(params.values(), bytes, arena);
  auto lane = [&](int64_t, LaneArenas& own) { run({ctx.pool, own.scratch, nullptr, ctx.bf16, &once}, own.memory); };
  if (threads > 2 * count) return lane(0, *lane_arenas(1).front());
  in_lanes(ctx.pool, std::min(threads, count), lane);
}

}  // namespace a2s
