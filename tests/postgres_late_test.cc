// SPDX-License-Identifier: MIT
// A write that lands late: behind another's lock, behind an insert that was undone, or unseen and
// found again only later. Nobody is told of a lease that is over, or nearly.
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <string>
#include <vector>

#include "engine/ledger.h"
#include "tests/postgres_cluster.h"
#include "tests/postgres_proxy.h"

namespace onced {
namespace {

constexpr int64_t kLeaseMs = 800;

std::string Hex(const Key& key) {
  std::string hex;
  for (const char c : key.encoded()) {
    for (const int nibble : {static_cast<uint8_t>(c) >> 4, c & 15}) {
      hex += "0123456789abcdef"[nibble];
    }
  }
  return "'\\x" + hex + "'::bytea";
}

ClaimCommand ABriefClaim() {
  ClaimCommand claim = AClaim();
  claim.lease_ms = kLeaseMs;
  return claim;
}

// The landing that is allowed is longer than the leases: it is the leases that say what is late.
struct Late {
  Late() : store(folder.Open([](PostgresStoreOptions& o) { Adjust(&o); })), ledger(store.get()) {}
  static void Adjust(PostgresStoreOptions* o) {
    o->landing = std::chrono::seconds(5);
    o->patience = std::chrono::seconds(20);
  }
  int64_t DatabaseMs() const {
    return std::stoll(
        folder.Sql("SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint::text")
            .at(0));
  }
  // Until the database's clock has gone on by so much.
  bool Passes(int64_t time_ms) const {
    const int64_t until_ms = DatabaseMs() + time_ms;
    return Eventually([&] { return DatabaseMs() >= until_ms; });
  }
  bool SomebodyWaitsForALock() const {
    return Eventually([&] {
      return !folder.Sql("SELECT 'x' FROM pg_locks WHERE NOT granted AND locktype <> 'relation'")
                  .empty();
    });
  }

  PostgresFolder folder;
  std::unique_ptr<PostgresStore> store;
  Ledger ledger;
};

// Somebody else's transaction, which changes nothing in the end.
class Other {
 public:
  Other(const PostgresFolder& folder, const std::string& sql)
      : connection_(Value(PostgresConnection::Open(folder.url(), {}))) {
    Do("BEGIN");
    Do(sql);
  }
  void Undo() { Do("ROLLBACK"); }

