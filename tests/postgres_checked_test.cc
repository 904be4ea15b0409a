// SPDX-License-Identifier: MIT
// Two stores on one database under many callers at a few hot keys, with leases and retentions that
// end all the time; every answer is written down, and the whole history judged. Once in good order,
// and once while somebody ends the stores' sessions. ONCED_SEED=<seed> repeats the callers'
// choices.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/judge.h"
#include "tests/two_on_postgres.h"
#include "tests/witness.h"

namespace onced {
namespace {

constexpr size_t kCallers = 8;
// A write may land so late, with a lease that counts from its decision; and as the test's clock is
// read when a statement is sent, later by what the others move it until it lands. Leases are 100 to
// 300 ms.
constexpr std::chrono::milliseconds kLanding{40};
constexpr int64_t kEarlyMs = 2 * kLanding.count();

// `meanwhile` is done again and again while the callers call.
void Prove(const char* what, int steps, const std::function<size_t(TwoOnOne&)>& meanwhile) {
  const uint64_t seed = Seed(std::random_device{}());
  ManualClock clock;
  TwoOnOne here(&clock, /*listens=*/true, kLanding);
  CallHistory history(&clock);
  HotKeys keys;
  std::atomic<size_t> calling{kCallers};
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kCallers; ++t) {
    threads.emplace_back([&, t, recorder = history.NewRecorder()] {
      std::mt19937_64 random(seed + t);
      Witness witness(recorder, InProcess(t % 2 == 0 ? &here.a : &here.b));
      RandomCaller caller(&witness, &keys, random());
      for (int i = 0; i < steps; ++i) {
        caller.Step();
        clock.Advance(static_cast<int64_t>(random() % 3));
      }
      --calling;
    });
  }
  size_t faults = 0;
  while (calling > 0) faults += meanwhile(here);
  for (std::thread& thread : threads) thread.join();
  // A session that is ended takes one answer from one caller at most; the read after it another.
  JudgeAndTell(what, history, {.early_ms = kEarlyMs, .late_ms = 0},
               {.callers = kCallers,
                .faults = faults,
                .seed = seed,
                .decided_least = kCallers * static_cast<size_t>(steps) / 2,
                .refused_most_in_100 = faults > 0 ? 20u : 0u,
                .unclear_most = faults});
}

TEST(CheckedRuns, OfTwoStoresOnOneDatabase) {
  Prove("checked-two-stores", 3'000, [](TwoOnOne&) {
    std::this_thread::yield();
    return size_t{0};
  });
}

TEST(CheckedRuns, OfTwoStoresWhoseSessionsAreEnded) {
  Prove("checked-lost-sessions", 1'500, [](TwoOnOne& here) {
    return here.folder
        .Sql(
            "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE pid <> "
            "pg_backend_pid() AND application_name = 'onced' AND random() < 0.05")
        .size();
  });
}

}  // namespace
}  // namespace onced
