// SPDX-License-Identifier: MIT
// Thundering duplicates: a thousand connections, half of them HTTP and half Redis, claim one key at
// the same moment, cold and after kill -9 and a restart; then ten thousand do, once. One wins, all
// others are told that it runs, or, where the door knows how, all stand in line; when it has
// completed, all are told the same bytes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
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

  // All of them claim `key`, and those by HTTP are ready to wait; the winner completes when all
  // that do wait stand in line. How many won, and how many of the others were not told its bytes;
  // `waited`: how many stood in line.
  struct Waited {
    size_t winners = 0;
    size_t waited = 0;
    size_t others = 0;
  };
  Waited WaitingRound(const Program& program, const std::string& key) {
    InThreads([&](size_t i) {
      Question claim = ClaimOf(key, 3'600'000);
      if (i % 2 == 0) claim.wait_ms = 30'000;  // Redis knows no such thing
      callers_[i]->Ask(claim);
    });
    Waited round;
    size_t winner = 0;
    for (size_t i = 1; i < callers_.size(); i += 2) {
      const Answer told = callers_[i]->Hear();
      if (Won(told, i, &round)) winner = i;
    }
    const size_t by_http = (callers_.size() + 1) / 2;
    round.waited = by_http - (1 - std::min<size_t>(round.winners, 1));
    EXPECT_TRUE(Eventually([&] { return Waiters(program) == round.waited; })) << Waiters(program);
    std::vector<size_t> waiting;
    EXPECT_TRUE(Eventually([&] { return round.winners > 0 || AnyHasAnswer(); }));
    for (size_t i = 0; i < callers_.size(); i += 2) {
      if (!callers_[i]->HasAnswer()) {
        waiting.push_back(i);
      } else if (Won(callers_[i]->Hear(), i, &round)) {
        winner = i;
      }
    }
    EXPECT_EQ(round.winners, 1u) << key;
    EXPECT_EQ(waiting.size(), round.waited) << key;
    EXPECT_EQ(callers_[winner]->AskAndHear(CompleteOf(key, answers_[winner].fence, 299)).what,
              Told::kCompleted);
    for (const size_t i : waiting) {
      const Answer told = callers_[i]->Hear();
      round.others += told.what == Told::kReplay && told.result == 299 ? 0 : 1;
    }
    EXPECT_EQ(round.others, 0u) << key;
    EXPECT_EQ(Waiters(program), 0u);
    return round;
  }

 private:
  bool Won(const Answer& told, size_t i, Waited* round) {
    answers_[i] = told;
    if (told.what != Told::kClaimed) {
      EXPECT_EQ(told.what, Told::kInFlight) << "caller " << i;
      return false;
    }
    ++round->winners;
    return true;
  }
  bool AnyHasAnswer() const {
    for (size_t i = 0; i < callers_.size(); i += 2) {
      if (callers_[i]->HasAnswer()) return true;
    }
    return false;
  }
  static size_t Waiters(const Program& program) {
    return NumberIn(program.Ask("GET", "/v1/status").Field("/waiters"));
  }
  // Of all callers, each thread for its own.
  template <typename Do>
  void InThreads(const Do& each) {
    std::vector<std::thread> threads;
    for (size_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([this, t, &each] {
        for (size_t i = t; i < callers_.size(); i += kThreads) each(i);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
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

uint64_t Failures() { return testing::Test::HasFailure() ? 1 : 0; }

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
  const std::string judged = Judge(history);
  Tell("duplicates", 2 * rounds, 1, Failures(), 0, judged);
}

TEST(Duplicates, ThatWaitAreAllToldTheSameBytes) {
  const size_t count = RoomFor(1'000);
  if (count < kSmallestCrowd) GTEST_SKIP() << "open files are limited";
  const size_t rounds = std::min<uint64_t>(Count("ONCED_ROUNDS", 5), 100);
  RedisInAFolder here(kFlags);
  CallHistory history;
  size_t waited = 0;
  for (const bool cold : {true, false}) {
    if (!cold) here.Crash();
    Stampede stampede(&history, here, count);
    for (size_t i = 0; i < rounds; ++i) {
      waited += stampede.WaitingRound(*here.program, (cold ? "cold-" : "warm-") + std::to_string(i))
                    .waited;
    }
  }
  EXPECT_GE(waited, 2 * rounds * (count / 2 - 1)) << "of those that could";
  const std::string judged = Judge(history);
  Tell("duplicates-waiting", 2 * rounds, 1, Failures(), 0,
       std::to_string(waited) + " waited, " + judged);
}

TEST(Duplicates, HaveOneWinnerInTenThousand) {
  const size_t count = RoomFor(10'000);
  if (count < kSmallestCrowd) GTEST_SKIP() << "open files are limited";
  const RedisInAFolder here(kFlags);
  CallHistory history;
  Stampede stampede(&history, here, count);
  EXPECT_EQ(stampede.Round("k"), 1u);
  const std::string judged = Judge(history);
  Tell("duplicates-" + std::to_string(count), 1, 0, Failures(), 0, judged);
}

}  // namespace
}  // namespace onced
