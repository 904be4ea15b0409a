// SPDX-License-Identifier: MIT
// The program under many callers by both doors at a few hot keys, with leases and retentions that
// end all the time, killed and started again in each durability mode; every answer is written down,
// and the whole history judged. ONCED_SEED=<seed> repeats the callers' choices; ONCED_LIVES=<n>
// kills so often in each mode.
#include <gtest/gtest.h>
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/judge.h"
#include "tests/redis.h"
#include "tests/witness.h"

namespace onced {
namespace {

constexpr size_t kCallers = 8;

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
  const size_t lives = Count("ONCED_LIVES", 16);
  const uint64_t seed = Seed(std::random_device{}());
  std::printf("ONCED_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::mt19937_64 random(seed);
  RedisInAFolder here({"--durability", GetParam()});
  CallHistory history;
  HotKeys keys;
  Callers callers(&history, &keys, random());
  size_t steps = 0;
  for (size_t life = 0; life < lives; ++life) {
    const size_t answers = 1'000 + random() % 5'000;
    steps += answers;
    callers.LiveAndDie(here, static_cast<int>(answers));
    EXPECT_EQ(here.program->WaitForEnd().code, -SIGKILL);
    history.ServerIsGone();
    here.StartAgain();
  }
  Witness last(history.NewRecorder(), OverRedis(here.port));
  for (size_t k = 0; k < keys.first + HotKeys::kMany; ++k) {
    last.AskAndHear(FindOf("k" + std::to_string(k)));
  }
  // Some of the steps are claims whose caller hangs up; and a store that is behind may say so.
  const Trial trial{.callers = kCallers,
                    .faults = lives,
                    .seed = seed,
                    .decided_least = steps * 9 / 10,
                    .refused_most_in_100 = 1};
  JudgeAndTell(std::string("checked-kills-") + GetParam(), history, {}, trial);
}

INSTANTIATE_TEST_SUITE_P(Each, CheckedModes, testing::Values("sync", "interval", "os"),
                         [](const auto& mode) { return std::string(mode.param); });

}  // namespace
}  // namespace onced
