// SPDX-License-Identifier: MIT
// Waiting for a run to end: everybody is woken when it does, the oldest alone when the key is given
// back or its lease lapses, nobody is forgotten, and the lines do not grow without bound.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "engine/ledger.h"
#include "engine/mutex.h"
#include "engine/stripes.h"
#include "tests/fixtures.h"

namespace onced {
namespace {

// One caller in line, as a door has it: it is called when there is reason to ask again.
struct Caller {
  Caller(LedgerInAFolder& here, const std::string& name, bool claims = true)
      : ledger(here.ledger.get()),
        key(K(name)),
        waiter(here->NewWaiter(key, claims, [calls = calls] { ++*calls; })) {}

  Reply Ask(const ClaimCommand& claim = AClaim()) {
    return Value(ledger->Claim(key, claim, waiter.get()));
  }
  FoundReply Look() { return Value(ledger->Find(key, waiter.get())); }
  int called() const { return *calls; }
  void Leave() { waiter.reset(); }

  Ledger* ledger;
  Key key;
  std::shared_ptr<std::atomic<int>> calls = std::make_shared<std::atomic<int>>(0);
  std::unique_ptr<Waiter> waiter;
};

// Key "a" in flight, and callers in line for it.
struct Line {
  explicit Line(size_t callers, const WaiterLimits& limits = {})
      : here([&](RocksStoreOptions& options) { options.waiters = limits; }),
        fence(Value(here->Claim(K("a"), AClaim())).record->fence) {
    for (size_t i = 0; i < callers; ++i) Join();
  }
  Caller& Join(bool claims = true) {
    line.push_back(std::make_unique<Caller>(here, "a", claims));
    const bool waiting = claims ? line.back()->Ask().waiting : line.back()->Look().waiting;
    EXPECT_TRUE(waiting);
    return *line.back();
  }
  Caller& operator[](size_t i) { return *line[i]; }
  std::vector<int> called() const {
    std::vector<int> out;
    for (const auto& caller : line) out.push_back(caller->called());
    return out;
  }
  void Release() {
    EXPECT_EQ(Value(here->Release(K("a"), {.fence = fence})).outcome, Outcome::kReleased);
  }
  size_t waiting() { return here.store->Health().waiters; }

