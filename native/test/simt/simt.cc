// The machine behind core/launch.h of this folder, and a device whose memory only its kernels and copies can touch.
#undef _FORTIFY_SOURCE  // its longjmp refuses to change stacks
#include <setjmp.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <bit>
#include <exception>
#include <map>
#include <memory>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include "core/launch.h"

namespace a2s::simt {
namespace {

constexpr int kWarp = 32, kMaxThreads = 1024;
constexpr size_t kStack = size_t{64} << 10;

/** Opens when all of its threads have come. */
struct Barrier {
  int first, threads;
  int arrived = 0;
  uint64_t times = 0;  // opened
};

struct Fiber {
  std::unique_ptr<char[]> stack;
  jmp_buf resume;
  bool started;
};

struct Machine {
  std::vector<Fiber> fibers;
  std::vector<int> order, rank;       // who goes first, as far as barriers let it; thread order[i] has rank i
  uint64_t ready[kMaxThreads / 64];   // bit i: order[i] can go on
  std::minstd_rand shuffle;
  int current, running;
  jmp_buf finished;
  const std::function<void()>* thread;
  std::exception_ptr error;
  Barrier block;
  Barrier warps[kMaxThreads / kWarp];
  uint64_t slots[2][kMaxThreads];  // of even and odd exchanges
} machine;

[[noreturn]] void enter(int next);

void set_ready(int thread, bool ready) {
  const int i = machine.rank[thread];
  const uint64_t bit = uint64_t{1} << (i % 64);
  machine.ready[i / 64] = ready ? machine.ready[i / 64] | bit : machine.ready[i / 64] & ~bit;
}

/** The first thread that can go on; -1 where none can. */
int next_ready() {
  for (int i = 0; i < kMaxThreads / 64; ++i)
    if (machine.ready[i]) return machine.order[64 * i + std::countr_zero(machine.ready[i])];
  return -1;
}

[[noreturn]] void leave() {
  const int next = machine.error ? -1 : next_ready();
  if (next >= 0) enter(next);
  if (machine.running > 0 && !machine.error)
    machine.error = std::make_exception_ptr(Error(ErrorCode::Device, "simt: barrier: expected every thread, got " +
                                                                         std::to_string(machine.running) + " that wait for others"));
  _longjmp(machine.finished, 1);
}

void main_of_fiber() {
  try {
    (*machine.thread)();
  } catch (...) {
    machine.error = std::current_exception();
  }
  set_ready(machine.current, false);
  --machine.running;
  leave();
}

void enter(int next) {
  machine.current = next;
  threadIdx.x = static_cast<unsigned>(next);
  Fiber& fiber = machine.fibers[next];
  if (fiber.started) _longjmp(fiber.resume, 1);
  fiber.started = true;
  ucontext_t context;
  getcontext(&context);
  context.uc_stack.ss_sp = fiber.stack.get();
  context.uc_stack.ss_size = kStack;
  context.uc_link = nullptr;
  makecontext(&context, main_of_fiber, 0);
  setcontext(&context);
  std::terminate();
}

void wait(Barrier& barrier) {
  set_ready(machine.current, false);
  if (++barrier.arrived == barrier.threads) {
    barrier.arrived = 0, ++barrier.times;
    for (int i = 0; i < barrier.threads; ++i) set_ready(barrier.first + i, true);
  }
  if (!_setjmp(machine.fibers[machine.current].resume)) leave();
}

void run_block(int threads) {
  while (machine.fibers.size() < static_cast<size_t>(threads))
    machine.fibers.push_back({std::unique_ptr<char[]>(new char[kStack]), {}, false});
  machine.order.resize(threads), machine.rank.resize(threads);
  std::fill(std::begin(machine.ready), std::end(machine.ready), 0);
  std::iota(machine.order.begin(), machine.order.end(), 0);
  std::shuffle(machine.order.begin(), machine.order.end(), machine.shuffle);
  for (int i = 0; i < threads; ++i) {
    machine.rank[machine.order[i]] = i;
    set_ready(machine.order[i], true);
    machine.fibers[i].started = false;
  }
  machine.block = {0, threads};
  for (int i = 0; i < threads / kWarp; ++i) machine.warps[i] = {i * kWarp, kWarp};
  machine.running = threads;
  if (!_setjmp(machine.finished)) enter(machine.order[0]);
}

// ---- memory ---------------------------------------------------------------------------------------------------------

std::map<char*, size_t> blocks;

/** While one lives, device memory can be touched. */
struct Access {
  Access() { allow(PROT_READ | PROT_WRITE); }
  ~Access() { allow(PROT_NONE); }
  static void allow(int how) {
    for (auto& [data, bytes] : blocks) mprotect(data, bytes, how);
  }
};

class EmulatedDevice final : public Device {
 public:
  void* alloc(size_t bytes) override {
    void* data = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) return nullptr;
    blocks[static_cast<char*>(data)] = bytes;
    return data;
  }
  void free(void* data, size_t) override {
    auto block = blocks.find(static_cast<char*>(data));
    munmap(data, block->second);
    blocks.erase(block);
  }
  void write(void* device_data, const void* data, size_t bytes) override {
    Access access;
    std::memcpy(device_data, data, bytes);
  }
  void read(void* data, const void* device_data, size_t bytes) override {
    Access access;
    std::memcpy(data, device_data, bytes);
  }
  void zero(void* device_data, size_t bytes) override {
    Access access;
    std::memset(device_data, 0, bytes);
  }
  void synchronize() override {}
  void* stream() override { return nullptr; }
};

const DeviceDriver driver{[] { return Devices{1, ""}; }, [](int) { return std::string("emulated on the CPU"); },
                          [](int) -> std::unique_ptr<Device> { return std::make_unique<EmulatedDevice>(); }};

}  // namespace

void run(int64_t count, int threads, const std::function<void()>& thread) {
  if (threads < 1 || threads > kMaxThreads || threads % kWarp)
    fail_config("simt: threads: expected whole warps, at most 1024 threads, got " + std::to_string(threads));
  Access access;
  machine.thread = &thread;
  machine.error = nullptr;
  gridDim.x = static_cast<unsigned>(count);
  for (int64_t i = 0; i < count && !machine.error; ++i) {
    blockIdx.x = static_cast<unsigned>(i);
    run_block(threads);
  }
  if (machine.error) std::rethrow_exception(std::exchange(machine.error, nullptr));
}

uint64_t exchange(uint64_t value, int lane) {
  const int self = machine.current, first = self - self % kWarp;
  Barrier& warp = machine.warps[self / kWarp];
  // A lane may be one exchange ahead of another, never two.
  uint64_t* slots = machine.slots[warp.times % 2];
  slots[self] = value;
  wait(warp);
  return slots[first + lane];
}

}  // namespace a2s::simt

void __syncthreads() { a2s::simt::wait(a2s::simt::machine.block); }
