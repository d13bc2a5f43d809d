// What the twins' tests rely on: threads that exchange, wait and fail as a GPU's do.
#include <algorithm>
#include <vector>

#include "core/launch.h"
#include "core/reduce.h"
#include "test/test.h"

namespace a2s::test {
namespace {

constexpr int kThreads = 96;

__global__ void sum_blocks(const int* in, int* out) { out[blockIdx.x * kThreads + threadIdx.x] = block_sum<kThreads>(in[threadIdx.x]); }

}  // namespace

TEST(simt_threads_of_a_block_add_up) {
  std::vector<int> in(kThreads), out(4 * kThreads);
  int sum = 0;
  for (int i = 0; i < kThreads; ++i) sum += in[i] = i * i;
  simt::run(4, kThreads, [&] { sum_blocks(in.data(), out.data()); });
  for (int x : out) CHECK(x == sum);
}

TEST(simt_threads_run_apart_between_barriers) {
  std::vector<int> order;
  simt::run(1, kThreads, [&] {
    order.push_back(static_cast<int>(threadIdx.x));
    __syncthreads();
    order.push_back(static_cast<int>(threadIdx.x));
  });
  CHECK(order.size() == 2 * kThreads);
  for (int half = 0; half < 2; ++half) {
    std::vector<int> threads(order.begin() + half * kThreads, order.begin() + (half + 1) * kThreads);
    CHECK(!std::is_sorted(threads.begin(), threads.end()));
    std::sort(threads.begin(), threads.end());
    for (int i = 0; i < kThreads; ++i) CHECK(threads[i] == i);
  }
}

TEST(simt_a_thread_that_misses_a_barrier_is_an_error) {
  auto leave_early = [] {
    if (threadIdx.x != 40) __syncthreads();
  };
  CHECK_THROWS(simt::run(1, kThreads, leave_early), "simt: barrier: expected every thread, got 95 that wait for others");
}

TEST(simt_what_a_thread_throws_arrives) {
  auto fail_once = [] {
    if (threadIdx.x == 7) fail_config("from a thread");
    __syncthreads();
  };
  CHECK_THROWS(simt::run(1, kThreads, fail_once), "from a thread");
}

}  // namespace a2s::test
