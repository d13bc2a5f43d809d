// The thread pool: each index exactly once, whatever the callers do to it. Run it under -fsanitize=thread too.
#include <thread>

#include "test/test.h"

namespace a2s::test {

/** One run of `count` indices; every one must be met once. */
static void expect_each_once(Pool& pool, int64_t count) {
  std::vector<std::atomic<int>> seen(static_cast<size_t>(count));
  pool.run(count, [&](int64_t i) { seen[i].fetch_add(1, std::memory_order_relaxed); });
  for (auto& s : seen) CHECK(s.load() == 1);
}

TEST(pool_runs_each_index_once) {
  for (int threads : {1, 2, 3, 7}) {
    Pool pool(threads);
    CHECK(pool.threads() == threads);
    for (int64_t count : {0, 1, 2, 3, 8, 1000}) expect_each_once(pool, count);
  }
}

TEST(pool_survives_many_tiny_jobs) {
  // Jobs shorter than a wake-up: most posts are taken back before their worker comes.
  Pool pool(3);
  int64_t plain = 0;  // written by each job in turn: jobs must not overlap and must see each other's writes
  std::atomic<int64_t> total{0};
  for (int i = 0; i < 100000; ++i) {
    ++plain;
    pool.run(2 + i % 3, [&](int64_t) { total.fetch_add(plain == i + 1, std::memory_order_relaxed); });
  }
  CHECK(total == 299999);
}

TEST(pool_wakes_sleeping_workers) {
  Pool pool(2);
  for (int i = 0; i < 20; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(i % 4));
    expect_each_once(pool, 50);
  }
}

TEST(pool_expects_what_need_not_come) {
  Pool pool(3);
  for (int i = 0; i < 2000; ++i) {
    std::vector<char> gone(4096);
    pool.expect(gone.data(), gone.size() << i % 12);
    if (i % 7 == 0) gone = {};
    if (i % 3) expect_each_once(pool, 1 + i % 5);
  }
  pool.run(2, [&](int64_t) { pool.expect(nullptr, 1 << 20); });
  pool.resize(2);
  expect_each_once(pool, 50);
}

TEST(pool_uses_every_thread) {
  // Each of two indices waits for the other, which only two threads can end.
  Pool pool(2);
  std::atomic<int> inside{0};
  pool.run(2, [&](int64_t) {
    ++inside;
    while (inside < 2) std::this_thread::yield();
  });
  CHECK(inside == 2);
}

TEST(pool_ranges_do_not_depend_on_threads) {
  std::vector<std::pair<int64_t, int64_t>> expected{{0, 7}, {7, 14}, {14, 20}};
  for (int threads : {1, 3}) {
    Pool pool(threads);
    std::vector<std::pair<int64_t, int64_t>> got(3);
    pool.ranges(20, 7, [&](int64_t b, int64_t e) { got[b / 7] = {b, e}; });
    CHECK(got == expected);
    int64_t calls = 0;
    pool.ranges(0, 7, [&](int64_t, int64_t) { ++calls; });
    CHECK(calls == 0);
  }
}

TEST(pool_rethrows_and_goes_on) {
  Pool pool(2);
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> calls{0};
    CHECK_THROWS(pool.run(1000,
                          [&](int64_t i) {
                            ++calls;
                            if (i == 5) throw std::runtime_error("index 5");
                          }),
                 "index 5");
    CHECK(calls >= 6);
    expect_each_once(pool, 9);
  }
}

TEST(pool_runs_nested_calls_serially) {
  Pool pool(2);
  std::atomic<int> total{0};
  pool.run(8, [&](int64_t) {
    const std::thread::id here = std::this_thread::get_id();
    pool.run(5, [&](int64_t) { total += here == std::this_thread::get_id(); });
  });
  CHECK(total == 40);
}

TEST(pool_threads_without_a_task_take_part_in_the_runs_of_others) {
  Pool pool(2);
  // The longer task's run has two indices that wait for each other: the thread of the shorter one has to come.
  std::atomic<int> inside{0};
  pool.run_long(2, [&](int64_t i) {
    if (i == 0) return;
    while (pool.threads() == 1) std::this_thread::yield();
    pool.run(2, [&](int64_t) {
      ++inside;
      while (inside < 2) std::this_thread::yield();
      CHECK(pool.threads() == 1);
    });
  });
  CHECK(inside == 2);
  CHECK(pool.threads() == 2);
}

TEST(pool_helps_while_a_task_waits) {
  for (int threads : {1, 2, 3, 7}) {
    Pool pool(threads);
    for (int round = 0; round < 50; ++round) {
      // Task i waits for task i - 1, whose runs it helps meanwhile; every index is met once.
      const int64_t count = std::min(threads, 4);
      std::atomic<int64_t> next{0}, met{0};
      pool.run_long(count, [&](int64_t i) {
        pool.help_until([&] { return next == i; });
        for (int64_t run = 0; run < 5; ++run) pool.run(13, [&](int64_t) { ++met; });
        ++next;
      });
      CHECK(met == count * 65);
    }
  }
}

TEST(pool_rethrows_from_a_run_that_others_take_part_in) {
  Pool pool(3);
  for (int round = 0; round < 100; ++round) {
    CHECK_THROWS(pool.run_long(2,
                               [&](int64_t i) {
                                 for (int64_t run = 0; i == 1 && run < 20; ++run)
                                   pool.run(9, [&](int64_t k) {
                                     if (run == 19 && k == 4) throw std::runtime_error("index 4");
                                   });
                               }),
                 "index 4");
    expect_each_once(pool, 9);
  }
}

TEST(pool_serves_several_callers) {
  Pool pool(2);
  std::atomic<int64_t> total{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 3; ++t)
    callers.emplace_back([&] {
      for (int i = 0; i < 2000; ++i) pool.run(4, [&](int64_t) { total.fetch_add(1, std::memory_order_relaxed); });
    });
  for (std::thread& t : callers) t.join();
  CHECK(total == 3 * 2000 * 4);
}

TEST(pool_resizes_between_and_beside_runs) {
  Pool pool(2);
  std::atomic<bool> stop{false};
  std::atomic<int64_t> wrong{0};
  std::thread caller([&] {
    while (!stop) {
      std::atomic<int> sum{0};
      pool.run(10, [&](int64_t i) { sum += static_cast<int>(i); });
      wrong += sum != 45;
    }
  });
  for (int i = 0; i < 200; ++i) {
    pool.resize(1 + i % 4);
    CHECK(pool.threads() == 1 + i % 4);
  }
  stop = true;
  caller.join();
  CHECK(wrong == 0);
  pool.resize(0);
  CHECK(pool.threads() >= 1);
  expect_each_once(pool, 100);
}

}  // namespace a2s::test
