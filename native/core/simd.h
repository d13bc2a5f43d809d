// Run-time dispatch for plain loops. A function marked A2S_CLONES is compiled for the baseline, for AVX2+FMA and for
// AVX-512; the loader picks one by CPU. Mark the leaf loop, not its callers; helpers that it calls must be inlined.
#pragma once

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define A2S_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define A2S_SANITIZED 1
#endif
#endif

// The resolver runs before a sanitizer is ready, so sanitized builds stay on the baseline. The clones are named by feature
// level: a name such as arch=haswell would be chosen on that processor only.
#if defined(__x86_64__) && defined(__linux__) && defined(__GNUC__) && !defined(__clang__) && !defined(A2S_SANITIZED)
#define A2S_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define A2S_CLONES
#endif
#define A2S_INLINE inline __attribute__((always_inline))

namespace a2s {

/** Bytes of a vector of the instruction set that a file is compiled for. */
#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

}  // namespace a2s
