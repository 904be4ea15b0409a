// SPDX-License-Identifier: MIT
// The ledger's promises one by one, on a real store and under a clock that the test moves.
#include "engine/ledger.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/fixtures.h"

namespace onced {
namespace {

uint64_t FenceOf(const Reply& reply) { return reply.record->fence; }
Reply ClaimA(LedgerInAFolder& here, const ClaimCommand& claim = AClaim()) {
  return Value(here->Claim(K("a"), claim));
}
Reply CompleteA(LedgerInAFolder& here, uint64_t fence, const std::string& result = "result") {
  return Value(here->Complete(K("a"), {.fence = fence, .result = result}));
}
State StateOf(LedgerInAFolder& here, const std::string& key = "a") {
  return Value(here->Find(K(key))).record.value().state;
}
bool IsAbsent(LedgerInAFolder& here, const std::string& key = "a") {
  return !Value(here->Find(K(key))).record.has_value();
}

TEST(Claim, IsWonByTheFirstAndShownInFlightToTheNext) {
  LedgerInAFolder here;
  const Reply won = ClaimA(here);
  EXPECT_EQ(won.outcome, Outcome::kClaimed);
  EXPECT_EQ(won.record->attempt, 1u);
  EXPECT_EQ(won.record->lease_until_ms, here.clock.NowMs() + 10 * kSecondMs);
  const Reply second = ClaimA(here);
  EXPECT_EQ(second.outcome, Outcome::kInFlight);
  EXPECT_EQ(second.record->holder, "me");
  EXPECT_FALSE(second.waiting);
}

TEST(Claim, ReplaysTheStoredResultByteForByte) {
  LedgerInAFolder here;
  const std::string bytes("\0\xFF{\"a\": 1.0}\n", 13);
  CompleteA(here, FenceOf(ClaimA(here)), bytes);
  for (int i = 0; i < 3; ++i) {
    const Reply replay = ClaimA(here);
    EXPECT_EQ(replay.outcome, Outcome::kReplay);
    EXPECT_EQ(replay.record->result, bytes);
  }
}

TEST(Claim, OfAnotherFingerprintConflictsAndChangesNothing) {
  LedgerInAFolder here;
  const Reply won = ClaimA(here);
  ClaimCommand other = AClaim();
  other.fingerprint = "other";
  EXPECT_EQ(ClaimA(here, other).outcome, Outcome::kConflict);
  here.clock.Advance(11 * kSecondMs);
  EXPECT_EQ(ClaimA(here, other).outcome, Outcome::kConflict) << "lapsed";
  EXPECT_EQ(CompleteA(here, FenceOf(won)).outcome, Outcome::kCompleted);
  EXPECT_EQ(ClaimA(here, other).outcome, Outcome::kConflict) << "completed";
  EXPECT_EQ(ClaimA(here).outcome, Outcome::kReplay);
}

TEST(Claim, RetriedWithItsIdGetsTheSameFence) {
  LedgerInAFolder here;
  const Reply won = ClaimA(here, AClaim("id"));
  const Reply again = ClaimA(here, AClaim("id"));
  EXPECT_EQ(again.outcome, Outcome::kClaimed);
  EXPECT_EQ(FenceOf(again), FenceOf(won));
  EXPECT_EQ(again.record->attempt, 1u);
  EXPECT_EQ(ClaimA(here, AClaim("other-id")).outcome, Outcome::kInFlight);
  here.Reopen();
  EXPECT_EQ(FenceOf(ClaimA(here, AClaim("id"))), FenceOf(won));
  here.clock.Advance(11 * kSecondMs);
  EXPECT_EQ(FenceOf(ClaimA(here, AClaim("id"))), FenceOf(won)) << "nobody has retaken it";
}

TEST(Lapse, IsJudgedByTheClaimThatSetIt) {
  LedgerInAFolder here;
  const Reply won = ClaimA(here, AClaim("", OnLapse::kUnknown));
  here.clock.Advance(10 * kSecondMs);
  EXPECT_EQ(ClaimA(here, AClaim("", OnLapse::kRetry)).outcome, Outcome::kUnknown);
  EXPECT_EQ(StateOf(here), State::kUnknown);
  EXPECT_EQ(CompleteA(here, FenceOf(won)).outcome, Outcome::kCompleted) << "the owner knows";
}

TEST(Lapse, LetsTheNextClaimTakeOverWithANewFence) {
  LedgerInAFolder here;
  const Reply first = ClaimA(here);
  here.clock.Advance(10 * kSecondMs - 1);
  EXPECT_EQ(ClaimA(here).outcome, Outcome::kInFlight);
  here.clock.Advance(1);
  const Reply second = ClaimA(here);
  EXPECT_EQ(second.outcome, Outcome::kClaimed);
  EXPECT_EQ(second.record->attempt, 2u);
  EXPECT_GT(FenceOf(second), FenceOf(first));
  EXPECT_EQ(CompleteA(here, FenceOf(first)).outcome, Outcome::kStale);
  EXPECT_EQ(CompleteA(here, FenceOf(second)).outcome, Outcome::kCompleted);
}

TEST(Renew, HoldsTheKeyOn) {
  LedgerInAFolder here;
  const uint64_t fence = FenceOf(ClaimA(here));
  for (int i = 0; i < 20; ++i) {
    here.clock.Advance(9 * kSecondMs);
    const Reply renewed = Value(here->Renew(K("a"), {.fence = fence, .lease_ms = 10 * kSecondMs}));
    ASSERT_EQ(renewed.outcome, Outcome::kRenewed);
    ASSERT_EQ(renewed.record->lease_until_ms, here.clock.NowMs() + 10 * kSecondMs);
    ASSERT_EQ(ClaimA(here).outcome, Outcome::kInFlight);
  }
  EXPECT_EQ(Value(here->Renew(K("a"), {.fence = fence + 1, .lease_ms = 1'000})).outcome,
            Outcome::kStale);
}

TEST(Release, FreesTheKey) {
  LedgerInAFolder here;
  const uint64_t fence = FenceOf(ClaimA(here));
  EXPECT_EQ(Value(here->Release(K("a"), {.fence = fence + 1})).outcome, Outcome::kStale);
  const Reply released = Value(here->Release(K("a"), {.fence = fence}));
  EXPECT_EQ(released.outcome, Outcome::kReleased);
  EXPECT_FALSE(released.record.has_value());
  EXPECT_TRUE(IsAbsent(here));
  EXPECT_EQ(Value(here->Release(K("a"), {.fence = fence})).outcome, Outcome::kStale);
  const Reply next = ClaimA(here);
  EXPECT_EQ(next.outcome, Outcome::kClaimed);
  EXPECT_GT(FenceOf(next), fence);
}

TEST(Complete, IsSafeToRetry) {
  LedgerInAFolder here;
  const uint64_t fence = FenceOf(ClaimA(here));
  const Reply first = CompleteA(here, fence);
  here.clock.Advance(5'000);
  const Reply again = CompleteA(here, fence);
  EXPECT_EQ(again.outcome, Outcome::kCompleted);
  EXPECT_EQ(again.record->completed_at_ms, first.record->completed_at_ms);
  EXPECT_EQ(CompleteA(here, fence, "other").outcome, Outcome::kStale);
}

TEST(Retention, OfTheCompleteWinsOverTheClaims) {
  LedgerInAFolder here;
  const uint64_t fence = FenceOf(ClaimA(here));
  const Reply done = Value(here->Complete(K("a"), {.fence = fence, .retention_ms = 5'000}));
  EXPECT_EQ(done.record->DeadAtMs(), here.clock.NowMs() + 5'000);
  here.clock.Advance(4'999);
  EXPECT_EQ(ClaimA(here).outcome, Outcome::kReplay);
  here.clock.Advance(1);
  EXPECT_EQ(ClaimA(here).outcome, Outcome::kClaimed);
}

TEST(Retention, OverMakesTheRecordAbsentToEveryReaderAtOnce) {
  LedgerInAFolder here;
  CompleteA(here, FenceOf(ClaimA(here)));
  const uint64_t in_flight = FenceOf(Value(here->Claim(K("b"), AClaim())));
  here.clock.Advance(kMinuteMs - 1);
  EXPECT_FALSE(IsAbsent(here, "a"));
  here.clock.Advance(1);
  EXPECT_TRUE(IsAbsent(here, "a"));
  EXPECT_FALSE(IsAbsent(here, "b")) << "lapsed, but its retention counts from the lease's end";
  const auto rows = [&] {
    return Value(here->List({.tenant = "default", .scope = "default"})).rows.size();
  };
  EXPECT_EQ(rows(), 1u);
  here.clock.Advance(10 * kSecondMs);
  EXPECT_TRUE(IsAbsent(here, "b"));
  EXPECT_EQ(rows(), 0u);
  EXPECT_EQ(Value(here->Complete(K("b"), {.fence = in_flight})).outcome, Outcome::kStale);
  EXPECT_EQ(Value(here->Forget(K("b"), {})).outcome, Outcome::kNotFound);
  EXPECT_EQ(Value(here->Resolve(K("b"), {})).outcome, Outcome::kNotFound);
}

TEST(Retention, OfAnUnknownRunIsForEverUnlessSet) {
  LedgerInAFolder here;
  (void)Value(here->MarkUnknown(K("a"), {.fence = FenceOf(ClaimA(here))}));
  here.clock.Advance(5'000 * kDayMs);
  EXPECT_EQ(ClaimA(here).outcome, Outcome::kUnknown);

  LedgerInAFolder limited([](RocksStoreOptions& o) { o.unknown_retention_ms = kDayMs; });
  (void)Value(limited->MarkUnknown(K("a"), {.fence = FenceOf(ClaimA(limited))}));
  limited.clock.Advance(kDayMs - 1);
  EXPECT_EQ(ClaimA(limited).outcome, Outcome::kUnknown);
  limited.clock.Advance(1);
  EXPECT_EQ(ClaimA(limited).outcome, Outcome::kClaimed);
}

TEST(Resolve, DecidesAnUnknownRun) {
  LedgerInAFolder here;
  (void)Value(here->MarkUnknown(K("a"), {.fence = FenceOf(ClaimA(here))}));
  EXPECT_EQ(Value(here->Resolve(K("a"), {.completed = true, .result = "paid"})).outcome,
            Outcome::kResolved);
  EXPECT_EQ(ClaimA(here).record->result, "paid");
  EXPECT_EQ(Value(here->Resolve(K("a"), {.completed = true})).outcome, Outcome::kNotResolvable);
}

TEST(Forget, NeedsForceWhileTheLeaseIsLive) {
  LedgerInAFolder here;
  ClaimA(here);
  EXPECT_EQ(Value(here->Forget(K("a"), {})).outcome, Outcome::kInFlight);
  EXPECT_FALSE(IsAbsent(here));
  const Reply forgotten = Value(here->Forget(K("a"), {.force = true}));
  EXPECT_EQ(forgotten.outcome, Outcome::kForgotten);
  EXPECT_FALSE(forgotten.record.has_value());
  EXPECT_TRUE(IsAbsent(here));
}

TEST(CompleteUnclaimed, StoresOnceAndReplaysAfterwards) {
  LedgerInAFolder here;
  const CompleteUnclaimedCommand one_shot{
      .fingerprint = "fp", .result = "r", .retention_ms = kMinuteMs};
  EXPECT_EQ(Value(here->CompleteUnclaimed(K("a"), one_shot)).outcome, Outcome::kCompleted);
  EXPECT_EQ(Value(here->CompleteUnclaimed(K("a"), one_shot)).outcome, Outcome::kCompleted);
  EXPECT_EQ(ClaimA(here).outcome, Outcome::kReplay);
  ClaimCommand claim = AClaim();
  (void)Value(here->Claim(K("b"), claim));
  EXPECT_EQ(Value(here->CompleteUnclaimed(K("b"), one_shot)).outcome, Outcome::kInFlight);
}

TEST(Find, CountsReplaysOfThisRunAlone) {
  LedgerInAFolder here;
  EXPECT_TRUE(IsAbsent(here));
  CompleteA(here, FenceOf(ClaimA(here)));
  for (int i = 0; i < 3; ++i) ClaimA(here);
  EXPECT_EQ(Value(here->Find(K("a"))).replays, 3u);
  (void)Value(here->Forget(K("a"), {}));
  CompleteA(here, FenceOf(ClaimA(here)));
  EXPECT_EQ(Value(here->Find(K("a"))).replays, 0u);
}

std::string FieldOf(const Command& command) {
  const Status status = Ledger::Check(command);
  return status.ok() ? "" : status.message().substr(0, status.message().find(':'));
}

TEST(Limits, AreInclusiveAndNameTheFieldTheyRefuse) {
  const auto claim = [](const std::function<void(ClaimCommand&)>& change) {
    ClaimCommand command = AClaim();
    change(command);
    return FieldOf(command);
  };
  EXPECT_EQ(claim([](ClaimCommand& c) { c.lease_ms = 99; }), "lease_ms");
  EXPECT_EQ(claim([](ClaimCommand& c) { c.lease_ms = 100; }), "");
  EXPECT_EQ(claim([](ClaimCommand& c) { c.lease_ms = kHourMs; }), "");
  EXPECT_EQ(claim([](ClaimCommand& c) { c.lease_ms = kHourMs + 1; }), "lease_ms");
  EXPECT_EQ(claim([](ClaimCommand& c) { c.lease_ms = -1; }), "lease_ms");
  EXPECT_EQ(claim([](ClaimCommand& c) { c.retention_ms = 999; }), "retention_ms");
  EXPECT_EQ(claim([](ClaimCommand& c) { c.retention_ms = 1'000; }), "");
  EXPECT_EQ(claim([](ClaimCommand& c) { c.retention_ms = 30 * kDayMs; }), "");
  EXPECT_EQ(claim([](ClaimCommand& c) { c.retention_ms = 30 * kDayMs + 1; }), "retention_ms");
  EXPECT_EQ(claim([](ClaimCommand& c) { c.fingerprint.assign(128, 'f'); }), "");
  EXPECT_EQ(claim([](ClaimCommand& c) { c.fingerprint.assign(129, 'f'); }), "fingerprint");
  EXPECT_EQ(claim([](ClaimCommand& c) { c.fingerprint = "a b"; }), "fingerprint");
  EXPECT_EQ(claim([](ClaimCommand& c) { c.claim_id.assign(64, 'c'); }), "");
  EXPECT_EQ(claim([](ClaimCommand& c) { c.claim_id.assign(65, 'c'); }), "claim_id");
  EXPECT_EQ(claim([](ClaimCommand& c) { c.holder.assign(128, 'h'); }), "");
  EXPECT_EQ(claim([](ClaimCommand& c) { c.holder.assign(129, 'h'); }), "holder");
  EXPECT_EQ(claim([](ClaimCommand& c) { c.holder = "\n"; }), "holder");
  EXPECT_EQ(FieldOf(CompleteCommand{.fence = 0}), "fence");
  EXPECT_EQ(FieldOf(CompleteCommand{.fence = 1, .retention_ms = 0}), "retention_ms");
  EXPECT_EQ(FieldOf(CompleteCommand{.fence = 1, .result = std::string(kResultMax, 'r')}), "");
  EXPECT_EQ(FieldOf(CompleteCommand{.fence = 1, .result = std::string(kResultMax + 1, 'r')}),
            "result");
  EXPECT_EQ(FieldOf(CompleteUnclaimedCommand{.retention_ms = 0}), "retention_ms");
  EXPECT_EQ(FieldOf(RenewCommand{.fence = 1, .lease_ms = 0}), "lease_ms");
  EXPECT_EQ(FieldOf(ReleaseCommand{}), "fence");
  EXPECT_EQ(FieldOf(MarkUnknownCommand{}), "fence");
}

TEST(Limits, RefuseBeforeAnythingIsChanged) {
  LedgerInAFolder here;
  ClaimCommand bad = AClaim();
  bad.lease_ms = 0;
  EXPECT_EQ(FaultOf(here->Claim(K("a"), bad)), Fault::kInvalidArgument);
  EXPECT_TRUE(IsAbsent(here));
  const std::vector<Operation> operations = {{K("a"), AClaim()}, {K("b"), bad}};
  EXPECT_EQ(FaultOf(here->DoAll(operations)), Fault::kInvalidArgument);
  EXPECT_TRUE(IsAbsent(here)) << "a batch is refused whole";
}

TEST(Batch, AnswersInOrderAndLaterStepsSeeEarlierOnes) {
  LedgerInAFolder here;
  const Reply won = Value(here->Claim(K("c"), AClaim()));
  const std::vector<Operation> operations = {
      {K("a"), AClaim("one")},
      {K("a"), AClaim("two")},
      {K("c"), CompleteCommand{.fence = FenceOf(won), .result = "r"}},
      {K("c"), AClaim()},
      {K("b"), ReleaseCommand{.fence = 1}},
      {K("c"), ForgetCommand{}},
      {K("c"), AClaim()},
  };
  const std::vector<Reply> replies = Value(here->DoAll(operations));
  ASSERT_EQ(replies.size(), 7u);
  EXPECT_EQ(replies[0].outcome, Outcome::kClaimed);
  EXPECT_EQ(replies[1].outcome, Outcome::kInFlight);
  EXPECT_EQ(replies[2].outcome, Outcome::kCompleted);
  EXPECT_EQ(replies[3].outcome, Outcome::kReplay);
  EXPECT_EQ(replies[3].record->result, "r");
  EXPECT_EQ(replies[4].outcome, Outcome::kStale);
  EXPECT_EQ(replies[5].outcome, Outcome::kForgotten);
  EXPECT_EQ(replies[6].outcome, Outcome::kClaimed);
  here.Reopen();
  EXPECT_EQ(StateOf(here, "a"), State::kInFlight);
  EXPECT_EQ(Value(here->Find(K("c"))).record->fence, FenceOf(replies[6]));
}

TEST(Batch, TakesOneToAThousandOperations) {
  LedgerInAFolder here;
  EXPECT_EQ(FaultOf(here->DoAll({})), Fault::kInvalidArgument);
  std::vector<Operation> operations;
  for (int i = 0; i < 1'000; ++i) operations.push_back({K("k" + std::to_string(i)), AClaim()});
  EXPECT_EQ(Value(here->DoAll(operations)).size(), 1'000u);
  operations.push_back({K("one-more"), AClaim()});
  EXPECT_EQ(FaultOf(here->DoAll(operations)), Fault::kInvalidArgument);
}

}  // namespace
}  // namespace onced
