// SPDX-License-Identifier: MIT
// What becomes of a call whose connection is lost, before the database has heard of it or after;
// and of a store whose database dies and comes back. Never two winners, and what is not known is
// either found out or told.
#include <gtest/gtest.h>

#include <future>
#include <random>
#include <thread>
#include <vector>

#include "engine/ledger.h"
#include "engine/postgres_connection.h"
#include "engine/postgres_store.h"
#include "tests/postgres_cluster.h"
#include "tests/postgres_proxy.h"

namespace onced {
namespace {

using Cut = PostgresProxy::Cut;

// A store behind a proxy, and one that sees the same database without.
struct BehindAProxy {
  explicit BehindAProxy(std::chrono::milliseconds patience = std::chrono::seconds(20))
      : proxy(PostgresCluster::Shared().port()),
        store(folder.Open([&](PostgresStoreOptions& o) {
          o.url = folder.url(proxy.port());
          o.patience = patience;
          o.listens = false;
        })),
        other_store(folder.Open()),
        ledger(store.get()),
        other(other_store.get()) {}

  PostgresFolder folder;
  PostgresProxy proxy;
  std::unique_ptr<PostgresStore> store, other_store;
  Ledger ledger, other;
};

class LostConnection : public testing::TestWithParam<Cut> {};

INSTANTIATE_TEST_SUITE_P(Each, LostConnection,
                         testing::Values(Cut::kBeforeItIsSent, Cut::kBeforeItIsAnswered),
                         [](const auto& about) {
                           return about.param == Cut::kBeforeItIsSent ? "BeforeItIsSent"
                                                                      : "BeforeItIsAnswered";
                         });

TEST_P(LostConnection, LosesNoClaim) {
  BehindAProxy here;
  here.proxy.CutNext(GetParam(), "onced_put_where_absent");
  const Reply won = Value(here.ledger.Claim(K("a"), LongClaim()));
  EXPECT_EQ(here.proxy.cuts(), 1);
  EXPECT_EQ(won.outcome, Outcome::kClaimed);
  EXPECT_EQ(won.record->attempt, 1u);
  EXPECT_EQ(Value(here.other.Claim(K("a"), LongClaim())).outcome, Outcome::kInFlight);
  EXPECT_EQ(Value(here.other.Find(K("a"))).record->fence, won.record->fence);
  EXPECT_EQ(Value(here.ledger.Complete(K("a"), {.fence = won.record->fence})).outcome,
            Outcome::kCompleted);
}

TEST_P(LostConnection, LosesNoCompletion) {
  BehindAProxy here;
  const uint64_t fence = Value(here.ledger.Claim(K("a"), LongClaim())).record->fence;
  here.proxy.CutNext(GetParam(), "onced_put_where_unchanged");
  EXPECT_EQ(Value(here.ledger.Complete(K("a"), {.fence = fence, .result = "r"})).outcome,
            Outcome::kCompleted);
  EXPECT_EQ(here.proxy.cuts(), 1);
  EXPECT_EQ(Value(here.other.Claim(K("a"), LongClaim())).record->result, "r");
  EXPECT_EQ(Value(here.other.History(K("a"))).rows.size(), 1u);
}

TEST_P(LostConnection, TellsARetakenKeyAsWonOnce) {
  BehindAProxy here;
  ClaimCommand brief = AClaim();
  brief.lease_ms = 100;
  const Record lapsed = Value(here.other.Claim(K("a"), brief)).record.value();
  const uint64_t first = lapsed.fence;
  // Also for the one that asks next, whose time is behind the database's.
  EXPECT_TRUE(Eventually([&] { return here.store->NowMs() >= lapsed.lease_until_ms; }));
  here.proxy.CutNext(GetParam(), "onced_put_where_unchanged");
  const Reply won = Value(here.ledger.Claim(K("a"), LongClaim()));
  EXPECT_EQ(won.outcome, Outcome::kClaimed);
  EXPECT_EQ(won.record->attempt, 2u) << "not once more";
  EXPECT_GT(won.record->fence, first);
  const std::vector<onced::Run> runs = Value(here.other.History(K("a"))).rows;
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[1].fence, won.record->fence);
}

TEST_P(LostConnection, RunsExecuteOnce) {
  BehindAProxy here;
  const std::vector<Key> effects = {K("balance")};
  here.proxy.CutNext(GetParam(), "onced_put_effect");
  const Reply done = Value(here.ledger.Execute(
      K("a"), {.fingerprint = "fp"}, effects, [&](Batch& batch) -> Result<std::string> {
        batch.Put(effects[0], Value(batch.Get(effects[0])).value_or("") + "+");
        return std::string("r");
      }));
  EXPECT_EQ(here.proxy.cuts(), 1);
  EXPECT_EQ(done.outcome, Outcome::kCompleted);
  EXPECT_EQ(Value(here.other.ReadEffect(effects[0])).rows.at(0), "+");
  EXPECT_EQ(Value(here.other.Find(K("a"))).record->fence, done.record->fence);
}

TEST_P(LostConnection, WritesABatchOnce) {
  BehindAProxy here;
  std::vector<Operation> operations;
  for (int i = 0; i < 20; ++i) operations.push_back({K("k" + std::to_string(i)), LongClaim()});
  here.proxy.CutNext(GetParam(), "COMMIT");
  const std::vector<Reply> replies = Value(here.ledger.DoAll(operations));
  EXPECT_EQ(here.proxy.cuts(), 1);
  for (size_t i = 0; i < replies.size(); ++i) {
    EXPECT_EQ(replies[i].outcome, Outcome::kClaimed);
    const Record found = Value(here.other.Find(operations[i].key)).record.value();
    EXPECT_EQ(found.fence, replies[i].record->fence);
    EXPECT_EQ(found.attempt, 1u);
  }
}

TEST_P(LostConnection, ForGoodIsToldAsUnknownAndTheClaimIdFindsOut) {
  BehindAProxy here(std::chrono::milliseconds(300));
  ClaimCommand claim = LongClaim();
  claim.claim_id = "id";
  here.proxy.StaysCut();
  here.proxy.CutNext(GetParam(), "onced_put_where_absent");
  EXPECT_EQ(FaultOf(here.ledger.Claim(K("a"), claim)), Fault::kIoError);
  EXPECT_EQ(Value(here.other.Find(K("a"))).record.has_value(),
            GetParam() == Cut::kBeforeItIsAnswered);
  // From here on nothing is sent, and that is known.
  EXPECT_EQ(FaultOf(here.ledger.Claim(K("b"), claim)), Fault::kUnavailable);
  EXPECT_FALSE(Value(here.other.Find(K("b"))).record.has_value());
  here.proxy.Repair();
  const Reply again = Value(here.ledger.Claim(K("a"), claim));
  EXPECT_EQ(again.outcome, Outcome::kClaimed);
  EXPECT_EQ(again.record->attempt, 1u);
  EXPECT_EQ(Value(here.other.Find(K("a"))).record->fence, again.record->fence);
}

// Who waits in another process marks the row while it is looked for.
TEST(LostConnection, LosesNoClaimThatSomebodyWaitsForMeanwhile) {
  for (const bool in_a_batch : {false, true}) {
    BehindAProxy here;
    here.proxy.StaysCut();
    here.proxy.CutNext(Cut::kBeforeItIsAnswered, in_a_batch ? "COMMIT" : "onced_put_where_absent");
    auto claimed = std::async(std::launch::async, [&]() -> Reply {
      if (!in_a_batch) return Value(here.ledger.Claim(K("a"), LongClaim()));
      const std::vector<Operation> operations = {{K("a"), LongClaim()}};
      return Value(here.ledger.DoAll(operations)).at(0);
    });
    EXPECT_TRUE(Eventually([&] { return here.proxy.cuts() == 1; }));
    const auto waiter = here.other.NewWaiter(K("a"), true, [] {});
    const Reply waiting = Value(here.other.Claim(K("a"), LongClaim(), waiter.get()));
    EXPECT_TRUE(waiting.waiting);
    here.proxy.Repair();
    const Reply won = claimed.get();
    EXPECT_EQ(won.outcome, Outcome::kClaimed);
    EXPECT_EQ(won.record->fence, waiting.record->fence);
    EXPECT_EQ(here.folder.Sql("SELECT 'x' FROM onced_records WHERE waited").size(), 1u);
  }
}

// That the fence is stale would say that nothing was done, and it was: nobody knows any more.
TEST(LostConnection, IsToldAsUnknownWhenAnotherHasWrittenSince) {
  for (const bool in_a_batch : {false, true}) {
    BehindAProxy here;
    const uint64_t fence = Value(here.ledger.Claim(K("a"), LongClaim())).record->fence;
    here.proxy.StaysCut();
    here.proxy.CutNext(Cut::kBeforeItIsAnswered,
                       in_a_batch ? "COMMIT" : "onced_put_where_unchanged");
    auto told = std::async(std::launch::async, [&] {
      if (!in_a_batch) return FaultOf(here.ledger.Release(K("a"), {.fence = fence}));
      const std::vector<Operation> operations = {{K("a"), ReleaseCommand{.fence = fence}}};
      return FaultOf(here.ledger.DoAll(operations));
    });
    EXPECT_TRUE(Eventually([&] { return here.proxy.cuts() == 1; }));
    const Reply next = Value(here.other.Claim(K("a"), LongClaim()));
    EXPECT_EQ(next.outcome, Outcome::kClaimed) << "it was released";
    here.proxy.Repair();
    EXPECT_EQ(told.get(), Fault::kIoError);
    EXPECT_EQ(Value(here.other.Find(K("a"))).record->fence, next.record->fence);
  }
}

// Somebody ends the store's sessions all the time.
TEST(TerminatedBackends, NeverMakeTwoWinners) {
  PostgresFolder folder;
  const auto a_store = folder.Open(), b_store = folder.Open();
  constexpr size_t kKeys = 200;
  std::vector<std::atomic<int>> won(kKeys), doubtful(kKeys);
  std::atomic<int> running{4}, ended{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Ledger ledger(t % 2 == 0 ? a_store.get() : b_store.get());
      for (size_t i = 0; i < kKeys; ++i) {
        const Key key = K("k" + std::to_string(i));
        const Result<Reply> reply = ledger.Claim(key, LongClaim());
        if (FaultOf(reply) == Fault::kIoError) ++doubtful[i];
        if (!reply.ok() || reply->outcome != Outcome::kClaimed) continue;
        ++won[i];
        Result<Reply> done = Status::Unavailable("not asked yet");
        while (!done.ok())
          done = ledger.Complete(key, {.fence = reply->record->fence, .result = "r"});
        EXPECT_EQ(done->outcome, Outcome::kCompleted);
      }
      --running;
    });
  }
  while (running > 0) {
    ended += static_cast<int>(
        folder
            .Sql("SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity WHERE pid <> "
                 "pg_backend_pid() AND application_name = 'onced' AND random() < 0.3")
            .size());
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(ended, 0);
  Ledger ledger(a_store.get());
  for (size_t i = 0; i < kKeys; ++i) {
    EXPECT_LE(won[i], 1) << i;
    if (doubtful[i] == 0) {
      EXPECT_EQ(won[i], 1) << i;
    }
    if (won[i] == 1) {
      EXPECT_EQ(Value(ledger.Find(K("k" + std::to_string(i)))).record->result, "r");
    }
  }
}

