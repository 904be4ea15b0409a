// SPDX-License-Identifier: MIT
// The blocking wait: it hears of the end of the run, whenever that comes, takes the key over when
// it may, and gives up at its deadline.
//
// A wake-up that is lost shows in time alone: the waiter asks again at its deadline and finds the
// answer then. So deadlines here are a minute, and "woken" means long before that.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "engine/ledger.h"
#include "tests/fixtures.h"
#include "tests/interrupted_store.h"

namespace onced {
namespace {

constexpr std::chrono::seconds kDeadline{60};
constexpr std::chrono::seconds kLongBefore{40};

ClaimCommand ForAnHour() {
  ClaimCommand claim = AClaim();
  claim.lease_ms = kHourMs;
  return claim;
}

struct Waited {
  Reply reply;
  bool woken;  // and not come by itself at the deadline
};
Waited ClaimAndWait(Ledger& ledger, const Key& key) {
  const auto start = std::chrono::steady_clock::now();
  Reply reply = Value(ledger.ClaimAndWait(key, ForAnHour(), kDeadline));
  return {std::move(reply), std::chrono::steady_clock::now() - start < kLongBefore};
}

// Between lining up and going to sleep, the run ends.
TEST(ClaimAndWait, HearsOfAnEndThatComesBeforeItSleeps) {
  LedgerInAFolder here;
  const uint64_t fence = Value(here->Claim(K("a"), ForAnHour())).record->fence;
  InterruptedStore interrupted(here.store.get());
  interrupted.after_lining_up = [&] {
    (void)Value(here->Complete(K("a"), {.fence = fence, .result = "r"}));
  };
  Ledger ledger(&interrupted);
  const Waited waited = ClaimAndWait(ledger, K("a"));
  EXPECT_EQ(waited.reply.outcome, Outcome::kReplay);
  EXPECT_TRUE(waited.woken);
}

// Between reading without the lock and lining up under it, the run ends.
TEST(ClaimAndWait, HearsOfAnEndThatComesBeforeItLinesUp) {
  LedgerInAFolder here;
  const uint64_t fence = Value(here->Claim(K("a"), ForAnHour())).record->fence;
  InterruptedStore interrupted(here.store.get());
  interrupted.after_a_read = [&] {
    (void)Value(here->Complete(K("a"), {.fence = fence, .result = "r"}));
  };
  Ledger ledger(&interrupted);
  const Waited waited = ClaimAndWait(ledger, K("a"));
  EXPECT_EQ(waited.reply.outcome, Outcome::kReplay);
  EXPECT_TRUE(waited.woken);
}

// Against Complete, thousands of times, the two as close together as chance has it.
TEST(ClaimAndWait, NeverMissesTheEnd) {
  LedgerInAFolder here;
  constexpr int kRounds = 5'000;
  std::atomic<int> round{-1};
  std::vector<std::thread> waiters;
  std::atomic<int> replays{0}, done{0}, missed{0};
  for (int t = 0; t < 2; ++t) {
    waiters.emplace_back([&] {
      for (int i = 0; i < kRounds && missed == 0; ++i) {
        while (round < i && missed == 0) std::this_thread::yield();
        const Waited waited = ClaimAndWait(*here.ledger, K("k" + std::to_string(i)));
        replays += waited.reply.outcome == Outcome::kReplay;
        missed += !waited.woken;
        ++done;
      }
    });
  }
  for (int i = 0; i < kRounds && missed == 0; ++i) {
    const Key key = K("k" + std::to_string(i));
    const uint64_t fence = Value(here->Claim(key, ForAnHour())).record->fence;
    round = i;
    for (int spin = i % 50; spin > 0; --spin) std::this_thread::yield();
    (void)Value(here->Complete(key, {.fence = fence}));
    while (done < 2 * (i + 1) && missed == 0) std::this_thread::yield();
  }
  for (std::thread& waiter : waiters) waiter.join();
  EXPECT_EQ(missed, 0);
  EXPECT_EQ(replays, 2 * kRounds);
  EXPECT_EQ(here.store->Health().waiters, 0u);
}

// The key goes from hand to hand by release alone: whoever gets the baton claims and releases. One
// baton lost and the rest would sleep until their deadline.
TEST(ClaimAndWait, HandsTheKeyFromOneToTheNext) {
  LedgerInAFolder here;
  std::atomic<int> turns{0}, missed{0}, inside{0}, together{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 300 && missed == 0; ++i) {
        const Waited won = ClaimAndWait(*here.ledger, K("a"));
        missed += !won.woken || won.reply.outcome != Outcome::kClaimed;
        if (won.reply.outcome != Outcome::kClaimed) continue;
        together += inside++ != 0;
        ++turns;
        --inside;
        (void)Value(here->Release(K("a"), {.fence = won.reply.record->fence}));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(missed, 0);
  EXPECT_EQ(turns, 8 * 300);
  EXPECT_EQ(together, 0) << "two held the lease at once";
  EXPECT_EQ(here.store->Health().waiters, 0u);
}

TEST(ClaimAndWait, GivesUpAtItsDeadline) {
  LedgerInAFolder here;
  (void)Value(here->Claim(K("a"), AClaim()));
  EXPECT_EQ(Value(here->ClaimAndWait(K("a"), AClaim(), std::chrono::milliseconds(5))).outcome,
            Outcome::kInFlight);
  EXPECT_EQ(Value(here->ClaimAndWait(K("a"), AClaim(), std::chrono::milliseconds(0))).outcome,
            Outcome::kInFlight);
  EXPECT_EQ(here.store->Health().waiters, 0u);
}

// The lease is short in real time too: the waiter's own timer is what wakes it.
TEST(ClaimAndWait, TakesTheKeyOverWhenTheLeaseLapses) {
  LedgerInAFolder here;
  ClaimCommand brief = AClaim();
  brief.lease_ms = 100;
  (void)Value(here->Claim(K("a"), brief));
  std::thread time([&] {
    EXPECT_TRUE(Eventually([&] { return here.store->Health().waiters == 1; }));
    here.clock.Advance(100);
  });
  const Waited taken = ClaimAndWait(*here.ledger, K("a"));
  time.join();
  EXPECT_EQ(taken.reply.outcome, Outcome::kClaimed);
  EXPECT_EQ(taken.reply.record->attempt, 2u);
  EXPECT_TRUE(taken.woken);
}

}  // namespace
}  // namespace onced
