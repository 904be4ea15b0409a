// SPDX-License-Identifier: MIT
// The history of a key: every run, oldest first, with what happened to it, also after the record is
// gone, and whatever happens while it is being read.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/ledger.h"
#include "tests/fixtures.h"
#include "tests/interrupted_store.h"

namespace onced {
namespace {

uint64_t ClaimedFence(LedgerInAFolder& here, const std::string& key = "a") {
  return Value(here->Claim(K(key), AClaim())).record->fence;
}

TEST(History, TellsEveryRunOldestFirstAlsoAfterTheRecordIsGone) {
  LedgerInAFolder here;
  const int64_t start_ms = here.clock.NowMs();
  const uint64_t first = ClaimedFence(here);
  here.clock.Advance(12 * kSecondMs);
  const uint64_t second = ClaimedFence(here);
  here.clock.Advance(1'000);
  std::vector<onced::Run> runs = Value(here->History(K("a"))).rows;
  ASSERT_EQ(runs.size(), 2u) << "the open run is told too";
  EXPECT_EQ(runs[1].events.size(), 1u);
  (void)Value(here->Complete(K("a"), {.fence = second, .result = "r"}));
  (void)Value(here->Forget(K("a"), {}));

  runs = Value(here->History(K("a"))).rows;
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0].fence, first);
  EXPECT_EQ(runs[0].holder, "me");
  const std::vector<RunEvent> lapsed = {{EventType::kClaimed, start_ms},
                                        {EventType::kLapsed, start_ms + 10'000},
                                        {EventType::kRetaken, start_ms + 12'000}};
  EXPECT_EQ(runs[0].events, lapsed);
  const std::vector<RunEvent> forgotten = {{EventType::kClaimed, start_ms + 12'000},
                                           {EventType::kCompleted, start_ms + 13'000},
                                           {EventType::kForgotten, start_ms + 13'000}};
  EXPECT_EQ(runs[1].attempt, 2u);
  EXPECT_EQ(runs[1].events, forgotten);
  EXPECT_TRUE(Value(here->History(K("b"))).rows.empty());
}

TEST(History, GoesWhenItsOwnRetentionEnds) {
  LedgerInAFolder here([](RocksStoreOptions& o) { o.audit_retention_ms = kHourMs; });
  (void)Value(here->Release(K("a"), {.fence = ClaimedFence(here)}));
  here.clock.Advance(kHourMs - 1);
  EXPECT_EQ(Value(here->History(K("a"))).rows.size(), 1u);
  here.clock.Advance(1);
  EXPECT_TRUE(Value(here->History(K("a"))).rows.empty());
}

// One key's encoding may be the beginning of another's.
TEST(History, IsOfOneKeyAlone) {
  LedgerInAFolder here;
  for (const char* key : {"a", "aa", "ab", "aaaaaaaaaaaaaaaaaa"}) {
    (void)Value(here->Release(K(key), {.fence = ClaimedFence(here, key)}));
  }
  EXPECT_EQ(Value(here->History(K("a"))).rows.size(), 1u);
  EXPECT_EQ(Value(here->History(K("aa"))).rows.size(), 1u);
}

// By then fences begin with higher bytes than keys do, and rows of longer keys sort before.
TEST(History, IsOfOneKeyAloneInAHundredYearsToo) {
  LedgerInAFolder here;
  here.clock.Advance(120 * 365 * kDayMs);
  here.Reopen();
  for (const char* key : {"a", "aa", "ab"}) {
    (void)Value(here->Release(K(key), {.fence = ClaimedFence(here, key)}));
  }
  EXPECT_EQ(Value(here->History(K("a"))).rows.size(), 1u);
}

// The record and the rows are two reads. A run that ends between them is in the record no more: it
// must then be in the rows.
TEST(History, LosesNoRunThatEndsWhileItIsRead) {
  for (const bool released : {true, false}) {
    LedgerInAFolder here;
    const uint64_t fence = ClaimedFence(here);
    InterruptedStore interrupted(here.store.get());
    interrupted.after_a_read = [&] {
      if (released) {
        (void)Value(here->Release(K("a"), {.fence = fence}));
      } else {
        (void)Value(here->Complete(K("a"), {.fence = fence, .result = "r"}));
      }
    };
    const std::vector<onced::Run> runs = Value(Ledger(&interrupted).History(K("a"))).rows;
    ASSERT_EQ(runs.size(), 1u);
    EXPECT_EQ(runs[0].fence, fence);
  }
}

}  // namespace
}  // namespace onced
