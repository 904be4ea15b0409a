// SPDX-License-Identifier: MIT
// Who waits in one process for a run that ends in another.
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <future>
#include <thread>
#include <vector>

#include "engine/postgres_lines.h"
#include "tests/postgres_proxy.h"
#include "tests/two_on_postgres.h"

namespace onced {
namespace {

// How long a waiter in one store sleeps after the run has ended in the other.
std::chrono::milliseconds WakesAfter(TwoOnOne& here, const Key& key) {
  const Reply won = Value(here.a.Claim(key, LongClaim()));
  std::chrono::steady_clock::time_point woken;
  std::thread waiter([&] {
    const Reply reply = Value(here.b.ClaimAndWait(key, LongClaim(), std::chrono::seconds(20)));
    woken = std::chrono::steady_clock::now();
    EXPECT_EQ(reply.outcome, Outcome::kReplay);
    EXPECT_EQ(reply.record->result, "r");
  });
  EXPECT_TRUE(Eventually([&] { return here.b_store->waiters() == 1; }));
  const auto ended = std::chrono::steady_clock::now();
  EXPECT_EQ(Value(here.a.Complete(key, {.fence = FenceOf(won), .result = "r"})).outcome,
            Outcome::kCompleted);
  waiter.join();
  return std::chrono::duration_cast<std::chrono::milliseconds>(woken - ended);
}

TEST(WaitersOfAnotherStore, AreNotified) {
  TwoOnOne here;
  std::chrono::milliseconds all{0};
  for (int i = 0; i < 10; ++i) all += WakesAfter(here, K("k" + std::to_string(i)));
  // Without notices it would be the half of 500 to 1,000 ms each.
  EXPECT_LT(all.count(), 2'500);
}

TEST(WaitersOfAnotherStore, AreWokenWithoutNotices) {
  TwoOnOne here(nullptr, /*listens=*/false);
  EXPECT_LT(WakesAfter(here, K("a")).count(), 10'000);
}

// A store behind a proxy whose first LISTEN is refused so.
struct RefusedListener {
  explicit RefusedListener(const std::string& state) : proxy(PostgresCluster::Shared().port()) {
    proxy.CutNext(PostgresProxy::Cut::kRefused, "LISTEN", state);
    store = folder.Open([&](PostgresStoreOptions& o) { o.url = folder.url(proxy.port()); });
    EXPECT_EQ(proxy.cuts(), 1);
    // The next one is noticed, and let through.
    proxy.CutNext(PostgresProxy::Cut::kLetThrough, "LISTEN");
  }
  PostgresFolder folder;
  PostgresProxy proxy;
  std::unique_ptr<PostgresStore> store;
};

TEST(Listener, TriesAgainAfterAnErrorThatMayPass) {
  for (const char* state : {"53200", "42501", "XX000"}) {
    const RefusedListener here(state);
    EXPECT_TRUE(Eventually([&] { return here.proxy.cuts() == 2; })) << state;
  }
}

TEST(Listener, AsksNoDatabaseThatHasNoSuchThing) {
  const RefusedListener not_supported("0A000"), no_such_word("42601");
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_TRUE(Eventually(
      [&] { return std::chrono::steady_clock::now() - begun > 2 * PostgresLines::kPollMost; }));
  EXPECT_EQ(not_supported.proxy.cuts(), 1);
  EXPECT_EQ(no_such_word.proxy.cuts(), 1);
}

// A call holds its key's stripe for its whole round trip. Whoever waits for another key hears all
// the same.
TEST(Listener, WaitsForNoStripe) {
  PostgresFolder folder;
  const auto a_store = folder.Open(), b_store = folder.Open([](PostgresStoreOptions&o) {
    o.statement_timeout = std::chrono::seconds(30);
  });
  Ledger a(a_store.get()), b(b_store.get());
  const Reply held = Value(a.Claim(K("held"), LongClaim()));
  const Reply ends = Value(a.Claim(K("ends"), LongClaim()));
  const auto waiter = b.NewWaiter(K("held"), true, [] {});
  EXPECT_TRUE(Value(b.Claim(K("held"), LongClaim(), waiter.get())).waiting);
  auto woken = std::async(std::launch::async, [&] {
    return Value(b.ClaimAndWait(K("ends"), LongClaim(), std::chrono::seconds(20))).outcome;
  });
  EXPECT_TRUE(Eventually([&] { return b_store->waiters() == 2; }));
  // Somebody has the row, and so a call in b's process the stripe.
  const auto other = Value(PostgresConnection::Open(folder.url(), {}));
  const PostgresStatement begin{"", "BEGIN"}, end{"", "ROLLBACK"};
  const PostgresStatement take{"", "SELECT FROM onced_records WHERE fence = " +
                                       std::to_string(FenceOf(held)) + " FOR UPDATE"};
  const std::vector<PostgresCall> taken = {{&begin, {}}, {&take, {}}}, given = {{&end, {}}};
  ASSERT_TRUE(other->Run(taken).ok());
  auto renewed = std::async(std::launch::async, [&] {
    return Value(b.Renew(K("held"), {.fence = FenceOf(held), .lease_ms = kHourMs})).outcome;
  });
  EXPECT_TRUE(Eventually(
      [&] { return !folder.Sql("SELECT 'x' FROM pg_locks WHERE NOT granted").empty(); }));
  folder.Sql("SELECT pg_notify('onced', '" +
             PostgresLines::Notice("0123456789abcdef", K("held"), Wake::kAll) + "')::text");
  (void)Value(a.Complete(K("ends"), {.fence = FenceOf(ends)}));
  EXPECT_EQ(woken.wait_for(std::chrono::seconds(4)), std::future_status::ready);
  EXPECT_NE(renewed.wait_for(std::chrono::seconds(0)), std::future_status::ready);
  ASSERT_TRUE(other->Run(given).ok());
  EXPECT_EQ(renewed.get(), Outcome::kRenewed);
  EXPECT_EQ(woken.get(), Outcome::kReplay);
  // And the one whose stripe was held is told after all.
  EXPECT_TRUE(Eventually([&] { return b_store->waiters() == 0; }));
}

TEST(WaitersOfAnotherStore, AreSpokenForInTheRowOnlyWhileTheyWait) {
  TwoOnOne here;
  const auto waited = [&] { return here.folder.Sql("SELECT 'x' FROM onced_records WHERE waited"); };
  const Reply won = Value(here.a.Claim(K("a"), LongClaim()));
  EXPECT_EQ(Value(here.b.Claim(K("a"), LongClaim())).outcome, Outcome::kInFlight);
  EXPECT_TRUE(waited().empty()) << "who does not wait writes nothing";
  const auto waiter = here.b.NewWaiter(K("a"), true, [] {});
  EXPECT_TRUE(Value(here.b.Claim(K("a"), LongClaim(), waiter.get())).waiting);
  EXPECT_EQ(waited().size(), 1u);
  EXPECT_EQ(Value(here.a.Renew(K("a"), {.fence = FenceOf(won), .lease_ms = 5'000})).outcome,
            Outcome::kRenewed);
  EXPECT_EQ(waited().size(), 1u) << "they still wait";
  (void)Value(here.a.Complete(K("a"), {.fence = FenceOf(won)}));
  EXPECT_TRUE(waited().empty());
}

TEST(WaitersOfAnotherStore, GetAReleasedKeyOneAfterAnother) {
  TwoOnOne here;
  const Reply won = Value(here.a.Claim(K("a"), LongClaim()));
  std::atomic<int> claims{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      Ledger& ledger = t % 2 == 0 ? here.a : here.b;
      const Reply reply = Value(ledger.ClaimAndWait(K("a"), LongClaim(), std::chrono::seconds(30)));
      ASSERT_EQ(reply.outcome, Outcome::kClaimed);
      ++claims;
      EXPECT_EQ(Value(ledger.Release(K("a"), {.fence = FenceOf(reply)})).outcome,
                Outcome::kReleased);
    });
  }
  EXPECT_TRUE(Eventually([&] { return here.a_store->waiters() + here.b_store->waiters() == 4; }));
  (void)Value(here.a.Release(K("a"), {.fence = FenceOf(won)}));
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(claims, 4);
}

}  // namespace
}  // namespace onced
