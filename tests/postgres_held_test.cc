// SPDX-License-Identifier: MIT
// What a call holds while it waits for a database that is slow or says nothing, and what it lets
// others have.
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

using std::chrono::milliseconds;
using std::chrono::seconds;

// Opening a connection to a database that says nothing takes as long as it may; the stripe of the
// key is free all that time, and so is whoever goes away from it.
TEST(Stripes, AreNotHeldWhileAConnectionIsOpened) {
  const PostgresFolder folder;
  PostgresProxy proxy(PostgresCluster::Shared().port());
  const auto store = folder.Open([&](PostgresStoreOptions& o) {
    o.url = folder.url(proxy.port());
    o.connect_timeout = seconds(3);
    o.sweep_pause = seconds(3'600);
    o.listens = false;
  });
  Ledger ledger(store.get());
  const std::vector<Key> effects = {K("effect")};
  const std::vector<Operation> operations = {{K("a"), LongClaim()}};
  const std::vector<std::function<std::optional<Fault>()>> calls = {
      [&] { return FaultOf(ledger.Claim(K("a"), LongClaim())); },
      [&] { return FaultOf(ledger.DoAll(operations)); },
      [&] {
        return FaultOf(ledger.Execute(K("a"), {.fingerprint = "fp"}, effects,
                                      [](Batch&) { return Result<std::string>("r"); }));
      }};
  proxy.FallSilent();
  for (size_t i = 0; i < calls.size(); ++i) {
    auto waiter = ledger.NewWaiter(K("a"), true, [] {});
    auto call = std::async(std::launch::async, calls[i]);
    EXPECT_TRUE(Eventually([&] { return proxy.ignored() > static_cast<int>(i); }));
    auto gone = std::async(std::launch::async, [&] { waiter.reset(); });
    EXPECT_EQ(gone.wait_for(seconds(1)), std::future_status::ready);
    EXPECT_NE(call.wait_for(seconds(0)), std::future_status::ready);
    EXPECT_EQ(call.get(), Fault::kUnavailable);
  }
}

// The longest that a call may wait for one of the connections, all of which others have.
TEST(Connections, AreWaitedForNoLongerThanTheyMayTakeToOpen) {
  const PostgresFolder folder;
  const auto store = folder.Open([](PostgresStoreOptions& o) {
    o.connections = 1;
    o.connect_timeout = seconds(1);
    o.sweep_pause = seconds(3'600);
    o.listens = false;
  });
  Ledger ledger(store.get());
  const Result<Reply> reply =
      ledger.Execute(K("a"), {.fingerprint = "fp"}, {}, [&](Batch&) -> Result<std::string> {
        const auto begun = std::chrono::steady_clock::now();
        EXPECT_EQ(FaultOf(ledger.Find(K("b"))), Fault::kUnavailable);
        const auto waited = std::chrono::steady_clock::now() - begun;
        EXPECT_GE(waited, seconds(1));
        EXPECT_LT(waited, seconds(3));
        return std::string("r");
      });
  EXPECT_TRUE(reply.ok()) << reply.status().message();
}

TEST(Execute, SaysThatItsFunctionTookTooLong) {
  const PostgresFolder folder;
  const auto store = folder.Open([](PostgresStoreOptions& o) { o.landing = milliseconds(10); });
  Ledger ledger(store.get());
  const std::vector<Key> effects = {K("effect")};
  const auto execute = [&](milliseconds time) {
    return ledger.Execute(
        K("a"), {.fingerprint = "fp"}, effects, [&](Batch& batch) -> Result<std::string> {
          batch.Put(effects[0], "value");
          const auto until = std::chrono::steady_clock::now() + time;
          EXPECT_TRUE(Eventually([&] { return std::chrono::steady_clock::now() >= until; }));
          return std::string("r");
        });
  };
  const Result<Reply> slow = execute(milliseconds(400));
  EXPECT_EQ(FaultOf(slow), Fault::kUnavailable);
  EXPECT_NE(slow.status().message().find("its function took longer"), std::string::npos)
      << slow.status().message();
  EXPECT_FALSE(Value(ledger.Find(K("a"))).record.has_value());
  EXPECT_TRUE(Value(ledger.ReadEffect(effects[0])).rows.empty());
}

}  // namespace
}  // namespace onced
