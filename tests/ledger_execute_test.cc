// SPDX-License-Identifier: MIT
// Execute: claim, effect and result are one write. The function runs once, what it fails to finish
// leaves no trace, and its effects are never seen without its result.
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "engine/ledger.h"
#include "tests/fixtures.h"

namespace onced {
namespace {

const ExecuteOptions kOptions{.fingerprint = "fp", .retention_ms = kMinuteMs, .holder = "me"};

std::optional<std::string> EffectOn(LedgerInAFolder& here, const Key& key) {
  const auto page = Value(here->ReadEffect(key));
  return page.rows.empty() ? std::nullopt : std::optional(page.rows[0]);
}

struct Payment {
  // Adds one to the effect, and tells how often it has run.
  ExecuteFunction Add() {
    return [this](Batch& batch) -> Result<std::string> {
      ++runs;
      const std::string balance = Value(batch.Get(effects[0])).value_or("");
      batch.Put(effects[0], balance + "+");
      return "run " + std::to_string(runs);
    };
  }
  int runs = 0;
  std::vector<Key> effects = {K("balance", "accounts")};
};

TEST(Execute, RunsOnceAndReplaysItsResult) {
  LedgerInAFolder here;
  Payment payment;
  const Reply first = Value(here->Execute(K("a"), kOptions, payment.effects, payment.Add()));
  EXPECT_EQ(first.outcome, Outcome::kCompleted);
  EXPECT_EQ(first.record->result, "run 1");
  const Reply second = Value(here->Execute(K("a"), kOptions, payment.effects, payment.Add()));
  EXPECT_EQ(second.outcome, Outcome::kReplay);
  EXPECT_EQ(second.record->result, "run 1");
  here.Reopen();
  EXPECT_EQ(Value(here->Execute(K("a"), kOptions, payment.effects, payment.Add())).outcome,
            Outcome::kReplay);
  EXPECT_EQ(EffectOn(here, payment.effects[0]), "+");
  EXPECT_EQ(payment.runs, 1);
  EXPECT_EQ(Value(here->Find(K("a"))).replays, 1u) << "the counts are of this process";
}

TEST(Execute, RunsAgainWhenTheRetentionIsOver) {
  LedgerInAFolder here;
  Payment payment;
  (void)Value(here->Execute(K("a"), kOptions, payment.effects, payment.Add()));
  here.clock.Advance(kMinuteMs);
  EXPECT_EQ(Value(here->Execute(K("a"), kOptions, payment.effects, payment.Add())).outcome,
            Outcome::kCompleted);
  EXPECT_EQ(EffectOn(here, payment.effects[0]), "++");
}

TEST(Execute, ConflictsWithAnotherFingerprint) {
  LedgerInAFolder here;
  Payment payment;
  (void)Value(here->Execute(K("a"), kOptions, payment.effects, payment.Add()));
  ExecuteOptions other = kOptions;
  other.fingerprint = "other";
  EXPECT_EQ(Value(here->Execute(K("a"), other, payment.effects, payment.Add())).outcome,
            Outcome::kConflict);
  EXPECT_EQ(payment.runs, 1);
}

TEST(Execute, LeavesNoTraceOfAnError) {
  LedgerInAFolder here;
  Payment payment;
  const auto fails = [&](Batch& batch) -> Result<std::string> {
    batch.Put(payment.effects[0], "half");
    return Status::InvalidArgument("amount: too small");
  };
  EXPECT_EQ(FaultOf(here->Execute(K("a"), kOptions, payment.effects, fails)),
            Fault::kInvalidArgument);
  EXPECT_FALSE(EffectOn(here, payment.effects[0]).has_value());
  EXPECT_FALSE(Value(here->Find(K("a"))).record.has_value());
  EXPECT_TRUE(Value(here->History(K("a"))).rows.empty());
  EXPECT_EQ(Value(here->Execute(K("a"), kOptions, payment.effects, payment.Add())).outcome,
            Outcome::kCompleted)
      << "the next may try again";
}

TEST(Execute, LeavesNoTraceOfAnException) {
  LedgerInAFolder here;
  Payment payment;
  const auto throws = [&](Batch& batch) -> Result<std::string> {
    batch.Put(payment.effects[0], "half");
    throw std::runtime_error("out of paper");
  };
  EXPECT_THROW((void)here->Execute(K("a"), kOptions, payment.effects, throws), std::runtime_error);
  EXPECT_FALSE(EffectOn(here, payment.effects[0]).has_value());
  EXPECT_FALSE(Value(here->Find(K("a"))).record.has_value());
  EXPECT_EQ(Value(here->Execute(K("a"), kOptions, payment.effects, payment.Add())).outcome,
            Outcome::kCompleted)
      << "no stripe was left held";
}

TEST(Execute, ShowsTheFunctionItsOwnWrites) {
  LedgerInAFolder here;
  const std::vector<Key> effects = {K("x"), K("y")};
  const auto function = [&](Batch& batch) -> Result<std::string> {
    EXPECT_FALSE(Value(batch.Get(effects[0])).has_value());
    batch.Put(effects[0], "one");
    EXPECT_EQ(Value(batch.Get(effects[0])), "one");
    batch.Put(effects[0], "two");
    EXPECT_EQ(Value(batch.Get(effects[0])), "two");
    batch.Delete(effects[0]);
    EXPECT_FALSE(Value(batch.Get(effects[0])).has_value());
    batch.Put(effects[1], "kept");
    return std::string();
  };
  EXPECT_EQ(Value(here->Execute(K("a"), kOptions, effects, function)).record->result, "");
  EXPECT_FALSE(EffectOn(here, effects[0]).has_value());
  EXPECT_EQ(EffectOn(here, effects[1]), "kept");
}

TEST(Execute, DeletesAnEffect) {
  LedgerInAFolder here;
  Payment payment;
  (void)Value(here->Execute(K("a"), kOptions, payment.effects, payment.Add()));
  (void)Value(here->Execute(K("b"), kOptions, payment.effects, [&](Batch& batch) {
    batch.Delete(payment.effects[0]);
    return Result<std::string>("gone");
  }));
  here.Reopen();
  EXPECT_FALSE(EffectOn(here, payment.effects[0]).has_value());
}

TEST(Execute, NeedsNoEffects) {
  LedgerInAFolder here;
  const Reply done = Value(
      here->Execute(K("a"), kOptions, {}, [](Batch&) { return Result<std::string>("computed"); }));
  EXPECT_EQ(done.record->result, "computed");
}

TEST(Execute, TakesEffectKeysOnTheKeysOwnStripeAndTwice) {
  LedgerInAFolder here;
  const std::vector<Key> effects = {K("a"), K("a"), K("b")};
  const Reply done =
      Value(here->Execute(K("a"), kOptions, effects, [&](Batch& batch) -> Result<std::string> {
        batch.Put(effects[0], "effect");
        return std::string("result");
      }));
  EXPECT_EQ(done.outcome, Outcome::kCompleted);
  EXPECT_EQ(EffectOn(here, K("a")), "effect") << "an effect is no record";
  EXPECT_EQ(Value(here->Find(K("a"))).record->result, "result");
}

TEST(Execute, TakesSixtyFourEffectKeysAtMost) {
  LedgerInAFolder here;
  std::vector<Key> effects;
  for (int i = 0; i < 64; ++i) effects.push_back(K("e" + std::to_string(i)));
  const auto nothing = [](Batch&) { return Result<std::string>(""); };
  EXPECT_TRUE(here->Execute(K("a"), kOptions, effects, nothing).ok());
  effects.push_back(K("e64"));
  EXPECT_EQ(FaultOf(here->Execute(K("b"), kOptions, effects, nothing)), Fault::kInvalidArgument);
}

TEST(Execute, DoesNotRunWhileAClaimIsInFlight) {
  LedgerInAFolder here;
  Payment payment;
  (void)Value(here->Claim(K("a"), AClaim()));
  EXPECT_EQ(Value(here->Execute(K("a"), kOptions, payment.effects, payment.Add())).outcome,
            Outcome::kInFlight);
  EXPECT_EQ(payment.runs, 0);
}

TEST(Execute, TakesALapsedClaimOverAndTellsBothRuns) {
  LedgerInAFolder here;
  Payment payment;
  const uint64_t lapsed = Value(here->Claim(K("a"), AClaim())).record->fence;
  here.clock.Advance(10 * kSecondMs);
  const Reply done = Value(here->Execute(K("a"), kOptions, payment.effects, payment.Add()));
  EXPECT_EQ(done.outcome, Outcome::kCompleted);
  EXPECT_EQ(done.record->attempt, 2u);
  EXPECT_GT(done.record->fence, lapsed);
  const std::vector<onced::Run> runs = Value(here->History(K("a"))).rows;
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0].events.back().type, EventType::kRetaken);
  EXPECT_EQ(runs[1].events.back().type, EventType::kCompleted);
  EXPECT_EQ(runs[1].events.size(), 2u) << "claimed and completed, nothing else";
}

