// A warp takes a group.
#include "core/launch.h"
#include "core/reduce.h"
#include "core/refusal.h"
#include "rl/group_advantages/group_advantages.h"

namespace a2s {
namespace {

constexpr int kWarps = 4;  // groups a block

template <class T>
struct Groups {
  const T* rewards;     // [P, G]
  const int32_t* mask;  // [P, G], or null
  T* advantages;        // [P, G]
  int32_t *valid, *refusal;
  int64_t P, G;
  double floor, least;
  bool by_std;
};

template <class T>
__global__ void __launch_bounds__(kWarps * kWarp) centre(const Groups<T> all) {
  const int64_t p = int64_t{blockIdx.x} * kWarps + threadIdx.x / kWarp, G = all.G;
  if (p >= all.P) return;
  const T* r = all.rewards + p * G;
  const int32_t* mask = all.mask ? all.mask + p * G : nullptr;
  /** f(g) for the kept samples that are this lane's. */
  auto each_kept = [&](auto f) {
    for (int64_t g = threadIdx.x % kWarp; g < G; g += kWarp)
      if (!mask || mask[g]) f(g);
  };
  int64_t kept = 0, first = G;
  each_kept([&](int64_t g) {
    if (!(std::fabs(r[g]) < T(HUGE_VAL))) *all.refusal = 1;
    first = kept++ ? first : g;
  });
  kept = warp_sum(kept);
  first = warp_reduce(first, [](int64_t a, int64_t b) { return a < b ? a : b; });

  // Differences to the first reward make equal ones give exactly 0.
  const double origin = kept ? r[first] : 0, count = kept ? kept : 1;
  double sum = 0, square = 0;
  each_kept([&](int64_t g) { sum += r[g] - origin; });
  const double shift = warp_sum(sum) / count;
  each_kept([&](int64_t g) {
    const double d = r[g] - origin - shift;
    square += d * d;
  });
  const double deviation = std::sqrt(warp_sum(square) / count);

  const bool valid = deviation > all.least;
  const double scale = all.by_std ? 1 / (deviation > all.floor ? deviation : all.floor) : 1;
  for (int64_t g = threadIdx.x % kWarp; g < G; g += kWarp)
    all.advantages[p * G + g] = valid && (!mask || mask[g]) ? static_cast<T>((r[g] - (origin + shift)) * scale) : T(0);
  if (threadIdx.x % kWarp == 0) all.valid[p] = valid;
}

template <class T>
void forward(Call& c) {
  const int64_t P = c.in[0].dim(0), G = c.in[0].dim(1);
  const Refusal refusal(c);
  const Groups<T> all{c.in[0].as<T>(), c.in[1] ? c.in[1].as<int32_t>() : nullptr, c.out[0].as<T>(), c.out[1].as<int32_t>(),
                      refusal.word(),  P, G, c.num("std_floor"), c.num("min_std"), c.integer("scale") == 1};
  launch(c, centre<T>, (P + kWarps - 1) / kWarps, kWarps * kWarp, all);
  refusal.settle();
}

const CudaTwin twin{group_advantages, [](Call& c) { A2S_BY_DTYPE(c, forward); }};

}  // namespace
}  // namespace a2s
