// Benches that are not of one op: `align2speak_check bench gemm|pool`.
#pragma once

namespace a2s::test {

void bench_gemm();
void bench_pool();

}  // namespace a2s::test
