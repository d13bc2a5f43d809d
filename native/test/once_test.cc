// What several passes need alike is made by one of them, before any of them sees it.
#include "core/once.h"

#include "core/pool.h"
#include "test/test.h"

namespace a2s::test {

TEST(once_makes_each_thing_once_for_all_threads) {
  constexpr int64_t kThings = 5, kSize = 1000;
  const float weights[kThings] = {1, 2, 3, 4, 5};
  for (int threads : {1, 2, 7}) {
    Pool pool(threads);
    Arena arena;
    Once once(weights, sizeof weights, arena);
    std::atomic<int> made{0}, wrong{0};
    pool.run_long(threads, [&](int64_t) {
      for (int kind : {0, 1})
        for (const float& w : weights) {
          const float* sums = once.get<float>(pool, &w, kind, kSize, [&](float* to) {
            ++made;
            pool.ranges(kSize, 10, [&](int64_t begin, int64_t end) {
              for (int64_t i = begin; i < end; ++i) to[i] = w + static_cast<float>(kind);
            });
          });
          for (int64_t i = 0; i < kSize; ++i) wrong += sums[i] != w + static_cast<float>(kind);
        }
    });
    CHECK(made == 2 * kThings);
    CHECK(wrong == 0);
    CHECK(once.covers(weights) && once.covers(weights + kThings - 1) && !once.covers(weights + kThings) && !once.covers(&arena));
  }
}

TEST(once_makes_a_thing_again_whose_making_failed) {
  const float weight = 3;
  Pool pool(2);
  Arena arena;
  Once once(&weight, sizeof weight, arena);
  std::atomic<int> tries{0}, failed{0};
  pool.run_long(8, [&](int64_t) {
    try {
      const float* made = once.get<float>(pool, &weight, 0, 1, [&](float* to) {
        if (++tries < 3) throw std::bad_alloc();
        *to = weight;
      });
      CHECK(*made == weight);
    } catch (const std::bad_alloc&) {
      ++failed;
    }
  });
  CHECK(tries == 3);
  CHECK(failed == 2);
}

}  // namespace a2s::test
