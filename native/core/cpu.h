// What this CPU can do, asked once. Each kernel file compiled for one instruction set is called only where it may run.
#pragma once
#include <cstdlib>
#include <string_view>

namespace a2s {

enum class Isa { baseline, avx2, avx512, avx512bf16 };

inline Isa detect_isa() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  Isa best = Isa::baseline;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) best = Isa::avx2;
  if (best == Isa::avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    best = Isa::avx512;
  if (best == Isa::avx512 && __builtin_cpu_supports("avx512bf16")) best = Isa::avx512bf16;
  // ALIGN2SPEAK_ISA lowers the choice, to test or time the other paths.
  if (const char* want = std::getenv("ALIGN2SPEAK_ISA")) {
    std::string_view w = want;
    Isa cap = w == "baseline" ? Isa::baseline : w == "avx2" ? Isa::avx2 : w == "avx512" ? Isa::avx512 : best;
    if (cap < best) best = cap;
  }
  return best;
#else
  return Isa::baseline;
#endif
}

inline Isa cpu_isa() {
  static const Isa isa = detect_isa();
  return isa;
}

}  // namespace a2s
