// A bump allocator. Memory is handed out in order and given back all at once (reset) or down to a mark (release).
// After one full cycle the arena is a single block as large as that cycle needed, so later cycles allocate nothing.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace a2s {

/** Where an arena's blocks come from. */
class MemorySource {
 public:
  /** `bytes`, a multiple of 2 MiB, aligned to at least 64; null when there are not so many left. */
  virtual void* alloc(size_t bytes) = 0;
  /** What alloc(bytes) gave. */
  virtual void free(void* data, size_t bytes) = 0;

 protected:
  ~MemorySource() = default;
};
/** The system's, in huge pages where it has them; given back to it when freed. */
MemorySource& host_memory();

class Arena {
 public:
  struct Mark {
    size_t block, offset;
  };

  Arena() : Arena(host_memory()) {}
  /** `memory` outlives the arena. */
  explicit Arena(MemorySource& memory) : memory_(memory) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  /** `bytes` of uninitialised memory, aligned to 64. Throws Error(Device) when the system has none left. */
  void* alloc(size_t bytes);

  template <class T>
  T* alloc(int64_t count) {
    return static_cast<T*>(alloc(static_cast<size_t>(count) * sizeof(T)));
  }

  Mark mark() const { return {block_, offset_}; }
  void release(Mark m) { block_ = m.block, offset_ = m.offset; }

  /** Forgets everything. If the last cycle needed several blocks, they become one. */
  void reset();

  /** How often memory was asked of the system: constant in the steady state. */
  int64_t growths() const { return growths_; }
  size_t capacity() const;

 private:
  struct Block {
    char* data;
    size_t size;
  };
  void grow(size_t bytes);
  void free_blocks();

  MemorySource& memory_;
  std::vector<Block> blocks_;
  size_t block_ = 0, offset_ = 0;
  int64_t growths_ = 0;
};

/** Gives back on scope exit whatever was taken from the arena inside the scope. */
class ScratchScope {
 public:
  explicit ScratchScope(Arena& arena) : arena_(arena), mark_(arena.mark()) {}
  ~ScratchScope() { arena_.release(mark_); }
  ScratchScope(const ScratchScope&) = delete;

 private:
  Arena& arena_;
  Arena::Mark mark_;
};

}  // namespace a2s