 private:
  void Do(const std::string& sql) {
    const PostgresStatement statement{"", sql};
    const PostgresCall call{&statement, {}};
    const PostgresAnswer answer = connection_->Run({&call, 1});
    ASSERT_TRUE(answer.ok()) << answer.error->message;
  }
  const std::unique_ptr<PostgresConnection> connection_;
};

TEST(ALateWrite, OfARenewalBehindALockIsDatedAnew) {
  Late here;
  const uint64_t fence = Value(here.ledger.Claim(K("a"), LongClaim())).record->fence;
  Other other(here.folder, "SELECT FROM onced_records FOR UPDATE");
  auto renewed = std::async(std::launch::async, [&] {
    return Value(here.ledger.Renew(K("a"), {.fence = fence, .lease_ms = kLeaseMs}));
  });
  EXPECT_TRUE(here.SomebodyWaitsForALock());
  EXPECT_TRUE(here.Passes(kLeaseMs));
  other.Undo();
  const Reply reply = renewed.get();
  EXPECT_EQ(reply.outcome, Outcome::kRenewed);
  EXPECT_GT(reply.record->lease_until_ms, here.DatabaseMs());
  EXPECT_EQ(Value(here.ledger.Find(K("a"))).record->lease_until_ms, reply.record->lease_until_ms);
}

TEST(ALateWrite, OfATakenOverKeyBehindALockIsDatedAnew) {
  Late here;
  const uint64_t lapsed = Value(here.ledger.Claim(K("a"), ABriefClaim())).record->fence;
  EXPECT_TRUE(here.Passes(kLeaseMs));
  Other other(here.folder, "SELECT FROM onced_records FOR UPDATE");
  auto claimed = std::async(std::launch::async,
                            [&] { return Value(here.ledger.Claim(K("a"), ABriefClaim())); });
  EXPECT_TRUE(here.SomebodyWaitsForALock());
  EXPECT_TRUE(here.Passes(kLeaseMs));
  other.Undo();
  const Reply reply = claimed.get();
  EXPECT_EQ(reply.outcome, Outcome::kClaimed);
  EXPECT_EQ(reply.record->attempt, 2u) << "nothing was written before";
  EXPECT_GT(reply.record->fence, lapsed);
  EXPECT_GT(reply.record->lease_until_ms, here.DatabaseMs());
}

// What the database inserts after it has waited for another's insert of the same key it inserts
// without a look at the clock: the store must see to it by itself.
TEST(ALateWrite, OfAClaimBehindAnUndoneInsertHasItsWholeLease) {
  Late here;
  Other other(here.folder,
              "INSERT INTO onced_records VALUES (" + Hex(K("a")) + ", 1, 1, 0, false)");
  auto claimed = std::async(std::launch::async,
                            [&] { return Value(here.ledger.Claim(K("a"), ABriefClaim())); });
  EXPECT_TRUE(here.SomebodyWaitsForALock());
  EXPECT_TRUE(here.Passes(kLeaseMs));
  other.Undo();
  const Reply reply = claimed.get();
  EXPECT_EQ(reply.outcome, Outcome::kClaimed);
  EXPECT_EQ(reply.record->attempt, 1u);
  EXPECT_GT(reply.record->lease_until_ms, here.DatabaseMs());
  const Record found = Value(here.ledger.Find(K("a"))).record.value();
  EXPECT_EQ(found.fence, reply.record->fence);
  EXPECT_EQ(found.lease_until_ms, reply.record->lease_until_ms);
}

TEST(ALateWrite, OfABatchIsNotToldAsClaimed) {
  Late here;
  Other other(here.folder,
              "INSERT INTO onced_records VALUES (" + Hex(K("b")) + ", 1, 1, 0, false)");
  auto told = std::async(std::launch::async, [&] {
    const std::vector<Operation> operations = {{K("a"), ABriefClaim()}, {K("b"), ABriefClaim()}};
    return FaultOf(here.ledger.DoAll(operations));
  });
  EXPECT_TRUE(here.SomebodyWaitsForALock());
  EXPECT_TRUE(here.Passes(kLeaseMs));
  other.Undo();
  EXPECT_EQ(told.get(), Fault::kIoError);
}

TEST(ALateWrite, ThatWasLostAndIsFoundLateHasItsWholeLease) {
  Late here;
  PostgresProxy proxy(PostgresCluster::Shared().port());
  const auto store = here.folder.Open([&](PostgresStoreOptions& o) {
    Late::Adjust(&o);
    o.url = here.folder.url(proxy.port());
    o.listens = false;
  });
  proxy.StaysCut();
  proxy.CutNext(PostgresProxy::Cut::kBeforeItIsAnswered, "onced_put_where_absent");
  auto claimed = std::async(std::launch::async, [&] {
    Ledger ledger(store.get());
    return Value(ledger.Claim(K("a"), ABriefClaim()));
  });
  EXPECT_TRUE(Eventually([&] { return proxy.cuts() == 1; }));
  const Record landed = Value(here.ledger.Find(K("a"))).record.value();
  EXPECT_TRUE(here.Passes(kLeaseMs * 3 / 4));
  proxy.Repair();
  const Reply reply = claimed.get();
  EXPECT_EQ(reply.outcome, Outcome::kClaimed);
  EXPECT_EQ(reply.record->attempt, 1u);
  EXPECT_EQ(reply.record->fence, landed.fence);
  EXPECT_GT(reply.record->lease_until_ms, landed.lease_until_ms + kLeaseMs / 2);
  EXPECT_EQ(Value(here.ledger.Find(K("a"))).record->lease_until_ms, reply.record->lease_until_ms);
}

}  // namespace
}  // namespace onced
