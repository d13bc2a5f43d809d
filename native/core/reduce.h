// Reductions over the threads of a warp and of a block, for CUDA twins. Each runs in a fixed order, so results have the same
// bits every time. All threads of the warp or block take part; each of them gets the result.
#pragma once

namespace a2s {

constexpr int kWarp = 32;

template <class T, class F>
__device__ inline T warp_reduce(T value, F combine) {
  for (int offset = kWarp / 2; offset > 0; offset /= 2)
    value = combine(value, __shfl_xor_sync(0xffffffffu, value, offset));
  return value;
}

template <class T>
__device__ inline T warp_sum(T value) {
  return warp_reduce(value, [](T a, T b) { return a + b; });
}

/** Over a block of kThreads threads, a multiple of 32. */
template <int kThreads, class T, class F>
__device__ inline T block_reduce(T value, F combine) {
  __shared__ T parts[kThreads / kWarp];
  value = warp_reduce(value, combine);
  if (threadIdx.x % kWarp == 0) parts[threadIdx.x / kWarp] = value;
  __syncthreads();
  value = parts[0];
  for (int i = 1; i < kThreads / kWarp; ++i) value = combine(value, parts[i]);
  __syncthreads();  // the next reduction writes the parts again
  return value;
}

template <int kThreads, class T>
__device__ inline T block_sum(T value) {
  return block_reduce<kThreads>(value, [](T a, T b) { return a + b; });
}

}  // namespace a2s
