// SPDX-License-Identifier: MIT
// The real thing under many callers at a few hot keys, with leases and retentions that end all the
// time; every answer is written down, and the whole history judged (tests/linearizability.h). First
// the engine by itself, under a clock that the callers move; then the program by both doors, killed
// and started again in each durability mode. ONCED_SEED=<seed> repeats the
// callers' choices; ONCED_KILLS=<n> kills so often in each mode.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/ttl_filter.h"
#include "tests/linearizability.h"
#include "tests/proof.h"
#include "tests/redis.h"
#include "tests/witness.h"

namespace onced {
namespace {

constexpr size_t kCallers = 8;

void Prove(const char* what, const CallHistory& history, const Slack& slack, size_t faults,
           uint64_t seed) {
  const auto begun = std::chrono::steady_clock::now();
  const std::vector<Call> calls = history.Calls();
  const Verdict verdict = CheckHistory(calls, slack);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  EXPECT_TRUE(verdict.legal) << "key " << verdict.key << ": " << verdict.why;
  std::printf("%zu calls of %zu keys judged in %.2f s, %zu states at most\n", verdict.calls,
              verdict.keys, took.count(), verdict.states_most);
  std::map<Told, size_t> told;
  for (const Call& call : calls) told[call.told.what] += call.asked.hung_up == 0 ? 1 : 0;
  EXPECT_LE(told[Told::kNothing], faults * kCallers) << "one a caller and life is lost";
  for (const auto& [answer, count] : told) std::printf("%s %zu, ", NameOf(answer), count);
  std::printf("\n");
  Tell(what, verdict.calls, faults, verdict.legal ? 0 : 1, seed);
}

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
  Prove(run.what, history, {.early_ms = 0, .late_ms = 0}, 0, seed);
}

TEST(CheckedRuns, OfTheEngine) {
  Prove({.what = "checked-engine", .adjust = [](RocksStoreOptions&) {}});
}

TEST(CheckedRuns, OfTheEngineWithEveryAnswerSynced) {
  Prove({.what = "checked-engine-sync", .steps = 2'000, .adjust = [](RocksStoreOptions& options) {
           options.durability = Durability::kSync;
         }});
}

// What is dead is taken off the disk under the hands of those who claim it anew.
TEST(CheckedRuns, OfTheEngineWhileTheDeadAreTakenAway) {
  Prove({.what = "checked-engine-reaped",
         .leap_ms = kTtlGraceMs + 1'000,
         .adjust = [](RocksStoreOptions& options) {
           options.reap_every = std::chrono::milliseconds(2);
           options.reap_memory_age_ms = 0;
         }});
}

class CheckedModes : public testing::TestWithParam<const char*> {};

// Callers by both doors, who outlive the program, and know what they knew.
class Callers {
 public:
  Callers(CallHistory* history, HotKeys* keys, uint64_t seed) {
    for (size_t c = 0; c < kCallers; ++c) {
      witnesses_.push_back(std::make_unique<Witness>(history->NewRecorder(), nullptr));
      callers_.push_back(std::make_unique<RandomCaller>(witnesses_.back().get(), keys, seed + c));
    }
  }

  // One life of the program, until the one that gets the n-th answer kills it.
  void LiveAndDie(const RedisInAFolder& here, int answers) {
    std::atomic<int> left{answers};
    std::vector<std::thread> threads;
    for (size_t c = 0; c < kCallers; ++c) {
      witnesses_[c]->GoTo(c % 2 == 0 ? OverHttp(here.program->port()) : OverRedis(here.port));
      threads.emplace_back([&, c] {
        while (!witnesses_[c]->lost()) {
          callers_[c]->Step();
          if (--left == 0) here.program->Signal(SIGKILL);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

 private:
  std::vector<std::unique_ptr<Witness>> witnesses_;
  std::vector<std::unique_ptr<RandomCaller>> callers_;
};

TEST_P(CheckedModes, OfBothDoorsOverKills) {
  const size_t lives = Count("ONCED_KILLS", 16);
  const uint64_t seed = Seed(std::random_device{}());
  std::printf("ONCED_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  RedisInAFolder here({"--durability", GetParam()});
  CallHistory history;
  HotKeys keys;
  Callers callers(&history, &keys, random());
  for (size_t life = 0; life < lives; ++life) {
    callers.LiveAndDie(here, 1'000 + static_cast<int>(random() % 5'000));
    EXPECT_EQ(here.program->WaitForEnd().code, -SIGKILL);
    history.ServerIsGone();
    here.StartAgain();
  }
  Witness last(history.NewRecorder(), OverRedis(here.port));
  for (size_t k = 0; k < keys.first + HotKeys::kMany; ++k) {
    last.AskAndHear(FindOf("k" + std::to_string(k)));
  }
  Prove((std::string("checked-kills-") + GetParam()).c_str(), history, {}, lives, seed);
}

INSTANTIATE_TEST_SUITE_P(Each, CheckedModes, testing::Values("sync", "interval", "os"),
                         [](const auto& mode) { return std::string(mode.param); });

}  // namespace
}  // namespace onced
