// Stands in for core/launch.h where CUDA twins are compiled as plain C++: their kernels run on the CPU, thread by thread, as
// fibers that hand over at barriers and shuffles only, some far ahead of others, which ones differs from block to block. So
// the twins' own code runs under every case and golden without a GPU, and a missing barrier shows as a wrong result. Races
// within a warp, the compiler for GPUs and its arithmetic are not covered.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>

#include "core/device.h"
#include "core/op.h"

#define __global__
#define __device__
#define __shared__ static  // blocks run one after another
#define __launch_bounds__(...)

struct SimtIndex {
  unsigned x;
};
inline SimtIndex threadIdx, blockIdx, gridDim;

void __syncthreads();

namespace a2s::simt {

/** Runs `thread` as each thread of each block. Throws what a thread throws, and when threads wait for ones that cannot come. */
void run(int64_t blocks, int threads, const std::function<void()>& thread);
/** Gives `value` to this thread's warp and returns what lane `lane` gave. The whole warp comes here. */
uint64_t exchange(uint64_t value, int lane);

}  // namespace a2s::simt

template <class T>
T __shfl_xor_sync(unsigned mask, T value, int offset) {
  if (mask != 0xffffffffu) a2s::fail_config("simt: mask: expected a whole warp, got " + std::to_string(mask));
  uint64_t word = 0;
  std::memcpy(&word, &value, sizeof value);
  word = a2s::simt::exchange(word, static_cast<int>(threadIdx.x % 32) ^ offset);
  std::memcpy(&value, &word, sizeof value);
  return value;
}

namespace a2s {

template <class... Params, class... Args>
void launch(const Call&, void (*kernel)(Params...), int64_t blocks, int threads, Args... args) {
  simt::run(blocks, threads, [=] { kernel(args...); });
}

}  // namespace a2s
