// SPDX-License-Identifier: MIT
// How many keys a tenant may still begin: an estimate that commands move, and that a count puts
// right.
#include "server/access/key_quota.h"

#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>

#include "tests/fixtures.h"

namespace onced {
namespace {

constexpr uint64_t kAnyNumber = std::numeric_limits<uint64_t>::max();

// A tenant "shop" with a limit of ten, one without, and a quota that counts only when told to.
struct QuotaOfTen {
  QuotaOfTen() : quota(here.ledger.get(), {.look = std::chrono::hours(1), .between = {}}) {
    book = Value(TokenBook::Parse(
        "[[tenant]]\nname = \"shop\"\nkeys_max = 10\n[[tenant]]\nname = \"free\"\n", "t"));
    quota.Watch(*book);
  }
  void Begin(const std::string& key, const std::string& tenant = "shop") {
    const Reply reply = Value(here->Claim(K(key, "default", tenant), AClaim()));
    quota.Change(tenant, reply.keys_change);
  }
  uint64_t Room() { return quota.Room(shop); }

  LedgerInAFolder here;
  KeyQuota quota;
  std::shared_ptr<const TokenBook> book;
  const Caller shop{.tenant = "shop", .keys_max = 10};
};

// A process that was killed and started in a loop had no quota at all: the first count came a
// moment after the first claims.
TEST(KeyQuota, IsCountedBeforeTheFirstWatchReturns) {
  QuotaOfTen q;
  for (int i = 0; i < 12; ++i) q.Begin("k" + std::to_string(i));
  KeyQuota next(q.here.ledger.get(), {.look = std::chrono::hours(1), .between = {}});
  next.Watch(*q.book);
  EXPECT_EQ(next.Room(q.shop), 0u) << "it is over the limit, and known to be";
}

TEST(KeyQuota, FollowsWhatBeginsAndWhatEnds) {
  QuotaOfTen q;
  q.quota.CountWanted();
  EXPECT_EQ(q.Room(), 10u);
  for (int i = 0; i < 4; ++i) q.Begin("k" + std::to_string(i));
  EXPECT_EQ(q.Room(), 6u);
  q.Begin("k1");
  EXPECT_EQ(q.Room(), 6u) << "a duplicate begins nothing";
  const uint64_t fence = Value(q.here->Find(K("k1", "default", "shop"))).record->fence;
  q.quota.Change("shop",
                 Value(q.here->Release(K("k1", "default", "shop"), {.fence = fence})).keys_change);
  EXPECT_EQ(q.Room(), 7u);
  q.quota.Change("shop",
                 Value(q.here->Forget(K("k2", "default", "shop"), {.force = true})).keys_change);
  EXPECT_EQ(q.Room(), 8u);
}

TEST(KeyQuota, IsCountedAgainBeforeTheLimitSoThatTheDeadMakeRoom) {
  QuotaOfTen q;
  q.quota.CountWanted();
  for (int i = 0; i < 8; ++i) q.Begin("k" + std::to_string(i));
  q.here.clock.Advance(kDayMs);
  q.quota.CountWanted();
  EXPECT_EQ(q.Room(), 2u) << "nobody wanted a count yet";
  q.Begin("k8");
  EXPECT_EQ(q.Room(), 1u) << "nine tenths: now it is wanted";
  // Not at once: it rests for a multiple of what the last count took.
  EXPECT_TRUE(Eventually([&] {
    q.quota.CountWanted();
    return q.Room() == 9;
  }));
}

TEST(KeyQuota, IsOfEachTenantByItself) {
  QuotaOfTen q;
  for (int i = 0; i < 30; ++i) {
    q.Begin("k" + std::to_string(i), "free");
    q.Begin("k" + std::to_string(i), "sho");
    q.Begin("k" + std::to_string(i), "shop2");
  }
  q.Begin("k");
  q.quota.CountWanted();
  EXPECT_EQ(q.Room(), 9u);
  EXPECT_EQ(q.quota.Room({.tenant = "free"}), kAnyNumber);
}

TEST(KeyQuota, IsWhatTheTokenFileOfTheMomentSays) {
  QuotaOfTen q;
  q.Begin("k");
  q.quota.CountWanted();
  EXPECT_EQ(q.quota.Room({.tenant = "shop", .keys_max = 3}), 2u);
  EXPECT_EQ(q.quota.Room({.tenant = "shop"}), kAnyNumber);
  // Its limit goes, and comes back: what began meanwhile was not kept account of.
  q.quota.Watch(*Value(TokenBook::Parse("[[tenant]]\nname = \"shop\"\n", "t")));
  q.Begin("l");
  q.quota.Watch(*q.book);
  EXPECT_EQ(q.Room(), kAnyNumber);
  q.quota.CountWanted();
  EXPECT_EQ(q.Room(), 8u);
}

TEST(KeyQuota, SaysWhenToAskAgainWithinHalfAMinute) {
  QuotaOfTen q;
  q.quota.CountWanted();
  EXPECT_GE(q.quota.RetryAfter(q.shop).count(), 1);
  EXPECT_LE(q.quota.RetryAfter(q.shop).count(), 30);
}

TEST(KeyQuota, CountsByItself) {
  LedgerInAFolder here;
  KeyQuota quota(here.ledger.get());
  const Caller shop{.tenant = "shop", .keys_max = 10};
  quota.Watch(*Value(TokenBook::Parse("[[tenant]]\nname = \"shop\"\nkeys_max = 10\n", "t")));
  EXPECT_TRUE(Eventually([&] { return quota.Room(shop) == 10; }));
}

}  // namespace
}  // namespace onced
