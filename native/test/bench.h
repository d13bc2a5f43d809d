// What can be timed: op cases marked "bench", matrix products, fork and join; and what the machine can do at most.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "test/op_cases.h"

namespace a2s {
class Pool;
}

namespace a2s::test {

/** One pass of a bench, ready to run again and again. */
struct Pass {
  const char* name;     // forward or backward
  double flops, bytes;  // of the mathematics: no recomputation, every argument touched once
  std::function<void()> run;
  int times = 1;  // that one run does the pass
};

struct Bench {
  std::string op, name;
  std::string inputs, attrs;  // JSON objects from which a peer builds the same call
  bool differentiable;
  std::function<std::vector<Pass>()> prepare;  // the passes own what they work on
};

std::vector<Bench> op_benches(const Options&);
std::vector<Bench> gemm_benches();

/** Independent FMAs in vector registers. */
double fma_gflops(Pool&);
/** Independent products of bf16 in vectors or tiles; FMAs where the processor has none. */
double bf16_gflops(Pool&);
/** Reading or copying, whichever is faster, a working set of `bytes` over and over; a copy counts both of its halves. */
double memory_gbs(Pool&, int64_t bytes);

/** Times each bench of `options` by itself; prints JSON lines. */
int bench(const Options&);
/** Answers requests on stdin, a line of JSON each, until it ends: scripts/bench.mjs has the other end. */
int serve_benches();
void bench_pool();

}  // namespace a2s::test
