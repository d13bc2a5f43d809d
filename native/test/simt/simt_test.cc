// What the twins' tests rely on: threads that exchange, wait and fail as a GPU's do.
#include <algorithm>
#include <vector>

#include "core/launch.h"
#include "core/reduce.h"
#include "core/rng.h"
#include "ops/elementwise/elementwise.h"
#include "sampling/sample_tokens.h"
#include "test/mirror.h"
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

TEST(simt_draws_are_the_cpus) {
  constexpr int64_t R = 200, V = 2024;
  struct Setting {
    double temperature, top_k, top_p;
  };
  const Rng rng{3, static_cast<uint32_t>(Stream::test)};
  auto device = open_device();
  for (const Setting& s : {Setting{1, 0, 1}, Setting{0.7, 80, 1}, Setting{1, 0, 0.9}, Setting{1.2, 300, 0.95}}) {
    Arena arena;
    Call cpu(sample_tokens, test_context());
    cpu.in[0] = new_tensor(arena, DType::f32, {R, V}), cpu.in[3] = new_tensor(arena, DType::i32, {R});
    for (int64_t i = 0; i < R * V; ++i) cpu.in[0].as<float>()[i] = static_cast<float>(3 * rng.normal(0, i));
    for (int64_t r = 0; r < R; ++r) cpu.in[3].as<int32_t>()[r] = static_cast<int32_t>(r);
    cpu.set("temperature", s.temperature), cpu.set("top_k", s.top_k), cpu.set("top_p", s.top_p);
    Call twin(sample_tokens, test_context());
    twin.attrs = cpu.attrs, twin.in = cpu.in;
    apply(cpu, arena);
    Mirror mirror(*device, sample_tokens, test_pool());
    mirror.prepare(twin);
    allocate(twin, arena);
    mirror.forward(twin);
    CHECK(!std::memcmp(cpu.out[0].data, twin.out[0].data, cpu.out[0].bytes()));
    for (int64_t r = 0; r < R; ++r) {
      CHECK_NEAR(element(twin.out[1], r), element(cpu.out[1], r), 1e-5);
      CHECK_NEAR(element(twin.out[2], r), element(cpu.out[2], r), 1e-5);
    }
  }
}

TEST(simt_an_op_without_a_twin_is_refused) {
  auto device = open_device();
  Arena scratch(*device);
  Call c(transpose, {test_pool(), scratch, device.get()});
  CHECK_THROWS(prepare(c), "transpose: device: expected an op with a CUDA twin, got one without");
}

}  // namespace a2s::test
