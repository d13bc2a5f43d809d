#include "test/bench.h"
namespace a2s::test {
void bench_pool() {}
}  // namespace a2s::test
