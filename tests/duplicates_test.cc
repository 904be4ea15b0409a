// SPDX-License-Identifier: MIT
// Thundering duplicates: a thousand connections, half of them HTTP and half Redis, claim one key at
// the same moment, cold and after kill -9 and a restart; then ten thousand do, once. One wins, all
// others are told that it runs, or wait; when it has completed, all are told the same bytes.
#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/crowd.h"
#include "tests/linearizability.h"
#include "tests/proof.h"
#include "tests/redis.h"
#include "tests/witness.h"

namespace onced {
namespace {

constexpr size_t kThreads = 4;
const Words kFlags = {"--durability", "sync", "--connections-max", "20000"};

class Stampede {
 public:
  // `count` callers, all of whom must find room.
  Stampede(CallHistory* history, const RedisInAFolder& here, size_t count) {
    for (size_t i = 0; i < count; ++i) {
      callers_.push_back(std::make_unique<Witness>(
          history->NewRecorder(),
          i % 2 == 0 ? OverHttp(here.program->port()) : OverRedis(here.port)));
    }
    answers_.resize(count);
  }

  // All of them claim `key`: how many win. The winner then completes, and all claim again.
  size_t Round(const std::string& key) {
    AllClaim(key);
    size_t winners = 0;
    size_t winner = 0;
    for (size_t i = 0; i < answers_.size(); ++i) {
      if (answers_[i].what == Told::kClaimed) {
        ++winners;
        winner = i;
        continue;
      }
      EXPECT_EQ(answers_[i].what, Told::kInFlight) << "caller " << i;
    }
    EXPECT_EQ(winners, 1u) << key;
    const Answer done = callers_[winner]->AskAndHear(CompleteOf(key, answers_[winner].fence, 299));
    EXPECT_EQ(done.what, Told::kCompleted);
    ExpectReplays(key);
    return winners;
  }
  void ExpectReplays(const std::string& key) {
    AllClaim(key);
    size_t others = 0;
    for (const Answer& answer : answers_) {
      others += answer.what == Told::kReplay && answer.result == 299 ? 0 : 1;
    }
    EXPECT_EQ(others, 0u) << key;
  }

  // One has won already. Half of the others wait for its end, by HTTP; how many of them are not
  // told its bytes.
  size_t WaitingRound(const std::string& key) {
    const Answer won = callers_[1]->AskAndHear(ClaimOf(key, 3'600'000));
    EXPECT_EQ(won.what, Told::kClaimed);
    Question waiting = ClaimOf(key, 3'600'000);
    waiting.wait_ms = 15'000;
    for (size_t i = 0; i < callers_.size(); i += 2) callers_[i]->Ask(waiting);
    for (size_t i = 3; i < callers_.size(); i += 2) {
      EXPECT_EQ(callers_[i]->AskAndHear(ClaimOf(key, 3'600'000)).what, Told::kInFlight);
    }
    EXPECT_EQ(callers_[1]->AskAndHear(CompleteOf(key, won.fence, 299)).what, Told::kCompleted);
    size_t others = 0;
    for (size_t i = 0; i < callers_.size(); i += 2) {
      const Answer told = callers_[i]->Hear();
      others += told.what == Told::kReplay && told.result == 299 ? 0 : 1;
    }
    EXPECT_EQ(others, 0u);
    return others;
  }

 private:
  // Every thread sends for all of its callers before it hears any.
  void AllClaim(const std::string& key) {
    std::vector<std::thread> threads;
    for (size_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([this, t, &key] {
        for (size_t i = t; i < callers_.size(); i += kThreads) {
          callers_[i]->Ask(ClaimOf(key, 3'600'000));
        }
        for (size_t i = t; i < callers_.size(); i += kThreads) answers_[i] = callers_[i]->Hear();
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

  std::vector<std::unique_ptr<Witness>> callers_;
  std::vector<Answer> answers_;
};

std::string Judge(const CallHistory& history) {
  const Verdict verdict = CheckHistory(history.Calls());
  EXPECT_TRUE(verdict.legal) << verdict.key << ": " << verdict.why;
  return std::to_string(verdict.decided) + " calls judged";
}

TEST(Duplicates, HaveOneWinnerInAThousandColdAndAfterARestart) {
  const size_t count = RoomFor(1'000);
  if (count < kSmallestCrowd) GTEST_SKIP() << "open files are limited";
  const size_t rounds = Count("ONCED_ROUNDS", 10);
  RedisInAFolder here(kFlags);
  CallHistory history;
  size_t winners = 0;
  for (const bool cold : {true, false}) {
    if (!cold) here.Crash();
    Stampede stampede(&history, here, count);
    if (!cold) stampede.ExpectReplays("cold-0");
    for (size_t i = 0; i < rounds; ++i) {
      winners += stampede.Round((cold ? "cold-" : "warm-") + std::to_string(i));
    }
  }
  EXPECT_EQ(winners, 2 * rounds);
  Tell("duplicates", 2 * rounds, 1, winners - 2 * rounds, 0, Judge(history));
}

TEST(Duplicates, ThatWaitAreAllToldTheSameBytes) {
  const size_t count = RoomFor(1'000);
  if (count < kSmallestCrowd) GTEST_SKIP() << "open files are limited";
  const RedisInAFolder here(kFlags);
  CallHistory history;
  Stampede stampede(&history, here, count);
  size_t others = 0;
  for (int i = 0; i < 5; ++i) others += stampede.WaitingRound("k" + std::to_string(i));
  Tell("duplicates-waiting", 5, 0, others, 0, Judge(history));
}

TEST(Duplicates, HaveOneWinnerInTenThousand) {
  const size_t count = RoomFor(10'000);
  if (count < kSmallestCrowd) GTEST_SKIP() << "open files are limited";
  const RedisInAFolder here(kFlags);
  CallHistory history;
  Stampede stampede(&history, here, count);
  const size_t winners = stampede.Round("k");
  Tell("duplicates-" + std::to_string(count), 1, 0, winners - 1, 0, Judge(history));
}

}  // namespace
}  // namespace onced
