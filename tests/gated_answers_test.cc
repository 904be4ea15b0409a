// SPDX-License-Identifier: MIT
// The promise of mode sync on a real store whose file system holds its fsyncs back: no answer,
// neither of a write nor of a read, leaves before what it tells is on the disk; and when the disk
// fails, none leaves at all.
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "tests/fixtures.h"
#include "tests/held_disk.h"

namespace onced {
namespace {

using std::chrono::milliseconds;

struct SyncedLedger {
  SyncedLedger() : env(EnvOn(&disk)) {
    options = QuickOptions(folder.path(), &clock);
    options.durability = Durability::kSync;
    options.env = env.get();
    options.on_log_failure = [this](const Status& why) {
      reason = why.message();
      ++failures;
    };
    store = OpenStore(options);
    ledger = std::make_unique<Ledger>(store.get());
    hasty = std::make_unique<Ledger>(store.get(), LedgerOptions{.wait_at_gate = false});
  }
  ~SyncedLedger() { disk.LetGo(); }

  TempFolder folder;
  ManualClock clock;
  HeldDisk disk;
  std::unique_ptr<rocksdb::Env> env;
  RocksStoreOptions options;
  std::atomic<int> failures{0};
  std::string reason;
  std::unique_ptr<RocksStore> store;
  std::unique_ptr<Ledger> ledger;  // waits at the gate
  std::unique_ptr<Ledger> hasty;   // tells the sequence to wait for
};

// Whether `ask` comes back while the disk holds its syncs, and whether it does afterwards.
void HoldsBack(SyncedLedger& here, const std::function<void()>& ask) {
  auto asking = std::async(std::launch::async, ask);
  EXPECT_TRUE(here.disk.AwaitSync()) << "nobody asked for a sync";
  // real time: an answer that does not wait at the gate would be back by now
  EXPECT_EQ(asking.wait_for(milliseconds(30)), std::future_status::timeout)
      << "an answer left before it was durable";
  here.disk.LetGo();
  asking.get();
}

TEST(GatedAnswer, OfAClaimWaitsForTheDisk) {
  SyncedLedger here;
  here.disk.Hold();
  HoldsBack(here, [&] {
    EXPECT_EQ(Value(here.ledger->Claim(K("a"), AClaim())).outcome, Outcome::kClaimed);
  });
}

// Completed, but the disk does not have it yet. Whoever is shown it must wait for it too.
struct UnsyncedResult : SyncedLedger {
  UnsyncedResult() {
    const Reply claimed = Value(ledger->Claim(K("a"), AClaim()));
    disk.Hold();
    sequence =
        Value(hasty->Complete(K("a"), {.fence = claimed.record->fence, .result = "r"})).sequence;
    EXPECT_LT(store->Health().durable_sequence, sequence);
  }
  uint64_t sequence = 0;
};

TEST(GatedAnswer, OfAReplayWaitsForWhatItShows) {
  UnsyncedResult here;
  EXPECT_GE(Value(here.hasty->Claim(K("a"), AClaim())).sequence, here.sequence);
  HoldsBack(here, [&] {
    EXPECT_EQ(Value(here.ledger->Claim(K("a"), AClaim())).outcome, Outcome::kReplay);
  });
}

TEST(GatedAnswer, OfAFindWaitsForWhatItShows) {
  UnsyncedResult here;
  EXPECT_GE(Value(here.hasty->Find(K("a"))).sequence, here.sequence);
  HoldsBack(here,
            [&] { EXPECT_EQ(Value(here.ledger->Find(K("a"))).record->state, State::kCompleted); });
}

TEST(GatedAnswer, OfAConflictAndAStaleFenceWaitsForWhatItWasJudgedBy) {
  UnsyncedResult here;
  ClaimCommand other = AClaim();
  other.fingerprint = "other";
  EXPECT_GE(Value(here.hasty->Claim(K("a"), other)).sequence, here.sequence);
  EXPECT_GE(Value(here.hasty->Release(K("a"), {.fence = 1})).sequence, here.sequence);
  HoldsBack(here, [&] {
    EXPECT_EQ(Value(here.ledger->Release(K("a"), {.fence = 1})).outcome, Outcome::kStale);
  });
}

TEST(GatedAnswer, OfAListAndAHistoryWaitsForWhatItShows) {
  UnsyncedResult here;
  EXPECT_GE(Value(here.hasty->List({.tenant = "default", .scope = "default"})).sequence,
            here.sequence);
  EXPECT_GE(Value(here.hasty->History(K("a"))).sequence, here.sequence);
  HoldsBack(here, [&] { EXPECT_EQ(Value(here.ledger->History(K("a"))).rows.size(), 1u); });
}

TEST(GatedAnswer, OfABatchWaitsForTheDisk) {
  SyncedLedger here;
  here.disk.Hold();
  const std::vector<Operation> operations = {{K("a"), AClaim()}, {K("b"), AClaim()}};
  HoldsBack(here, [&] { EXPECT_EQ(Value(here.ledger->DoAll(operations)).size(), 2u); });
}

TEST(GatedAnswer, OfAnExecutionAndItsEffectWaitsForTheDisk) {
  SyncedLedger here;
  const std::vector<Key> effects = {K("effect")};
  here.disk.Hold();
  const uint64_t sequence =
      Value(here.hasty->Execute(K("a"), {}, effects, [&](Batch& batch) -> Result<std::string> {
        batch.Put(effects[0], "done");
        return std::string("r");
      })).sequence;
  EXPECT_GT(sequence, here.store->Health().durable_sequence);
  EXPECT_GE(Value(here.hasty->ReadEffect(effects[0])).sequence, sequence);
  EXPECT_GE(Value(here.hasty->ListEffects({.tenant = "default", .scope = "default"})).sequence,
            sequence);
  HoldsBack(here, [&] { EXPECT_EQ(Value(here.ledger->ReadEffect(effects[0])).rows.size(), 1u); });
}

TEST(GatedAnswer, OfARegisteredDoorPassesOnlyWhenDurable) {
  SyncedLedger here;
  here.disk.Hold();
  const Reply claimed = Value(here.hasty->Claim(K("a"), AClaim()));
  std::promise<void> passed;
  std::future<void> answer = passed.get_future();
  here.hasty->WhenDurable(claimed.sequence, [&] { passed.set_value(); });
  ASSERT_TRUE(here.disk.AwaitSync());
  EXPECT_EQ(answer.wait_for(milliseconds(0)), std::future_status::timeout);
  EXPECT_EQ(here.store->Health().answers_held, 1u);
  here.disk.LetGo();
  ASSERT_EQ(answer.wait_for(std::chrono::seconds(10)), std::future_status::ready);
  EXPECT_GE(here.store->Health().durable_sequence, claimed.sequence);
}

// Other keys' fresh writes are nothing to an answer that shows an old record.
TEST(GatedAnswer, OfAnOldReplayDoesNotWaitForOthers) {
  SyncedLedger here;
  const Reply claimed = Value(here.ledger->Claim(K("a"), AClaim()));
  (void)Value(here.ledger->Complete(K("a"), {.fence = claimed.record->fence}));
  here.disk.Hold();
  (void)Value(here.hasty->Claim(K("b"), AClaim()));
  EXPECT_EQ(Value(here.ledger->Claim(K("a"), AClaim())).outcome, Outcome::kReplay);
}

TEST(GatedAnswer, NeverLeavesAfterAFailedSync) {
  SyncedLedger here;
  here.disk.Hold();
  std::atomic<int> passed{0};
  const Reply claimed = Value(here.hasty->Claim(K("a"), AClaim()));
  here.hasty->WhenDurable(claimed.sequence, [&] { ++passed; });
  auto blocked =
      std::async(std::launch::async, [&] { return FaultOf(here.ledger->Claim(K("b"), AClaim())); });
  ASSERT_TRUE(here.disk.AwaitSync());
  here.disk.breaks_syncs = true;
  here.disk.LetGo();
  EXPECT_EQ(blocked.get(), Fault::kIoError);
  EXPECT_TRUE(Eventually([&] { return here.failures == 1; }));
  EXPECT_FALSE(here.ledger->Find(K("a")).ok()) << "shown, though nobody knows if it is on disk";
  here.store.reset();
  EXPECT_EQ(passed, 0);
  EXPECT_EQ(here.failures, 1);
  EXPECT_NE(here.reason.find("IO error"), std::string::npos) << here.reason;
}

TEST(GatedAnswer, NeverLeavesAfterAFailedWrite) {
  SyncedLedger here;
  (void)Value(here.ledger->Claim(K("a"), AClaim()));
  here.disk.breaks_appends = true;
  EXPECT_EQ(FaultOf(here.ledger->Claim(K("b"), AClaim())), Fault::kIoError);
  EXPECT_TRUE(Eventually([&] { return here.failures == 1; }));
  here.disk.breaks_appends = false;
  EXPECT_FALSE(here.ledger->Claim(K("c"), AClaim()).ok()) << "the log has a hole";
  here.store.reset();
  EXPECT_EQ(here.failures, 1);
}

}  // namespace
}  // namespace onced