TEST(Database, ThatIsKilledAndComesBackIsServedAgain) {
  PostgresCluster cluster;
  PostgresFolder folder(cluster);
  const auto store =
      folder.Open([](PostgresStoreOptions& o) { o.patience = std::chrono::milliseconds(300); });
  Ledger ledger(store.get());
  const Reply won = Value(ledger.Claim(K("a"), LongClaim()));
  const uint64_t open = Value(ledger.Claim(K("b"), LongClaim())).record->fence;
  (void)Value(ledger.Complete(K("a"), {.fence = won.record->fence, .result = "r"}));
  cluster.Kill();
  EXPECT_FALSE(ledger.Claim(K("c"), LongClaim()).ok());
  EXPECT_EQ(FaultOf(ledger.Claim(K("d"), LongClaim())), Fault::kUnavailable);
  EXPECT_EQ(FaultOf(ledger.Find(K("a"))), Fault::kUnavailable);
  cluster.Start();
  EXPECT_TRUE(Eventually([&] { return ledger.Find(K("a")).ok(); }));
  EXPECT_EQ(Value(ledger.Claim(K("a"), LongClaim())).record->result, "r");
  EXPECT_EQ(Value(ledger.Claim(K("b"), LongClaim())).outcome, Outcome::kInFlight);
  EXPECT_EQ(Value(ledger.Complete(K("b"), {.fence = open})).outcome, Outcome::kCompleted);
  EXPECT_EQ(Value(ledger.Claim(K("d"), LongClaim())).outcome, Outcome::kClaimed);
}

// What it was asked may still be answered, and would be taken for the answer to what is asked next.
TEST(LostConnection, IsNotUsedAgainAfterAnAnswerThatDidNotComeInTime) {
  PostgresFolder folder;
  const Result<std::unique_ptr<PostgresConnection>> opened =
      PostgresConnection::Open(folder.url(), {.call = std::chrono::milliseconds(200)});
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  const PostgresStatement slow{"", "SELECT 1::bigint FROM pg_sleep(0.5)"};
  const PostgresCall call{&slow, {}};
  const PostgresAnswer answer = (*opened)->Run({&call, 1});
  ASSERT_FALSE(answer.ok());
  EXPECT_EQ(answer.error->kind, PostgresError::Kind::kUnknown);
  EXPECT_FALSE((*opened)->SeemsAlive());
  EXPECT_FALSE((*opened)->Settle());
}

}  // namespace
}  // namespace onced
