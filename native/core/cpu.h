// What this CPU can do, asked once. Each kernel file compiled for one instruction set is called only where it may run.
#pragma once
#include <array>
#include <cstdlib>
#include <string_view>
#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace a2s {

enum class Isa { baseline, avx2, avx512, avx512bf16, amx };
constexpr std::array kIsaNames{"baseline", "avx2", "avx512", "avx512bf16", "amx"};

/** Whether there is a matrix unit for bf16 and Linux lets this process use it, which has to be asked for. */
inline bool may_use_amx() {
#if defined(__x86_64__) && defined(__linux__)
  constexpr unsigned amx_bf16 = 1u << 22, amx_tile = 1u << 24;  // EDX of leaf 7
  constexpr long request_permission = 0x1023, tile_data = 18;   // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & amx_bf16) && (d & amx_tile) &&
         syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
  return false;
#endif
}

inline Isa detect_isa() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  Isa best = Isa::baseline;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) best = Isa::avx2;
  if (best == Isa::avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
    best = Isa::avx512;
  // Intel's processors take two cycles for a vector of bf16 products, which is slower than widening them.
  const bool has_bf16 = best == Isa::avx512 && __builtin_cpu_supports("avx512bf16");
  if (has_bf16 && !__builtin_cpu_is("intel")) best = Isa::avx512bf16;
  if (has_bf16 && may_use_amx()) best = Isa::amx;
  // ALIGN2SPEAK_ISA lowers the choice, to test or time the other paths.
  if (const char* want = std::getenv("ALIGN2SPEAK_ISA")) {
    for (size_t i = 0; i < kIsaNames.size(); ++i)
      if (std::string_view(want) == kIsaNames[i] && static_cast<Isa>(i) < best) best = static_cast<Isa>(i);
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
