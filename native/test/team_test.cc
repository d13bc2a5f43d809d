// Steps that threads take together. Run it under -fsanitize=thread too.
#include "core/team.h"

#include <stdexcept>
#include <thread>

#include "test/test.h"

namespace a2s::test {

TEST(team_does_each_part_once_for_all_members) {
  for (int64_t members : {1, 2, 3, 7}) {
    Pool pool(static_cast<int>(members));
    Team team(pool, members);
    constexpr int64_t kSteps = 200, kParts = 9;
    std::atomic<int64_t> wrong{0};
    const bool ran = pool.run_together(members, [&](int64_t m) {
      Team::Member member(team, m);
      for (int64_t step = 0; step < kSteps; ++step) {
        struct Data {
          int64_t step;
          int64_t counts[kParts] = {};
        } own{step};
        member.step(own, kParts, [&](std::span<Data* const> all, int64_t part) {
          wrong += std::ssize(all) != members;
          for (Data* each : all) wrong += each->step != step, ++each->counts[part];
        });
        for (int64_t count : own.counts) wrong += count != 1;
      }
    });
    CHECK(ran);
    CHECK(wrong == 0);
  }
}

TEST(team_goes_on_without_those_who_have_left) {
  // Member m takes 10 (m + 1) steps; the last ones are taken alone.
  constexpr int64_t kMembers = 4;
  Pool pool(kMembers);
  Team team(pool, kMembers);
  std::atomic<int64_t> wrong{0};
  pool.run_together(kMembers, [&](int64_t m) {
    Team::Member member(team, m);
    for (int64_t step = 0; step < 10 * (m + 1); ++step) {
      std::atomic<int64_t> own{0};
      member.step(own, 5, [&](std::span<std::atomic<int64_t>* const> all, int64_t) {
        wrong += std::ssize(all) > kMembers - step / 10;
        for (auto* each : all) ++*each;
      });
      wrong += own != 5;
    }
    if (m == kMembers - 1) wrong += member.has_others();
  });
  CHECK(wrong == 0);
}

TEST(team_survives_members_that_fail) {
  constexpr int64_t kMembers = 3;
  Pool pool(kMembers);
  for (int64_t failing = 0; failing < kMembers; ++failing)
    for (int64_t at : {0, 3}) {
      Team team(pool, kMembers);
      std::atomic<int64_t> steps{0};
      CHECK_THROWS(pool.run_together(kMembers, [&](int64_t m) {
        Team::Member member(team, m);
        for (int64_t step = 0; step < 6; ++step) {
          if (m == failing && step == at) throw std::runtime_error("member");
          int64_t own = 0;
          member.step(own, 4, [](std::span<int64_t* const>, int64_t) {});
          ++steps;
        }
      }), "member");
      CHECK(steps == 6 * (kMembers - 1) + at);
    }
}

TEST(team_ends_a_step_in_which_a_part_fails) {
  Pool pool(2);
  Team team(pool, 2);
  std::atomic<int64_t> done{0};
  CHECK_THROWS(pool.run_together(2, [&](int64_t m) {
    Team::Member member(team, m);
    int64_t own = 0;
    member.step(own, 8, [&](std::span<int64_t* const>, int64_t part) {
      if (part == 3) throw std::runtime_error("part 3");
      ++done;
    });
  }), "part 3");
  CHECK(done == 7);
}

TEST(team_counts_what_members_wait_for_others) {
  using namespace std::chrono_literals;
  Pool pool(2);
  Team team(pool, 2);
  pool.run_together(2, [&](int64_t m) {
    Team::Member member(team, m);
    if (m == 1) std::this_thread::sleep_for(20ms);
    int64_t own = 0;
    member.step(own, 2, [&](std::span<int64_t* const>, int64_t) {});
  });
  CHECK(team.waited() > 5ms);  // the other one may have come late itself
}

TEST(patience_ends_after_long_waits_and_returns) {
  using namespace std::chrono_literals;
  const Patience::Clock::time_point begin{}, end = begin + 100ms;
  Patience patience;
  CHECK(patience.left(begin));
  patience.spend(29ms, 2, begin, end);  // of 200
  CHECK(patience.left(end));
  patience.spend(31ms, 2, begin, end);
  CHECK(!patience.left(end));
  CHECK(!patience.left(end + 999ms));
  CHECK(patience.left(end + 1s));
}

TEST(pool_runs_together_only_what_it_has_threads_for) {
  Pool pool(2);
  std::atomic<int64_t> ran{0};
  CHECK(!pool.run_together(3, [&](int64_t) { ++ran; }));
  pool.run(2, [&](int64_t) { ran += pool.run_together(2, [&](int64_t) {}); });
  CHECK(ran == 0);
  // Each waits for the other, also where one fails at once.
  std::atomic<int> inside{0};
  CHECK_THROWS(pool.run_together(2, [&](int64_t i) {
    ++inside;
    while (inside < 2) std::this_thread::yield();
    if (i == 0) throw std::runtime_error("task 0");
  }), "task 0");
}

}  // namespace a2s::test
