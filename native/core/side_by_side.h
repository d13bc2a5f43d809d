// Parts of a call side by side. Threads that share one pass wait for each other at every operator and fetch from each other's caches
// what the other has just written; threads with passes of their own do neither.
#pragma once
#include <functional>

#include "core/op.h"
#include "core/params.h"
#include "core/turns.h"

namespace a2s {

struct LaneArenas {
  Arena memory, scratch;
};
/** `count` of the calling thread's, empty. Kept, so that memory is asked for once, whatever the parts do. */
std::vector<LaneArenas*> lane_arenas(int64_t count);

/** Calls part(i, arenas) for each i in [0, count) on the threads of a pool; what the arenas hold lasts until this thread's next call. */
template <class F>
void in_lanes(Pool& pool, int64_t count, F&& part) {
  const std::vector<LaneArenas*> arenas = lane_arenas(count);
  pool.run_long(count, [&](int64_t i) { part(i, *arenas[static_cast<size_t>(i)]); });
}

/** The same at the same time, so that parts may wait for each other. False, and nothing done, where there are not so many threads. */
template <class F>
bool in_lanes_together(Pool& pool, int64_t count, F&& part) {
  const std::vector<LaneArenas*> arenas = lane_arenas(count);
  return pool.run_together(count, [&](int64_t i) { part(i, *arenas[static_cast<size_t>(i)]); });
}

/** What one pass runs on, until it returns. */
struct Lane {
  Context ctx;
  Arena& arena;
  PassTurns* turns;  // when it may add to the gradients of parameters; null: at any time
};

/**
 * Calls one(lane, i) for each i in [0, count), on as many threads as there are passes, or with all threads on one pass after another
 * where that leaves too many without work; on a device they follow one another. Gradients of parameters have the same bits for any number
 * of threads. Rethrows the first failure, after which gradients are of no use.
 */
void side_by_side(const Context& ctx, Arena& arena, Params& params, int64_t count,
                  const std::function<void(const Lane&, int64_t)>& one);

}  // namespace a2s
