#include "core/arena.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "core/error.h"
#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace a2s {
namespace {
constexpr size_t kAlign = 64, kHugePage = size_t{2} << 20, kMinBlock = size_t{1} << 20;
size_t round_up(size_t n, size_t to) { return (n + to - 1) / to * to; }

class HostMemory final : public MemorySource {
 public:
#if defined(__linux__)
  // Not from malloc: between its small pieces freed blocks of whole pages are found again so seldom that a process grows without end.
  void* alloc(size_t bytes) override {
    void* mapped = mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) return nullptr;
    char *begin = static_cast<char*>(mapped), *end = begin + bytes + kHugePage;
    char* data = reinterpret_cast<char*>(round_up(reinterpret_cast<size_t>(begin), kHugePage));
    if (data > begin) munmap(begin, static_cast<size_t>(data - begin));
    munmap(data + bytes, static_cast<size_t>(end - data) - bytes);
    madvise(data, bytes, MADV_HUGEPAGE);
    return data;
  }
  void free(void* data, size_t bytes) override { munmap(data, bytes); }
#else
  void* alloc(size_t bytes) override {
    void* data = nullptr;
    return posix_memalign(&data, kHugePage, bytes) == 0 ? data : nullptr;
  }
  void free(void* data, size_t) override { std::free(data); }
#endif
};
}  // namespace

MemorySource& host_memory() {
  static HostMemory memory;
  return memory;
}

Arena::~Arena() { free_blocks(); }

void Arena::free_blocks() {
  for (Block& b : blocks_) memory_.free(b.data, b.size);
  blocks_.clear();
}

size_t Arena::capacity() const {
  size_t sum = 0;
  for (const Block& b : blocks_) sum += b.size;
  return sum;
}

void Arena::grow(size_t bytes) {
  // Doubling keeps the number of blocks in a first cycle logarithmic in its size.
  size_t size = round_up(std::max({bytes, kMinBlock, capacity()}), kHugePage);
  void* data = memory_.alloc(size);
  if (!data)
    fail(ErrorCode::Device, "arena: memory: expected " + std::to_string(size >> 20) +
                                " MiB free, got none; hint: a smaller batch or fewer rollouts per call");
  blocks_.push_back({static_cast<char*>(data), size});
  ++growths_;
}

void* Arena::alloc(size_t bytes) {
  bytes = round_up(std::max(bytes, size_t{1}), kAlign);
  while (block_ < blocks_.size() && offset_ + bytes > blocks_[block_].size) ++block_, offset_ = 0;
  if (block_ == blocks_.size()) grow(bytes), offset_ = 0;
  void* p = blocks_[block_].data + offset_;
  offset_ += bytes;
  return p;
}

void Arena::reset() {
  if (blocks_.size() > 1) {
    size_t total = capacity();
    free_blocks();
    grow(total);
  }
  block_ = offset_ = 0;
}

}  // namespace a2s
