// A block takes a row, with two rows of scratch: scaled logits and weights, as on the CPU. Sums run in another order than there,
// so a token differs from the CPU's where the random number or the limit of top-p is within rounding of an id's edge.
#include "core/launch.h"
#include "core/reduce.h"
#include "core/refusal.h"
#include "core/rng.h"
#include "sampling/bisection.h"
#include "sampling/sample_tokens.h"

namespace a2s {
namespace {

constexpr int kThreads = 256;
constexpr int64_t kBlocks = 512;  // rows at a time: enough for every multiprocessor, and their scratch stays in the cache

template <class T>
struct Rows {
  const T *logits, *uncond;  // [R, V]; uncond null: no guidance
  const int32_t *allowed, *sample;
  int32_t *tokens, *likeliest, *refusal;
  T *logprobs, *entropy, *scratch;
  int64_t R, V, top_k, per_sample;
  uint64_t first;  // position of a sample's first row
  Rng rng;
  double top_p;
  T guidance, opposite, inverse_temperature;  // opposite: 1 - guidance
  bool greedy;
};

template <class T>
constexpr T kInf = std::numeric_limits<T>::infinity();

/** f(i) for the elements of a row that are this thread's. No other one touches them before draw(). */
template <class F>
__device__ inline void each(int64_t V, F f) {
  for (int64_t i = threadIdx.x; i < V; i += kThreads) f(i);
}

template <class T>
__device__ inline T block_min(T value) {
  return block_reduce<kThreads>(value, [](T a, T b) { return a < b ? a : b; });
}

template <class T>
__device__ inline void scale(const Rows<T>& a, int64_t r, T* z) {
  const T *x = a.logits + r * a.V, *u = a.uncond ? a.uncond + r * a.V : nullptr;
  each(a.V, [&](int64_t i) {
    const T mixed = u ? a.guidance * x[i] + a.opposite * u[i] : x[i];
    z[i] = a.allowed && !a.allowed[i] ? -kInf<T> : mixed * a.inverse_temperature;
  });
}

template <class T>
__device__ inline T kth_largest(const T* z, int64_t V, int64_t k, T bottom, T top) {
  auto b = Bisection<T>::from_to(bottom, top);
  while (b.open()) {
    const T mid = b.middle();
    int count = 0;
    each(V, [&](int64_t i) { count += z[i] >= mid; });
    count = block_sum<kThreads>(count);
    (count >= k ? b.low : b.high) = mid;
    if (count == k) break;
  }
  return b.low;
}

template <class T>
__device__ inline T heaviest(const T* z, const T* w, int64_t V, T from, T top, T target) {
  auto b = Bisection<T>::from_to(from, top);
  int inside = static_cast<int>(V), above = 0;  // elements >= low, >= high
  while (b.open() && inside - above > 1) {
    const T mid = b.middle();
    int count = 0;
    T mass = 0;
    each(V, [&](int64_t i) {
      count += z[i] >= mid;
      mass += z[i] >= mid ? w[i] : T(0);
    });
    count = block_sum<kThreads>(count), mass = block_sum<kThreads>(mass);
    if (mass >= target) b.low = mid, inside = count;
    else b.high = mid, above = count;
  }
  return b.low;
}

/** The first i at which below + w[0] + … + w[i] exceeds target, else the last one with weight; adds the weights before it to
 *  `below`. */
template <class W>
__device__ inline int64_t first_above(const W* w, int64_t n, double target, double& below) {
  int64_t found = 0;
  bool any = false;
  for (int64_t i = 0; i < n; ++i) {
    if (!(w[i] > 0)) continue;
    if (any) below += w[found];
    found = i, any = true;
    if (below + w[i] > target) break;
  }
  return found;
}

/** The first id at which the running sum of w[V] exceeds u times its total: a warp's part, then a thread's, then the id.
 *  There was a barrier since w was written. */
template <class T>
__device__ inline int64_t draw(const T* w, int64_t V, double u) {
  constexpr int kWarps = kThreads / kWarp;
  __shared__ double sums[kThreads], warp_sums[kWarps];
  const int64_t part = (V + kThreads - 1) / kThreads, begin = threadIdx.x * part;
  double sum = 0;
  for (int64_t i = begin; i < begin + part && i < V; ++i) sum += w[i];
  sums[threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.x < kWarps) {
    sum = 0;
    for (int i = 0; i < kWarp; ++i) sum += sums[threadIdx.x * kWarp + i];
    warp_sums[threadIdx.x] = sum;
  }
  __syncthreads();
  double total = 0, below = 0;
  for (int i = 0; i < kWarps; ++i) total += warp_sums[i];
  const int64_t warp = first_above(warp_sums, kWarps, u * total, below);
  const int64_t thread = warp * kWarp + first_above(sums + warp * kWarp, kWarp, u * total, below);
  const int64_t start = thread * part;
  return start + first_above(w + start, V - start < part ? V - start : part, u * total, below);
}

template <class T>
__global__ void __launch_bounds__(kThreads, 4) draw_rows(const Rows<T> a) {
  const int64_t V = a.V;
  T *z = a.scratch + int64_t{blockIdx.x} * 2 * V, *w = z + V;
  const bool writes = threadIdx.x == 0;
  for (int64_t r = blockIdx.x; r < a.R; r += gridDim.x) {
    scale(a, r, z);
    T least = kInf<T>, most = -kInf<T>;  // of the finite elements; most is +inf where one is NaN or +inf
    each(V, [&](int64_t i) {
      least = z[i] < least && z[i] > -kInf<T> ? z[i] : least;
      most = !(z[i] < kInf<T>) ? kInf<T> : z[i] > most ? z[i] : most;
    });
    const T bottom = block_min(least), top = -block_min(-most);
    if (!(std::fabs(top) < kInf<T>) || a.sample[r] < 0) {
      if (writes) *a.refusal = 1;
      continue;
    }
    int64_t at = V;
    each(V, [&](int64_t i) { at = z[i] == top && i < at ? i : at; });
    at = block_min(at);
    if (writes) a.likeliest[r] = static_cast<int32_t>(at);
    if (a.greedy) {
      if (writes) a.tokens[r] = static_cast<int32_t>(at), a.logprobs[r] = a.entropy[r] = 0;
      continue;
    }
    T cutoff = a.top_k > 0 && a.top_k < V ? kth_largest(z, V, a.top_k, bottom, top) : bottom;
    T total = 0;
    each(V, [&](int64_t i) {
      w[i] = z[i] >= cutoff ? std::exp(z[i] - top) : T(0);
      total += w[i];
    });
    if (a.top_p < 1) {
      const T target = static_cast<T>(a.top_p) * block_sum<kThreads>(total);
      cutoff = heaviest(z, w, V, cutoff, top, target);
    }
    T sum = 0, moment = 0;
    each(V, [&](int64_t i) {
      if (z[i] < cutoff) w[i] = 0;
      sum += w[i];
      moment += w[i] > 0 ? w[i] * (z[i] - top) : T(0);
    });
    sum = block_sum<kThreads>(sum), moment = block_sum<kThreads>(moment);
    const double u = a.rng.uniform(static_cast<uint64_t>(a.sample[r]), a.first + static_cast<uint64_t>(r % a.per_sample));
    const int64_t token = draw(w, V, u);
    const T log_sum = std::log(sum);
    if (writes) {
      a.tokens[r] = static_cast<int32_t>(token);
      a.logprobs[r] = z[token] - (top + log_sum), a.entropy[r] = log_sum - moment / sum;
    }
    __syncthreads();  // z of another thread was read
  }
}

template <class T>
void forward(Call& c) {
  const int64_t R = c.in[0].dim(0), V = c.in[0].dim(1), blocks = R < kBlocks ? R : kBlocks;
  const double guidance = c.num("guidance"), temperature = c.num("temperature");
  const Refusal refusal(c);
  Rows<T> a{};
  a.logits = c.in[0].as<T>();
  a.uncond = c.in[1] && guidance != 1 ? c.in[1].as<T>() : nullptr;
  a.allowed = c.in[2] ? c.in[2].as<int32_t>() : nullptr;
  a.sample = c.in[3].as<int32_t>();
  a.tokens = c.out[0].as<int32_t>(), a.logprobs = c.out[1].as<T>(), a.entropy = c.out[2].as<T>();
  a.likeliest = c.out[3].as<int32_t>(), a.refusal = refusal.word();
  a.scratch = c.scratch<T>(blocks * 2 * V);
  a.R = R, a.V = V, a.top_k = c.integer("top_k"), a.per_sample = c.integer("rows_per_sample");
  a.first = static_cast<uint64_t>(c.integer("position")) * static_cast<uint64_t>(a.per_sample);
  a.rng = {static_cast<uint64_t>(c.integer("seed")), static_cast<uint32_t>(Stream::sampling)};
  a.top_p = c.num("top_p");
  a.guidance = static_cast<T>(guidance), a.opposite = static_cast<T>(1 - guidance);
  a.greedy = temperature == 0;
  a.inverse_temperature = a.greedy ? T(1) : static_cast<T>(1 / temperature);
  launch(c, draw_rows<T>, blocks, kThreads, a);
  refusal.settle();
}

const CudaTwin twin{sample_tokens, [](Call& c) { A2S_BY_DTYPE(c, forward); }};

}  // namespace
}  // namespace a2s
