// SPDX-License-Identifier: MIT
// Local runs: while their process lives their lease judges them, as any other; once it is gone they
// are unknown from the next start on, at once, and stay on the disk until an operator or the late
// answer decides them.
#include "engine/orphan.h"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/fixtures.h"

namespace onced {
namespace {

// Claimed at 1,000, leased until 2,000, by a process before the one that gives out 100 first.
Record LeftBehind() {
  return {.on_lapse = OnLapse::kUnknown,
          .local = true,
          .fence = 99,
          .claimed_at_ms = 1'000,
          .lease_until_ms = 2'000,
          .retention_ms = 500};
}

TEST(Orphan, IsUnknownSinceTheNextProcessBegan) {
  const Record judged = Judged(LeftBehind(), {.first_fence = 100, .opened_ms = 1'500});
  EXPECT_EQ(judged.state, State::kUnknown);
  EXPECT_EQ(judged.unknown_at_ms, 1'500);
}

TEST(Orphan, IsUnknownSinceItsLeaseEndedIfThatWasBefore) {
  EXPECT_EQ(Judged(LeftBehind(), {.first_fence = 100, .opened_ms = 2'500}).unknown_at_ms, 2'000);
}

TEST(Orphan, IsNotUnknownBeforeItWasClaimed) {
  EXPECT_EQ(Judged(LeftBehind(), {.first_fence = 100, .opened_ms = 10}).unknown_at_ms, 1'000);
}

// Whether it is judged, by which process and when: the filter must come to the same.
TEST(Orphan, DiesWhenItsStoredBytesSay) {
  for (const int64_t unknown_retention_ms : {int64_t{0}, int64_t{700}}) {
    Record record = LeftBehind();
    record.unknown_retention_ms = unknown_retention_ms;
    const std::optional<int64_t> stored_ms = StoredDeadAtMs(record.Encode());
    for (const int64_t opened_ms : {0, 1'500, 9'000}) {
      const Record judged = Judged(record, {.first_fence = 100, .opened_ms = opened_ms});
      ASSERT_EQ(judged.state, State::kUnknown);
      EXPECT_EQ(judged.DeadAtMs(), stored_ms);
    }
  }
}

TEST(Orphan, IsNoRunOfThisProcess) {
  Record record = LeftBehind();
  record.fence = 100;
  const ProcessStart start{.first_fence = 100, .opened_ms = 9'000};
  EXPECT_FALSE(IsOrphan(record, start)) << "its first";
  EXPECT_TRUE(Judged(record, start) == record) << "lapsed long ago, but not gone";
  record.fence = uint64_t{5} << 32;
  EXPECT_FALSE(IsOrphan(record, start)) << "of a later epoch, which this process took";
}

TEST(Orphan, IsNoRunThatHasEndedNorOneOfACaller) {
  const ProcessStart start{.first_fence = 100, .opened_ms = 1'500};
  Record of_a_caller = LeftBehind();
  of_a_caller.local = false;
  EXPECT_TRUE(Judged(of_a_caller, start) == of_a_caller);
  for (const State state : {State::kCompleted, State::kUnknown}) {
    Record ended = LeftBehind();
    ended.local = false;
    ended.state = state;
    EXPECT_TRUE(Judged(ended, start) == ended);
  }
}

// From here on: the ledger over restarts.

ClaimCommand ALocalClaim(const std::string& claim_id = "") {
  ClaimCommand claim = AClaim(claim_id, OnLapse::kUnknown);
  claim.local = true;
  return claim;
}

struct Restarted : LedgerInAFolder {
  using LedgerInAFolder::LedgerInAFolder;
  // A local run, its process gone a second later.
  uint64_t LeaveBehind(const std::string& key) {
    const uint64_t fence = Value(ledger->Claim(K(key), ALocalClaim("id"))).record->fence;
    clock.Advance(kSecondMs);
    Reopen();
    return fence;
  }
  State StateOf(const std::string& key) { return Value(ledger->Find(K(key))).record->state; }
  std::vector<std::string> Listed(State state) {
    std::vector<std::string> keys;
    const Page<ListedRecord> page =
        Value(ledger->List({.tenant = "default", .scope = "default", .state = state}));
    for (const ListedRecord& row : page.rows) keys.emplace_back(row.key.key());
    return keys;
  }
};

using Keys = std::vector<std::string>;

TEST(LocalRun, IsUnknownAtTheNextStartAtOnce) {
  Restarted here;
  const uint64_t fence = here.LeaveBehind("a");
  const Reply reply = Value(here->Claim(K("a"), AClaim()));
  EXPECT_EQ(reply.outcome, Outcome::kUnknown) << "nine seconds of the lease are left";
  EXPECT_EQ(reply.record->fence, fence);
  EXPECT_EQ(Value(here->Claim(K("a"), ALocalClaim("id"))).outcome, Outcome::kUnknown)
      << "by the very claim, asked again";
  ClaimCommand other = AClaim();
  other.fingerprint = "other";
  EXPECT_EQ(Value(here->Claim(K("a"), other)).outcome, Outcome::kConflict);
  const std::vector<Operation> batch = {{K("a"), AClaim()}};
  EXPECT_EQ(Value(here->DoAll(batch)).at(0).outcome, Outcome::kUnknown);
  const auto never = [](Batch&) { return Result<std::string>(Status::InvalidArgument("it ran")); };
  EXPECT_EQ(Value(here->Execute(K("a"), {.fingerprint = "fp"}, {}, never)).outcome,
            Outcome::kUnknown);
}

TEST(LocalRun, IsUnknownAfterACrashToo) {
  LedgerInAFolder here;
  (void)Value(here->Claim(K("a"), ALocalClaim()));
  // As kill -9 leaves it: what the kernel has, but nothing of what a clean stop does.
  CopyFolder(here.folder.path(), here.folder.path("killed"));
  RocksStoreOptions options = here.options;
  options.path = here.folder.path("killed");
  const auto store = OpenStore(options);
  EXPECT_EQ(Value(Ledger(store.get()).Claim(K("a"), AClaim())).outcome, Outcome::kUnknown);
}

TEST(LocalRun, IsShownAsUnknownWhereverItIsShown) {
  Restarted here;
  const int64_t claimed_ms = here.clock.NowMs();
  (void)here.LeaveBehind("a");
  here.clock.Advance(kSecondMs);
  const Record record = *Value(here->Find(K("a"))).record;
  EXPECT_EQ(record.state, State::kUnknown);
  EXPECT_EQ(record.unknown_at_ms, claimed_ms + kSecondMs);
  EXPECT_EQ(here.Listed(State::kUnknown), Keys{"a"});
  EXPECT_EQ(here.Listed(State::kInFlight), Keys{});
  const std::vector<onced::Run> runs = Value(here->History(K("a"))).rows;
  ASSERT_EQ(runs.size(), 1u);
  EXPECT_EQ(runs[0].events,
            (std::vector<RunEvent>{{EventType::kClaimed, claimed_ms},
                                   {EventType::kMarkedUnknown, claimed_ms + kSecondMs}}));
}

TEST(LocalRun, LeavesTheRunsOfCallersAlone) {
  Restarted here;
  const uint64_t callers =
      Value(here->Claim(K("callers"), AClaim("", OnLapse::kUnknown))).record->fence;
  (void)here.LeaveBehind("own");
  EXPECT_EQ(here.Listed(State::kUnknown), Keys{"own"});
  EXPECT_EQ(here.Listed(State::kInFlight), Keys{"callers"});
  EXPECT_EQ(Value(here->Complete(K("callers"), {.fence = callers})).outcome, Outcome::kCompleted);
}

TEST(LocalRun, IsJudgedByItsLeaseWhileItsProcessLives) {
  LedgerInAFolder here;
  const uint64_t fence = Value(here->Claim(K("a"), ALocalClaim())).record->fence;
  here.clock.Advance(9 * kSecondMs);
  EXPECT_EQ(Value(here->Claim(K("a"), AClaim())).outcome, Outcome::kInFlight);
  EXPECT_EQ(Value(here->Renew(K("a"), {.fence = fence, .lease_ms = kSecondMs})).outcome,
            Outcome::kRenewed);
  here.clock.Advance(kSecondMs);
  EXPECT_EQ(Value(here->Find(K("a"))).record->state, State::kInFlight) << "nobody has asked";
  EXPECT_EQ(Value(here->Claim(K("a"), AClaim())).outcome, Outcome::kUnknown);
}

TEST(LocalRun, EndsAsAnyOtherWhileItsProcessLives) {
  Restarted here;
  const uint64_t completed = Value(here->Claim(K("completed"), ALocalClaim())).record->fence;
  (void)Value(here->Complete(K("completed"), {.fence = completed, .result = "r"}));
  const uint64_t released = Value(here->Claim(K("released"), ALocalClaim())).record->fence;
  (void)Value(here->Release(K("released"), {.fence = released}));
  here.Reopen();
  EXPECT_EQ(Value(here->Claim(K("completed"), AClaim())).outcome, Outcome::kReplay);
  EXPECT_EQ(Value(here->Claim(K("released"), AClaim())).outcome, Outcome::kClaimed);
}

struct Decided {
  const char* name;
  std::function<Result<Reply>(Ledger&, const Key&, uint64_t fence)> how;
  Outcome outcome;
  Outcome next_claim;
  std::vector<EventType> events;
};
std::vector<Decided> Decisions() {
  using Type = EventType;
  const auto resolved = [](bool completed) {
    return [completed](Ledger& ledger, const Key& key, uint64_t) {
      return ledger.Resolve(key, {.completed = completed, .result = "r"});
    };
  };
  return {
      {"resolved to completed",
       resolved(true),
       Outcome::kResolved,
       Outcome::kReplay,
       {Type::kClaimed, Type::kMarkedUnknown, Type::kResolved}},
      {"resolved to released",
       resolved(false),
       Outcome::kResolved,
       Outcome::kClaimed,
       {Type::kClaimed, Type::kMarkedUnknown, Type::kResolved}},
      {"completed with the old fence",
       [](Ledger& ledger, const Key& key, uint64_t fence) {
         return ledger.Complete(key, {.fence = fence, .result = "r"});
       },
       Outcome::kCompleted,
       Outcome::kReplay,
       {Type::kClaimed, Type::kMarkedUnknown, Type::kCompleted}},
      {"marked unknown with the old fence",
       [](Ledger& ledger, const Key& key, uint64_t fence) {
         return ledger.MarkUnknown(key, {.fence = fence});
       },
       Outcome::kMarkedUnknown,
       Outcome::kUnknown,
       {Type::kClaimed, Type::kMarkedUnknown}},
      {"forgotten, without force",
       [](Ledger& ledger, const Key& key, uint64_t) { return ledger.Forget(key, {}); },
       Outcome::kForgotten,
       Outcome::kClaimed,
       {Type::kClaimed, Type::kMarkedUnknown, Type::kForgotten}},
      {"released with the old fence",
       [](Ledger& ledger, const Key& key, uint64_t fence) {
         return ledger.Release(key, {.fence = fence});
       },
       Outcome::kStale,
       Outcome::kUnknown,
       {Type::kClaimed, Type::kMarkedUnknown}},
      {"renewed with the old fence",
       [](Ledger& ledger, const Key& key, uint64_t fence) {
         return ledger.Renew(key, {.fence = fence, .lease_ms = kSecondMs});
       },
       Outcome::kStale,
       Outcome::kUnknown,
       {Type::kClaimed, Type::kMarkedUnknown}},
  };
}

TEST(LocalRun, OfAProcessThatIsGoneIsDecidedAsAnyUnknownOne) {
  for (const Decided& decided : Decisions()) {
    SCOPED_TRACE(decided.name);
    Restarted here;
    const uint64_t fence = here.LeaveBehind("a");
    EXPECT_EQ(Value(decided.how(*here.ledger, K("a"), fence)).outcome, decided.outcome);
    here.Reopen();
    const std::vector<onced::Run> runs = Value(here->History(K("a"))).rows;
    ASSERT_EQ(runs.size(), 1u);
    std::vector<EventType> events;
    for (const RunEvent& event : runs[0].events) events.push_back(event.type);
    EXPECT_EQ(events, decided.events);
    EXPECT_EQ(Value(here->Claim(K("a"), AClaim())).outcome, decided.next_claim);
  }
}

TEST(LocalRun, OfAProcessThatIsGoneStaysThroughRestartsAndCompactions) {
  Restarted here([](RocksStoreOptions& o) { o.reap_memory_age_ms = 0; });
  (void)here.LeaveBehind("a");
  Must(here.store->Reap());
  for (int year = 0; year < 3; ++year) {
    here.clock.Advance(365 * kDayMs);
    Must(here.store->Reap());
    here.Reopen();
    EXPECT_EQ(Value(here->Claim(K("a"), AClaim())).outcome, Outcome::kUnknown);
  }
  EXPECT_EQ(Value(here.store->CountLive("default", "")).live, 1u);
}

// With --unknown-retention it goes, so long after its lease's end, and no restart brings it back.
TEST(LocalRun, OfAProcessThatIsGoneDiesByTheRetentionOfUnknownOnes) {
  Restarted here([](RocksStoreOptions& o) {
    o.unknown_retention_ms = 5 * kMinuteMs;
    o.reap_memory_age_ms = 0;
  });
  const int64_t lease_until_ms = here.clock.NowMs() + 10 * kSecondMs;
  (void)here.LeaveBehind("a");
  (void)here.LeaveBehind("b");
  here.clock.Set(lease_until_ms + 5 * kMinuteMs - 1);
  Must(here.store->Reap());
  here.Reopen();
  EXPECT_EQ(here.StateOf("a"), State::kUnknown);
  here.clock.Advance(1);
  EXPECT_FALSE(Value(here->Find(K("a"))).record.has_value());
  here.Reopen();
  EXPECT_FALSE(Value(here->Find(K("a"))).record.has_value());
  EXPECT_EQ(Value(here.store->CountLive("default", "")).live, 1u) << "b was claimed a second later";
  EXPECT_EQ(Value(here->Claim(K("a"), AClaim())).outcome, Outcome::kClaimed);
}

// The filter goes by what is stored: a flag given later is for the runs that begin from then on.
TEST(LocalRun, KeepsTheRetentionThatItWasClaimedWith) {
  Restarted here;
  (void)here.LeaveBehind("a");
  here.options.unknown_retention_ms = kSecondMs;
  here.Reopen();
  here.clock.Advance(kDayMs);
  EXPECT_EQ(here.StateOf("a"), State::kUnknown);
}

TEST(LocalRun, IsRefusedWhenItWouldBeRetriedOnLapse) {
  LedgerInAFolder here;
  ClaimCommand claim = AClaim();
  claim.local = true;
  const Result<Reply> reply = here->Claim(K("a"), claim);
  ASSERT_EQ(FaultOf(reply), Fault::kInvalidArgument);
  EXPECT_EQ(reply.status().message().find("on_lapse: "), 0u) << reply.status().message();
}

}  // namespace
}  // namespace onced
