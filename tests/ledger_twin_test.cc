// SPDX-License-Identifier: MIT
// The ledger against a naive twin: the same random commands, under a clock that jumps past leases
// and retentions, over restarts and reaper rounds; after every step both must say the same.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "engine/ledger.h"
#include "tests/fixtures.h"
#include "tests/twin.h"

namespace onced {
namespace {

// Both, step by step.
class Pair {
 public:
  Pair(uint64_t seed, const RocksStoreOptions& settings)
      : random_(seed),
        here_([&](RocksStoreOptions& options) {
          options.footprint = settings.footprint;
          options.audit_retention_ms = settings.audit_retention_ms;
          options.unknown_retention_ms = settings.unknown_retention_ms;
          options.reap_memory_age_ms = settings.reap_memory_age_ms;
        }),
        twin_(settings.audit_retention_ms, settings.unknown_retention_ms) {}

  void Step() {
    const uint64_t die = Roll(1'000);
    if (die < 300) here_.clock.Advance(static_cast<int64_t>(Roll(400)));
    if (die < 20) here_.clock.Advance(static_cast<int64_t>(Roll(20'000)));
    if (die < 3) here_.clock.Advance(3 * kMinuteMs);
    if (die == 100) {
      here_.Reopen();
      if (kOneProcess) twin_.Restart(Now());
    }
    if (die >= 110 && die < 116) Must(here_.store->Reap());
    if (die >= 120 && die < 140) {
      CompareAll();
    } else if (die < 220) {
      DoMany();
    } else if (die < 300) {
      Execute();
    } else {
      DoOne();
    }
  }
  void CompareAll() {
    std::vector<std::string> listed, known;
    const ListQuery query{.tenant = "default", .scope = "default"};
    const Page<ListedRecord> page = Value(here_->List(query));
    for (const ListedRecord& row : page.rows) listed.emplace_back(row.key.key());
    for (auto& [name, unused] : twin_.keys()) {
      const Known& key = twin_.At(name, Now());
      if (key.state != Known::kAbsent) known.push_back(name);
      Compare(name, key, Value(here_->Find(K(name))).record);
      CompareHistory(name, key);
    }
    EXPECT_EQ(listed, known);
  }

 private:
  uint64_t Roll(uint64_t sides) { return random_() % sides; }
  int64_t Now() { return here_.clock.NowMs(); }
  std::string AnyName() { return "k" + std::to_string(Roll(5)); }
  std::string AnyFingerprint() { return Roll(6) == 0 ? "other" : "fp"; }
  int64_t AnyRetention() { return Roll(2) == 0 ? 1'000 : 15'000; }
  std::optional<std::string> AnyResult() {
    if (Roll(4) == 0) return std::nullopt;
    return "r" + std::to_string(Roll(3));
  }
  // Mostly the newest of the key, sometimes an older one or nobody's.
  uint64_t AnyFence(const std::string& name) {
    const std::vector<uint64_t>& given = given_[name];
    if (given.empty() || Roll(12) == 0) return 1 + Roll(1'000);
    return Roll(5) == 0 ? given[Roll(given.size())] : given.back();
  }
  ClaimCommand AClaimOfAnyKind() {
    const OnLapse on_lapse = Roll(3) == 0 ? OnLapse::kUnknown : OnLapse::kRetry;
    return {.fingerprint = AnyFingerprint(),
            .lease_ms = Roll(2) == 0 ? 100 : 2'000,
            .retention_ms = AnyRetention(),
            .on_lapse = on_lapse,
            .claim_id = Roll(2) == 0 ? "" : "id" + std::to_string(Roll(3)),
            .holder = Roll(2) == 0 ? "" : "me",
            .local = on_lapse == OnLapse::kUnknown && Roll(2) == 0};
  }
  Command AnyCommand(const std::string& name) {
    switch (Roll(12)) {
      case 0:
      case 1:
      case 2:
      case 3:
        return AClaimOfAnyKind();
      case 4:
      case 5: {
        CompleteCommand complete{.fence = AnyFence(name), .result = AnyResult()};
        if (Roll(2) == 0) complete.retention_ms = AnyRetention();
        return complete;
      }
      case 6:
        return CompleteUnclaimedCommand{
            .fingerprint = AnyFingerprint(), .result = AnyResult(), .retention_ms = AnyRetention()};
      case 7:
        return ReleaseCommand{.fence = AnyFence(name)};
      case 8:
        return RenewCommand{.fence = AnyFence(name), .lease_ms = Roll(2) == 0 ? 100 : 2'000};
      case 9:
        return MarkUnknownCommand{.fence = AnyFence(name)};
      case 10:
        return ResolveCommand{.completed = Roll(2) == 0, .result = AnyResult()};
      default:
        return ForgetCommand{.force = Roll(2) == 0};
    }
  }
  Reply Ask(const std::string& name, const Command& command) {
    const Key key = K(name);
    Ledger& ledger = *here_.ledger;
    struct Call {
      Ledger& ledger;
      const Key& key;
      Result<Reply> operator()(const ClaimCommand& c) { return ledger.Claim(key, c); }
      Result<Reply> operator()(const CompleteCommand& c) { return ledger.Complete(key, c); }
      Result<Reply> operator()(const CompleteUnclaimedCommand& c) {
        return ledger.CompleteUnclaimed(key, c);
      }
      Result<Reply> operator()(const ReleaseCommand& c) { return ledger.Release(key, c); }
      Result<Reply> operator()(const RenewCommand& c) { return ledger.Renew(key, c); }
      Result<Reply> operator()(const MarkUnknownCommand& c) { return ledger.MarkUnknown(key, c); }
      Result<Reply> operator()(const ResolveCommand& c) { return ledger.Resolve(key, c); }
      Result<Reply> operator()(const ForgetCommand& c) { return ledger.Forget(key, c); }
    };
    return Value(std::visit(Call{ledger, key}, command));
  }

  // `shows_results`: false for a batch, which shows none but those it replays.
  void Check(const std::string& name, const Command& command, const Reply& reply,
             bool shows_results = true) {
    SCOPED_TRACE(name + ", command " + std::to_string(command.index()));
    Known& key = twin_.At(name, Now());
    const uint64_t fence = reply.record.has_value() ? reply.record->fence : 0;
    const uint64_t before = key.fence;
    ASSERT_EQ(reply.outcome, twin_.Do(key, command, fence));
    if (key.fence != before && key.fence != 0) {
      EXPECT_GT(key.fence, newest_) << "fences rise over everything";
      newest_ = key.fence;
      given_[name].push_back(key.fence);
    }
    if (shows_results || reply.outcome == Outcome::kReplay || !reply.record.has_value()) {
      Compare(name, key, reply.record);
    } else {
      EXPECT_FALSE(reply.record->result.has_value());
      Record whole = *reply.record;
      whole.result = key.result;
      Compare(name, key, whole);
    }
  }
  void DoOne() {
    const std::string name = AnyName();
    const Command command = AnyCommand(name);
    Check(name, command, Ask(name, command));
  }
  void DoMany() {
    std::vector<Operation> operations;
    std::vector<std::string> names;
    for (uint64_t i = 1 + Roll(6); i > 0; --i) {
      names.push_back(AnyName());
      operations.push_back({K(names.back()), AnyCommand(names.back())});
    }
    const std::vector<Reply> replies = Value(here_->DoAll(operations));
    ASSERT_EQ(replies.size(), operations.size());
    for (size_t i = 0; i < replies.size(); ++i) {
      Check(names[i], operations[i].command, replies[i], /*shows_results=*/false);
    }
  }
  // Is a claim and a completion without a lease, and adds one to a counter or nothing at all.
  void Execute() {
    const std::string name = AnyName();
    const std::vector<Key> effects = {K(name, "effects")};
    const bool fails = Roll(4) == 0;
    const ExecuteOptions options{.fingerprint = AnyFingerprint(), .retention_ms = AnyRetention()};
    const Result<Reply> reply = here_->Execute(K(name), options, effects, [&](Batch& batch) {
      const std::string count = Value(batch.Get(effects[0])).value_or("0");
      batch.Put(effects[0], std::to_string(std::stoi(count) + 1));
      return fails ? Result<std::string>(Status::InvalidArgument("fn: fails"))
                   : Result<std::string>("executed");
    });
    Known& key = twin_.At(name, Now());
    const bool runs = key.state == Known::kAbsent ||
                      (key.state == Known::kInFlight && key.fingerprint == options.fingerprint &&
                       Now() >= key.lease_until_ms && key.retry);
    ASSERT_EQ(reply.ok(), !(runs && fails));
    if (reply.ok()) {
      const ClaimCommand claim{.fingerprint = options.fingerprint,
                               .retention_ms = options.retention_ms};
      const uint64_t fence = reply->record->fence;
      Outcome outcome = twin_.Do(key, claim, fence);
      if (runs) {
        ASSERT_EQ(outcome, Outcome::kClaimed);
        key.lease_until_ms = kNeverMs;
        outcome = twin_.Do(key, CompleteCommand{.fence = fence, .result = "executed"}, 0);
        EXPECT_GT(fence, newest_);
        newest_ = fence;
        given_[name].push_back(fence);
        ++executed_[name];
      }
      ASSERT_EQ(reply->outcome, outcome);
      Compare(name, key, reply->record);
    }
    const auto effect = Value(here_->ReadEffect(effects[0])).rows;
    EXPECT_EQ(effect.empty() ? 0 : std::stoi(effect[0]), executed_[name]);
  }

  void Compare(const std::string& name, const Known& key, const std::optional<Record>& record) {
    SCOPED_TRACE(name);
    ASSERT_EQ(record.has_value(), key.state != Known::kAbsent);
    if (!record.has_value()) return;
    EXPECT_EQ(static_cast<int>(record->state), static_cast<int>(key.state));
    EXPECT_EQ(record->fence, key.fence);
    EXPECT_EQ(record->attempt, key.attempt);
    EXPECT_EQ(record->fingerprint, key.fingerprint);
    EXPECT_EQ(record->claim_id, key.claim_id);
    EXPECT_EQ(record->holder, key.holder);
    EXPECT_EQ(record->result, key.result);
    EXPECT_EQ(record->DeadAtMs(), key.dead_at_ms);
    if (key.state != Known::kInFlight) return;
    EXPECT_EQ(record->lease_until_ms, key.lease_until_ms);
  }
  void CompareHistory(const std::string& name, const Known& key) {
    SCOPED_TRACE("history of " + name);
    const std::vector<onced::Run> told = Value(here_->History(K(name))).rows;
    std::vector<Ended> wanted;
    for (const auto& [fence, row] : key.ended) wanted.push_back(row);
    if (key.state != Known::kAbsent && !key.ended.contains(key.fence)) {
      wanted.push_back({key.fence, key.attempt, twin_.StoryOf(key), 0});
    }
    ASSERT_EQ(told.size(), wanted.size());
    for (size_t i = 0; i < told.size(); ++i) {
      EXPECT_EQ(told[i].fence, wanted[i].fence);
      EXPECT_EQ(told[i].attempt, wanted[i].attempt);
      EXPECT_EQ(told[i].events, wanted[i].events);
    }
  }

  std::mt19937_64 random_;
  LedgerInAFolder here_;
  Twin twin_;
  uint64_t newest_ = 0;
  std::map<std::string, std::vector<uint64_t>> given_;
  std::map<std::string, int> executed_;
};

void Live(uint64_t usual_seed, const RocksStoreOptions& settings) {
  const uint64_t seed = Seed(usual_seed);
  SCOPED_TRACE("ONCED_SEED=" + std::to_string(seed));
  Pair pair(seed, settings);
  for (int step = 0; step < 8'000; ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    pair.Step();
    if (testing::Test::HasFailure()) return;
  }
  pair.CompareAll();
}

RocksStoreOptions Settings(int64_t unknown_retention_ms, Footprint footprint) {
  RocksStoreOptions settings;
  settings.footprint = footprint;
  settings.audit_retention_ms = 2 * kMinuteMs;
  settings.unknown_retention_ms = unknown_retention_ms;
  settings.reap_memory_age_ms = 0;
  return settings;
}

TEST(Twin, SaysTheSame) {
  for (uint64_t seed = 1; seed <= 4; ++seed) Live(seed, Settings(0, Footprint::kServer));
}

TEST(Twin, SaysTheSameWhenUnknownRunsDie) {
  for (uint64_t seed = 11; seed <= 14; ++seed) {
    Live(seed, Settings(10 * kSecondMs, Footprint::kEdge));
  }
}

}  // namespace
}  // namespace onced
