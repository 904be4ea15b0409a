// SPDX-License-Identifier: MIT
// Errors that a database tells at the end of a transaction. Those that say that nothing was written
// are told as such; after any other the write is looked for, and if it is not there, done again.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "engine/ledger.h"
#include "tests/postgres_cluster.h"
#include "tests/postgres_proxy.h"

namespace onced {
namespace {

// The ways in which a store ends a transaction.
enum class Way { kByItself, kWithItsRun, kInABatch, kExecuted };

class ErrorAtCommit : public testing::TestWithParam<Way> {
 protected:
  void SetUp() override {
    store_ =
        folder_.Open([](PostgresStoreOptions& o) { o.patience = std::chrono::milliseconds(300); });
    ledger_.emplace(store_.get());
    if (GetParam() == Way::kWithItsRun) {
      fence_ = Value(ledger_->Claim(K("a"), LongClaim())).record->fence;
    }
  }

  // From now on so many transactions that write a record fail when they are committed.
  void Fail(int times, const std::string& state) {
    folder_.Sql("CREATE SEQUENCE failures");
    folder_.Sql(
        "CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF nextval('failures') <= " +
        std::to_string(times) + " THEN RAISE EXCEPTION 'at its end' USING ERRCODE = '" + state +
        "'; END IF; RETURN NULL; END $$");
    folder_.Sql(
        "CREATE CONSTRAINT TRIGGER fails AFTER INSERT OR UPDATE ON onced_records "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fails()");
  }

  Result<Reply> Write() {
    switch (GetParam()) {
      case Way::kByItself:
        return ledger_->Claim(K("a"), LongClaim());
      case Way::kWithItsRun:
        return ledger_->Complete(K("a"), {.fence = fence_, .result = "r"});
      case Way::kInABatch: {
        const std::vector<Operation> operations = {{K("a"), LongClaim()}};
        Result<std::vector<Reply>> replies = ledger_->DoAll(operations);
        if (!replies.ok()) return replies.status();
        return std::move(replies->at(0));
      }
      case Way::kExecuted:
        return ledger_->Execute(K("a"), {.fingerprint = "fp"}, {},
                                [](Batch&) { return Result<std::string>("r"); });
    }
    return Status::InvalidArgument("way: no such one");
  }
  Outcome Done() const {
    const bool claims = GetParam() == Way::kByItself || GetParam() == Way::kInABatch;
    return claims ? Outcome::kClaimed : Outcome::kCompleted;
  }

  PostgresFolder folder_;
  std::unique_ptr<PostgresStore> store_;
  std::optional<Ledger> ledger_;
  uint64_t fence_ = 0;
};

std::string NameOf(const testing::TestParamInfo<Way>& about) {
  static constexpr const char* kNames[] = {"ByItself", "WithItsRun", "InABatch", "Executed"};
  return kNames[static_cast<size_t>(about.param)];
}

INSTANTIATE_TEST_SUITE_P(Each, ErrorAtCommit,
                         testing::Values(Way::kByItself, Way::kWithItsRun, Way::kInABatch,
                                         Way::kExecuted),
                         NameOf);

TEST_P(ErrorAtCommit, ThatLeavesItOpenIsLookedInto) {
  Fail(1, "XX000");
  const Result<Reply> reply = Write();
  ASSERT_TRUE(reply.ok()) << reply.status().message();
  EXPECT_EQ(reply->outcome, Done());
  EXPECT_EQ(reply->record->attempt, 1u);
  EXPECT_EQ(folder_.Sql("SELECT nextval('failures')::text").at(0), "3") << "it was done again";
}

TEST_P(ErrorAtCommit, ThatLeavesItOpenForGoodIsToldAsUnknown) {
  for (const char* state : {"XX000", "58030", "57014"}) {
    Fail(1'000'000, state);
    const Result<Reply> reply = Write();
    EXPECT_EQ(FaultOf(reply), Fault::kIoError) << state;
    EXPECT_NE(reply.status().message().find(state), std::string::npos) << reply.status().message();
    folder_.Sql("DROP FUNCTION fails CASCADE");
    folder_.Sql("DROP SEQUENCE failures");
  }
}

TEST_P(ErrorAtCommit, ThatSaysThatNothingWasWrittenIsToldSo) {
  for (const char* state : {"23514", "25006", "42501", "55000"}) {
    Fail(1'000'000, state);
    EXPECT_EQ(FaultOf(Write()), Fault::kUnavailable) << state;
    folder_.Sql("DROP FUNCTION fails CASCADE");
    folder_.Sql("DROP SEQUENCE failures");
  }
}

// What stands in the way before the end of a transaction is nothing that could be in doubt.
TEST_P(ErrorAtCommit, IsNotOneThatComesBefore) {
  // A statement that is a transaction by itself has no "before".
  const Fault told = GetParam() == Way::kByItself ? Fault::kIoError : Fault::kUnavailable;
  Fail(1'000'000, "XX000");
  folder_.Sql("ALTER TABLE onced_records DISABLE TRIGGER fails");
  folder_.Sql(
      "CREATE TRIGGER fails_at_once AFTER INSERT OR UPDATE ON onced_records "
      "FOR EACH ROW EXECUTE FUNCTION fails()");
  EXPECT_EQ(FaultOf(Write()), told);
}

TEST(ErrorOfAStatement, ThatWasDoneAllTheSameIsFound) {
  const PostgresFolder folder;
  PostgresProxy proxy(PostgresCluster::Shared().port());
  const auto store = folder.Open([&](PostgresStoreOptions& o) {
    o.url = folder.url(proxy.port());
    o.listens = false;
  });
  Ledger ledger(store.get());
  proxy.CutNext(PostgresProxy::Cut::kRefusedWhenDone, "onced_put_where_absent", "XX000");
  const Reply won = Value(ledger.Claim(K("a"), LongClaim()));
  EXPECT_EQ(proxy.cuts(), 1);
  EXPECT_EQ(won.outcome, Outcome::kClaimed);
  EXPECT_EQ(won.record->fence, Value(ledger.Find(K("a"))).record->fence);
}

}  // namespace
}  // namespace onced
