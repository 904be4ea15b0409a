// SPDX-License-Identifier: MIT
// Breaker: it opens when the upstream fails too much, keeps everybody away for a while, and lets
// one call decide whether it closes.
#include "server/gateway/breaker.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace onced {
namespace {

using std::chrono::milliseconds;
using State = Breaker::State;

constexpr BreakerLimits kLimits = {.failures_in_row = 3,
                                   .failure_rate = 0.5,
                                   .rate_calls_min = 10,
                                   .window = milliseconds(1'000),
                                   .open_for = milliseconds(500)};

// A moment of the test: `ms` after it began.
Breaker::TimePoint At(int ms) { return Breaker::TimePoint(milliseconds(1'000'000 + ms)); }

void FailThreeTimes(Breaker& breaker, int ms) {
  for (int i = 0; i < 3; ++i) breaker.Failed(At(ms));
}

TEST(Breaker, LetsEverythingThroughWhileClosed) {
  Breaker breaker(kLimits);
  for (int i = 0; i < 100; ++i) {
    EXPECT_FALSE(breaker.RefusedFor(At(i)).has_value());
    breaker.Succeeded(At(i));
  }
  EXPECT_EQ(State::kClosed, breaker.state(At(100)));
  EXPECT_EQ(0u, breaker.opened());
}

TEST(Breaker, OpensAfterSoManyFailuresInARow) {
  Breaker breaker(kLimits);
  breaker.Failed(At(0));
  breaker.Failed(At(1));
  EXPECT_FALSE(breaker.RefusedFor(At(2)).has_value());
  breaker.Failed(At(3));
  EXPECT_EQ(State::kOpen, breaker.state(At(3)));
  EXPECT_EQ(milliseconds(500), breaker.RefusedFor(At(3)));
  EXPECT_EQ(milliseconds(1), breaker.RefusedFor(At(502)));
  EXPECT_EQ(1u, breaker.opened());
}

// The story: a call from before it opened ended while the probe was under way, and decided for it.
TEST(Breaker, HearsNothingOfCallsFromBeforeItOpened) {
  Breaker breaker(kLimits);
  Breaker::Pass old = 0;
  ASSERT_FALSE(breaker.RefusedFor(At(0), &old).has_value());
  FailThreeTimes(breaker, 1);
  Breaker::Pass probe = 0;
  ASSERT_FALSE(breaker.RefusedFor(At(600), &probe).has_value());
  breaker.Succeeded(At(601), old);
  EXPECT_EQ(State::kHalfOpen, breaker.state(At(601)));
  breaker.Failed(At(602), old);
  EXPECT_EQ(State::kHalfOpen, breaker.state(At(602)));
  breaker.Forgotten(At(603), old);
  EXPECT_TRUE(breaker.RefusedFor(At(604)).has_value());  // the probe's place is still taken
  breaker.Succeeded(At(605), probe);
  EXPECT_EQ(State::kClosed, breaker.state(At(605)));
}

TEST(Breaker, StartsCountingTheRowAnewWithEverySuccess) {
  Breaker breaker(kLimits);
  for (int i = 0; i < 4; ++i) {
    for (int call = 0; call < 5; ++call) {
      call < 2 ? breaker.Failed(At(1'000 * i)) : breaker.Succeeded(At(1'000 * i));
    }
  }
  EXPECT_EQ(State::kClosed, breaker.state(At(3'000)));
}

TEST(Breaker, OpensWhenTooLargeAPartOfAWindowFailed) {
  Breaker breaker(kLimits);
  for (int i = 0; i < 4; ++i) {
    breaker.Failed(At(i));
    breaker.Succeeded(At(i));
  }
  breaker.Failed(At(5));
  EXPECT_EQ(State::kClosed, breaker.state(At(5))) << "nine calls mean nothing yet";
  breaker.Failed(At(6));
  EXPECT_EQ(State::kOpen, breaker.state(At(6)));
}

TEST(Breaker, ForgetsWhatFailedInAnEarlierWindow) {
  Breaker breaker(kLimits);
  for (int i = 0; i < 4; ++i) {
    breaker.Failed(At(i));
    breaker.Succeeded(At(i));
  }
  breaker.Failed(At(1'001));
  breaker.Failed(At(1'001));
  EXPECT_EQ(State::kClosed, breaker.state(At(1'001)));
}

TEST(Breaker, LetsOneCallThroughWhenItsTimeIsUp) {
  Breaker breaker(kLimits);
  FailThreeTimes(breaker, 0);
  EXPECT_TRUE(breaker.RefusedFor(At(499)).has_value());
  EXPECT_EQ(State::kHalfOpen, breaker.state(At(500)));
  EXPECT_FALSE(breaker.RefusedFor(At(500)).has_value());
  EXPECT_TRUE(breaker.RefusedFor(At(500)).has_value());
  EXPECT_TRUE(breaker.RefusedFor(At(999)).has_value());
}

TEST(Breaker, ClosesWhenTheProbeSucceeds) {
  Breaker breaker(kLimits);
  FailThreeTimes(breaker, 0);
  EXPECT_FALSE(breaker.RefusedFor(At(500)).has_value());
  breaker.Succeeded(At(510));
  EXPECT_EQ(State::kClosed, breaker.state(At(510)));
  breaker.Failed(At(511));
  breaker.Failed(At(512));
  EXPECT_EQ(State::kClosed, breaker.state(At(512))) << "the old failures count no more";
}

TEST(Breaker, OpensAgainForTheWholeTimeWhenTheProbeFails) {
  Breaker breaker(kLimits);
  FailThreeTimes(breaker, 0);
  EXPECT_FALSE(breaker.RefusedFor(At(500)).has_value());
  breaker.Failed(At(600));
  EXPECT_EQ(milliseconds(500), breaker.RefusedFor(At(600)));
  EXPECT_EQ(2u, breaker.opened());
  EXPECT_FALSE(breaker.RefusedFor(At(1'100)).has_value());
}

TEST(Breaker, GivesTheProbesPlaceToTheNextWhenItWasNotMade) {
  Breaker breaker(kLimits);
  FailThreeTimes(breaker, 0);
  EXPECT_FALSE(breaker.RefusedFor(At(500)).has_value());
  breaker.Forgotten(At(501));
  EXPECT_FALSE(breaker.RefusedFor(At(502)).has_value());
  EXPECT_TRUE(breaker.RefusedFor(At(503)).has_value());
}

TEST(Breaker, GivesTheProbesPlaceToTheNextWhenNothingIsHeardOfIt) {
  Breaker breaker(kLimits);
  FailThreeTimes(breaker, 0);
  EXPECT_FALSE(breaker.RefusedFor(At(500)).has_value());
  EXPECT_TRUE(breaker.RefusedFor(At(999)).has_value());
  EXPECT_FALSE(breaker.RefusedFor(At(1'000)).has_value());
  EXPECT_TRUE(breaker.RefusedFor(At(1'000)).has_value());
}

TEST(Breaker, StaysOpenWhateverEndsMeanwhile) {
  Breaker breaker(kLimits);
  FailThreeTimes(breaker, 0);
  breaker.Succeeded(At(10));
  breaker.Failed(At(400));
  breaker.Forgotten(At(400));
  EXPECT_EQ(milliseconds(100), breaker.RefusedFor(At(400)));
  EXPECT_EQ(1u, breaker.opened());
}

TEST(Breaker, LetsOneOfManyThreadsProbe) {
  for (int round = 0; round < 50; ++round) {
    Breaker breaker(kLimits);
    FailThreeTimes(breaker, 0);
    std::atomic<int> let_through{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int ms = 490; ms < 520; ++ms) {
          if (!breaker.RefusedFor(At(ms)).has_value()) let_through.fetch_add(1);
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(1, let_through.load());
  }
}

TEST(Breaker, CountsWhatManyThreadsTellIt) {
  Breaker breaker({.failures_in_row = 4'001, .rate_calls_min = 1'000'000});
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int call = 0; call < 1'000; ++call) breaker.Failed(At(0));
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(State::kClosed, breaker.state(At(0)));
  breaker.Failed(At(0));
  EXPECT_EQ(State::kOpen, breaker.state(At(0)));
}

}  // namespace
}  // namespace onced
