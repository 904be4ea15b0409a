// SPDX-License-Identifier: MIT
// The engine under many callers at a few hot keys, with leases and retentions that end all the
// time, under a clock that the callers move; every answer is written down, and the whole history
// judged. ONCED_SEED=<seed> repeats the callers' choices.
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <random>
#include <thread>
#include <vector>

#include "tests/fixtures.h"
#include "tests/judge.h"
#include "tests/witness.h"

namespace onced {
namespace {

constexpr size_t kCallers = 8;

struct EngineRun {
  const char* what;
  int steps = 10'000;
  int64_t leap_ms = 500;  // that the clock makes now and then
  std::function<void(RocksStoreOptions&)> adjust;
};

void Prove(const EngineRun& run) {
  const uint64_t seed = Seed(std::random_device{}());
  LedgerInAFolder here(run.adjust);
  CallHistory history(&here.clock);
  HotKeys keys;
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kCallers; ++t) {
    threads.emplace_back([&, t, recorder = history.NewRecorder()] {
      std::mt19937_64 random(seed + t);
      Witness witness(recorder, InProcess(here.ledger.get()));
      RandomCaller caller(&witness, &keys, random());
      for (int i = 0; i < run.steps; ++i) {
        caller.Step();
        here.clock.Advance(random() % 300 == 0 ? run.leap_ms : static_cast<int64_t>(random() % 3));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  // It has room and time: every call must be decided.
  JudgeAndTell(run.what, history, {.early_ms = 0, .late_ms = 0},
               {.callers = kCallers,
                .seed = seed,
                .decided_least = kCallers * static_cast<size_t>(run.steps)});
}

TEST(CheckedRuns, OfTheEngine) {
  Prove({.what = "checked-engine", .adjust = [](RocksStoreOptions&) {}});
}

TEST(CheckedRuns, OfTheEngineWithEveryAnswerSynced) {
  Prove({.what = "checked-engine-sync", .steps = 2'000, .adjust = [](RocksStoreOptions& options) {
           options.durability = Durability::kSync;
         }});
}

// What is dead for a minute is taken away under the hands of those who claim it anew.
TEST(CheckedRuns, OfTheEngineWhileTheDeadAreTakenAway) {
  Prove({.what = "checked-engine-reaped",
         .leap_ms = kMinuteMs + kSecondMs,
         .adjust = [](RocksStoreOptions& options) {
           options.reap_every = std::chrono::milliseconds(2);
           options.reap_memory_age_ms = 0;
         }});
}

}  // namespace
}  // namespace onced
