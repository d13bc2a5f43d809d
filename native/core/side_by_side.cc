#include "core/side_by_side.h"

#include <atomic>
#include <memory>

#include "core/once.h"

namespace a2s {

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
  Turns turns(ctx.pool, params);
  std::atomic<int64_t> begun{0};
  auto run = [&](const Context& own, Arena& memory) {
    for (int64_t i; (i = begun++) < count;) {
      ScratchScope scope(memory);
      PassTurns pass(turns, i);
      try {
        one({own, memory, &pass}, i);
        pass.finish();
      } catch (...) {
        turns.fail(std::current_exception());
        throw;
      }
    }
  };
  const int64_t threads = ctx.pool.threads();
  Once once(params.values(), static_cast<size_t>(params.flat_size()) * size_of(params.dtype()), arena);
  auto lane = [&](int64_t, LaneArenas& own) { run({ctx.pool, own.scratch, nullptr, ctx.bf16, &once}, own.memory); };
  if (threads > 2 * count) return lane(0, *lane_arenas(1).front());
  in_lanes(ctx.pool, std::min(threads, count), lane);
}

}  // namespace a2s