TEST(Execute, DoesNotTakeOverWhatLapsedIntoUnknown) {
  LedgerInAFolder here;
  Payment payment;
  (void)Value(here->Claim(K("a"), AClaim("", OnLapse::kUnknown)));
  here.clock.Advance(10 * kSecondMs);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Value(here->Execute(K("a"), kOptions, payment.effects, payment.Add())).outcome,
              Outcome::kUnknown);
  }
  EXPECT_EQ(payment.runs, 0);
  EXPECT_EQ(Value(here->Find(K("a"))).record->state, State::kUnknown);
}

TEST(Execute, ChecksWhatItIsGivenAndWhatItGets) {
  LedgerInAFolder here;
  Payment payment;
  ExecuteOptions bad = kOptions;
  bad.retention_ms = 0;
  EXPECT_EQ(FaultOf(here->Execute(K("a"), bad, payment.effects, payment.Add())),
            Fault::kInvalidArgument);
  EXPECT_EQ(payment.runs, 0);
  const auto too_much = [](Batch&) {
    return Result<std::string>(std::string(kResultMax + 1, 'r'));
  };
  EXPECT_EQ(FaultOf(here->Execute(K("a"), kOptions, {}, too_much)), Fault::kInvalidArgument);
  EXPECT_FALSE(Value(here->Find(K("a"))).record.has_value());
}

TEST(Effects, AreListedByScopeAndOutliveTheirKeys) {
  LedgerInAFolder here;
  for (int i = 0; i < 5; ++i) {
    const std::vector<Key> effects = {K("p" + std::to_string(i), "payments")};
    (void)Value(here->Execute(K("k" + std::to_string(i)), kOptions, effects, [&](Batch& batch) {
      batch.Put(effects[0], std::to_string(i));
      return Result<std::string>("");
    }));
  }
  here.clock.Advance(400 * kDayMs);
  Must(here.store->Reap());
  auto page = Value(here->ListEffects({.tenant = "default", .scope = "payments", .limit = 3}));
  ASSERT_EQ(page.rows.size(), 3u);
  EXPECT_EQ(page.rows[0].key, K("p0", "payments"));
  EXPECT_EQ(page.rows[0].value, "0");
  page = Value(here->ListEffects(
      {.tenant = "default", .scope = "payments", .after = page.next, .limit = 3}));
  ASSERT_EQ(page.rows.size(), 2u);
  EXPECT_EQ(page.rows[1].value, "4");
  EXPECT_FALSE(page.next.has_value());
}

}  // namespace
}  // namespace onced