  LedgerInAFolder here;
  uint64_t fence;
  std::vector<std::unique_ptr<Caller>> line;
};

using Calls = std::vector<int>;

TEST(Waiter, IsCalledWhenTheRunIsCompleted) {
  Line line(3);
  EXPECT_EQ(line.called(), Calls({0, 0, 0}));
  (void)Value(line.here->Complete(K("a"), {.fence = line.fence, .result = "r"}));
  EXPECT_EQ(line.called(), Calls({1, 1, 1}));
  EXPECT_EQ(line.waiting(), 0u);
  EXPECT_EQ(line[2].Ask().record->result, "r");
}

TEST(Waiter, IsCalledWhenTheRunIsMarkedUnknown) {
  Line line(3);
  (void)Value(line.here->MarkUnknown(K("a"), {.fence = line.fence}));
  EXPECT_EQ(line.called(), Calls({1, 1, 1}));
  EXPECT_EQ(line[0].Ask().outcome, Outcome::kUnknown);
}

TEST(Waiter, IsCalledWhenTheKeyIsForgotten) {
  Line line(3);
  (void)Value(line.here->Forget(K("a"), {.force = true}));
  EXPECT_EQ(line.called(), Calls({1, 1, 1}));
}

TEST(Waiter, IsCalledWhenTheRunIsResolved) {
  for (const bool completed : {true, false}) {
    Line line(3);
    line.here.clock.Advance(10 * kSecondMs);
    EXPECT_EQ(Value(line.here->Resolve(K("a"), {.completed = completed})).outcome,
              Outcome::kResolved);
    EXPECT_EQ(line.called(), Calls({1, 1, 1}));
  }
}

TEST(Waiter, IsCalledByABatchToo) {
  Line line(2);
  const std::vector<Operation> operations = {{K("b"), AClaim()},
                                             {K("a"), CompleteCommand{.fence = line.fence}}};
  (void)Value(line.here->DoAll(operations));
  EXPECT_EQ(line.called(), Calls({1, 1}));
}

TEST(Waiter, IsNotCalledForAnotherKey) {
  Line line(1);
  const Reply other = Value(line.here->Claim(K("b"), AClaim()));
  (void)Value(line.here->Complete(K("b"), {.fence = other.record->fence}));
  (void)Value(line.here->Renew(K("a"), {.fence = line.fence, .lease_ms = 60'000}));
  (void)Value(line.here->Release(K("a"), {.fence = line.fence + 1}));
  EXPECT_EQ(line.called(), Calls({0}));
}

TEST(Waiter, IsCalledWithNoLockHeld) {
  LedgerInAFolder here;
  const uint64_t fence = Value(here->Claim(K("a"), AClaim())).record->fence;
  std::atomic<bool> claimed{false};
  // A callback that itself asks would hang, were the stripe still held.
  const auto waiter = here->NewWaiter(K("a"), true, [&] {
    claimed = Value(here->Claim(K("a"), AClaim())).outcome == Outcome::kClaimed;
  });
  ASSERT_TRUE(Value(here->Claim(K("a"), AClaim(), waiter.get())).waiting);
  (void)Value(here->Release(K("a"), {.fence = fence}));
  EXPECT_TRUE(claimed);
}

TEST(Baton, OfAReleaseGoesToTheOldestOnly) {
  Line line(3);
  line.Release();
  EXPECT_EQ(line.called(), Calls({1, 0, 0}));
  EXPECT_EQ(line[0].Ask().outcome, Outcome::kClaimed);
  EXPECT_EQ(line.called(), Calls({1, 0, 0}));
  EXPECT_EQ(line.waiting(), 2u);
}

TEST(Baton, IsPassedOnByOneWhoGoesAway) {
  Line line(3);
  line.Release();
  line[0].Leave();
  EXPECT_EQ(line.called(), Calls({1, 1, 0}));
  line[1].Leave();
  EXPECT_EQ(line.called(), Calls({1, 1, 1}));
  EXPECT_EQ(line[2].Ask().outcome, Outcome::kClaimed);
}

TEST(Baton, IsPassedOnByOneWhoseAskDoesNotClaim) {
  Line line(3);
  line.Release();
  ClaimCommand other = AClaim();
  other.fingerprint = "other";
  const Reply newcomer = Value(line.here->Claim(K("a"), other));
  ASSERT_EQ(newcomer.outcome, Outcome::kClaimed);
  EXPECT_EQ(line[0].Ask().outcome, Outcome::kConflict);
  EXPECT_EQ(line.called(), Calls({1, 1, 0})) << "the next one hears of the conflict from its ask";
  EXPECT_EQ(line[1].Ask().outcome, Outcome::kConflict);
  EXPECT_EQ(line.called(), Calls({1, 1, 1}));
}

TEST(Baton, IsSpentByOneWhoFindsAnotherRunning) {
  Line line(3);
  line.Release();
  const Reply newcomer = Value(line.here->Claim(K("a"), AClaim()));
  ASSERT_EQ(newcomer.outcome, Outcome::kClaimed);
  EXPECT_TRUE(line[0].Ask().waiting);
  EXPECT_EQ(line.called(), Calls({1, 0, 0})) << "there is nothing to hand on";
  (void)Value(line.here->Release(K("a"), {.fence = newcomer.record->fence}));
  EXPECT_EQ(line.called(), Calls({2, 0, 0})) << "it has kept its seniority";
}

TEST(Baton, IsNotPassedToSomebodyWhoHasLeft) {
  Line line(3);
  line[0].Leave();
  line.Release();
  EXPECT_EQ(line.called(), Calls({0, 1, 0}));
}

// Whom the timer calls first may ask too early: the oldest has the right, and hears of it.
TEST(Baton, OfALapseGoesToTheOldestOnly) {
  Line line(3);
  line.here.clock.Advance(10 * kSecondMs);
  const Reply early = line[2].Ask();
  EXPECT_EQ(early.outcome, Outcome::kInFlight);
  EXPECT_TRUE(early.waiting);
  EXPECT_EQ(line.called(), Calls({1, 0, 0}));
  const Reply oldest = line[0].Ask();
  EXPECT_EQ(oldest.outcome, Outcome::kClaimed);
  EXPECT_EQ(oldest.record->attempt, 2u);
  EXPECT_EQ(line[2].Ask().outcome, Outcome::kInFlight);
  EXPECT_EQ(line[1].Ask().outcome, Outcome::kInFlight);
  EXPECT_EQ(line.called(), Calls({1, 0, 0}));
}

// A watcher would spend it on looking.
TEST(Baton, OfALapseIsNotForWatchers) {
  Line line(0);
  Caller& watcher = line.Join(false);
  Caller& oldest = line.Join(true);
  Caller& early = line.Join(true);
  line.here.clock.Advance(10 * kSecondMs);
  EXPECT_EQ(early.Ask().outcome, Outcome::kInFlight);
  EXPECT_EQ(watcher.called(), 0);
  EXPECT_EQ(oldest.called(), 1);
}

TEST(Baton, OfALapseIsPassedOnByOneWhoIsGone) {
  Line line(3);
  line.here.clock.Advance(10 * kSecondMs);
  EXPECT_EQ(line[2].Ask().outcome, Outcome::kInFlight);
  line[0].Leave();
  EXPECT_EQ(line.called(), Calls({1, 1, 0}));
  EXPECT_EQ(line[1].Ask().outcome, Outcome::kClaimed);
}

TEST(Baton, OfALapseIsTakenByTheOldestWithoutBeingCalled) {
  Line line(2);
  line.here.clock.Advance(10 * kSecondMs);
  EXPECT_EQ(line[0].Ask().outcome, Outcome::kClaimed);
  EXPECT_EQ(line.called(), Calls({0, 0}));
}

TEST(Baton, OfALapseIntoUnknownIsNobodysForEverybodyHears) {
  LedgerInAFolder here;
  (void)Value(here->Claim(K("a"), AClaim("", OnLapse::kUnknown)));
  Caller first(here, "a"), second(here, "a");
  ASSERT_TRUE(first.Ask().waiting);
  ASSERT_TRUE(second.Ask().waiting);
  here.clock.Advance(10 * kSecondMs);
  EXPECT_EQ(second.Ask().outcome, Outcome::kUnknown);
  EXPECT_EQ(first.called(), 1);
  EXPECT_EQ(first.Ask().outcome, Outcome::kUnknown);
  EXPECT_EQ(here.store->Health().waiters, 0u);
}

// A story: the oldest in line won the key for a tenth of a second in the moment in which it hung
// up. The next one had been told of half a minute, the lease before that, and slept it out.
TEST(ShorterLease, IsToldToAllInLine) {
  Line line(3);
  line.Release();
  ClaimCommand brief = AClaim();
  brief.lease_ms = 1'000;
  EXPECT_EQ(line[0].Ask(brief).outcome, Outcome::kClaimed);
  line[0].Leave();
  EXPECT_EQ(line.called(), Calls({1, 1, 1})) << "the next may leave too, so all must know";
  EXPECT_EQ(line.waiting(), 2u) << "nobody lost its place";
  EXPECT_TRUE(line[2].Ask().waiting);
  EXPECT_TRUE(line[1].Ask().waiting);
  line.here.clock.Advance(1 * kSecondMs);
  EXPECT_EQ(line[1].Ask().outcome, Outcome::kClaimed) << "and kept its seniority";
  EXPECT_EQ(line.called(), Calls({1, 1, 1})) << "a longer lease is met when the shorter one ends";
}

TEST(ShorterLease, OfANewcomerIsTold) {
  Line line(2);
  line.Release();
  ClaimCommand brief = AClaim();
  brief.lease_ms = 1'000;
  EXPECT_EQ(Value(line.here->Claim(K("a"), brief)).outcome, Outcome::kClaimed);
  EXPECT_EQ(line.called(), Calls({1, 1}));
}

TEST(ShorterLease, OfARenewalIsTold) {
  Line line(2);
  (void)line.Join(/*claims=*/false);
  (void)Value(line.here->Renew(K("a"), {.fence = line.fence, .lease_ms = 60'000}));
  EXPECT_EQ(line.called(), Calls({0, 0, 0}));
  (void)Value(line.here->Renew(K("a"), {.fence = line.fence, .lease_ms = 1'000}));
  EXPECT_EQ(line.called(), Calls({1, 1, 0})) << "one that only watches does not mean to take it";
  (void)Value(line.here->Renew(K("a"), {.fence = line.fence, .lease_ms = 500}));
  EXPECT_EQ(line.called(), Calls({2, 2, 0})) << "though they have not asked in between";
}

TEST(ShorterLease, OfABatchIsTold) {
  Line line(1);
  const std::vector<Operation> operations = {
      {K("a"), RenewCommand{.fence = line.fence, .lease_ms = 1'000}}};
  (void)Value(line.here->DoAll(operations));
  EXPECT_EQ(line.called(), Calls({1}));
}

// Who was called without leaving the line needs no room in it.
TEST(ShorterLease, IsToldInAFullLine) {
  Line line(2, {.in_all = 2, .per_key = 2});
  (void)Value(line.here->Renew(K("a"), {.fence = line.fence, .lease_ms = 1'000}));
  Caller newcomer(line.here, "a");
  EXPECT_FALSE(newcomer.Ask().waiting);
  EXPECT_TRUE(line[0].Ask().waiting);
  EXPECT_TRUE(line[1].Ask().waiting);
}

TEST(Seniority, IsKeptByOneWhoAsksAgain) {
  Line line(3);
  EXPECT_TRUE(line[0].Ask().waiting);
  EXPECT_TRUE(line[1].Ask().waiting);
  EXPECT_EQ(line.waiting(), 3u);
  line.Release();
  EXPECT_EQ(line.called(), Calls({1, 0, 0}));
}

TEST(Watcher, IsCalledWhenTheRunIsCompleted) {
  Line line(1);
  Caller& watcher = line.Join(false);
  (void)Value(line.here->Complete(K("a"), {.fence = line.fence, .result = "r"}));
  EXPECT_EQ(watcher.called(), 1);
  EXPECT_EQ(watcher.Look().record->result, "r");
  EXPECT_FALSE(watcher.Look().waiting);
}

// The run it watches has ended, whoever gets the key now.
TEST(Watcher, IsCalledWhenTheRunIsReleased) {
  Line line(1);
  Caller& watcher = line.Join(false);
  line.Release();
  EXPECT_EQ(watcher.called(), 1);
  EXPECT_FALSE(watcher.Look().record.has_value());
  EXPECT_FALSE(watcher.Look().waiting);
  EXPECT_EQ(line[0].called(), 1) << "and the baton goes to one that means to claim";
}

TEST(Watcher, OfAnEndedRunOrOfNoneDoesNotWait) {
  LedgerInAFolder here;
  Caller watcher(here, "a", false);
  EXPECT_FALSE(watcher.Look().waiting);
  const Reply won = Value(here->Claim(K("a"), AClaim()));
  (void)Value(here->Complete(K("a"), {.fence = won.record->fence}));
  EXPECT_FALSE(watcher.Look().waiting);
  EXPECT_EQ(here.store->Health().waiters, 0u);
}

TEST(Watcher, NeverKeepsTheBatonFromAClaimer) {
  Line line(0);
  Caller& watcher = line.Join(false);
  Caller& claimer = line.Join(true);
  line.Release();
  EXPECT_EQ(claimer.called(), 1);
  (void)watcher.Look();
  EXPECT_EQ(claimer.Ask().outcome, Outcome::kClaimed);
}

TEST(Watcher, DoesNotStandBeforeAClaimerAtALapse) {
  Line line(0);
  line.Join(false);
  Caller& claimer = line.Join(true);
  line.here.clock.Advance(10 * kSecondMs);
  EXPECT_EQ(claimer.Ask().outcome, Outcome::kClaimed);
}

TEST(WaiterLimits, OfAKeyTurnTheNextOneAway) {
  Line line(2, {.in_all = 100, .per_key = 2});
  Caller late(line.here, "a");
  EXPECT_EQ(late.Ask().outcome, Outcome::kInFlight);
  EXPECT_FALSE(late.Ask().waiting);
  EXPECT_EQ(line.waiting(), 2u);
  EXPECT_TRUE(line[0].Ask().waiting) << "who stands in line already stays";
  line[1].Leave();
  EXPECT_TRUE(late.Ask().waiting);
}

TEST(WaiterLimits, InAllTurnTheNextOneAway) {
  Line line(2, {.in_all = 3, .per_key = 100});
  (void)Value(line.here->Claim(K("b"), AClaim()));
  Caller third(line.here, "b"), fourth(line.here, "b");
  EXPECT_TRUE(third.Ask().waiting);
  EXPECT_FALSE(fourth.Ask().waiting);
  line[0].Leave();
  EXPECT_TRUE(fourth.Ask().waiting);
}

TEST(WaiterLimits, AnswerABlockingCallAtOnce) {
  Line line(1, {.in_all = 1, .per_key = 1});
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(Value(line.here->ClaimAndWait(K("a"), AClaim(), std::chrono::minutes(5))).outcome,
            Outcome::kInFlight);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::minutes(4));
}

TEST(Lines, AreEmptyAgainWhenAllHaveLeft) {
  LedgerInAFolder here;
  for (int i = 0; i < 200; ++i) {
    const std::string key = "k" + std::to_string(i);
    const Reply won = Value(here->Claim(K(key), AClaim()));
    Caller one(here, key), two(here, key), watcher(here, key, false);
    ASSERT_TRUE(one.Ask().waiting);
    ASSERT_TRUE(two.Ask().waiting);
    ASSERT_TRUE(watcher.Look().waiting);
    if (i % 2 == 0) (void)Value(here->Release(K(key), {.fence = won.record->fence}));
    if (i % 3 == 0) (void)one.Ask();
  }
  EXPECT_EQ(here.store->Health().waiters, 0u);
}

}  // namespace
}  // namespace onced
