// SPDX-License-Identifier: MIT
// How many keys a tenant has: counted page by page, and told by each reply as it changes.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/fixtures.h"

namespace onced {
namespace {

uint64_t Counted(LedgerInAFolder& here, const std::string& tenant, int* pages = nullptr) {
  uint64_t live = 0;
  std::optional<std::string> after = "";
  while (after.has_value()) {
    const LiveCount page = Value(here->CountLive(tenant, *after));
    live += page.live;
    after = page.next;
    if (pages != nullptr) ++*pages;
  }
  return live;
}

TEST(LiveCount, IsOfOneTenantInAllItsScopesAndOfTheLiving) {
  LedgerInAFolder here;
  for (const char* tenant : {"shop", "shop2", "sho", "a", "zzzzzzzz"}) {
    for (const char* scope : {"default", "s", "zzz"}) {
      for (const char* key : {"a", "b"}) {
        (void)Value(here->CompleteUnclaimed(K(key, scope, tenant), {.retention_ms = kMinuteMs}));
      }
      (void)Value(here->CompleteUnclaimed(K("c", scope, tenant), {.retention_ms = kSecondMs}));
    }
  }
  EXPECT_EQ(Counted(here, "shop"), 9u);
  here.clock.Advance(kSecondMs);
  EXPECT_EQ(Counted(here, "shop"), 6u) << "the dead are not counted, compacted or not";
  EXPECT_EQ(Counted(here, "sh"), 0u);
}

TEST(LiveCount, IsTakenTenThousandRowsAtATime) {
  LedgerInAFolder here;
  constexpr size_t kKeys = 20'000;
  std::vector<Operation> some;
  for (size_t i = 0; i < kKeys; ++i) {
    some.push_back({K("k" + std::to_string(i)), CompleteUnclaimedCommand{.retention_ms = kHourMs}});
    if (some.size() < kBatchMax) continue;
    (void)Value(here->DoAll(some));
    some.clear();
  }
  int pages = 0;
  EXPECT_EQ(Counted(here, "default", &pages), kKeys);
  EXPECT_EQ(pages, 2);
  (void)Value(here->CompleteUnclaimed(K("one-more"), {.retention_ms = kHourMs}));
  EXPECT_EQ(Counted(here, "default", &pages), kKeys + 1);
  EXPECT_EQ(pages, 5);
}

// Whatever is done, by whichever call, the changes that replies tell add up to the count.
TEST(KeysChange, AddsUpToTheCountOverRandomCommands) {
  const uint64_t seed = Seed(7);
  SCOPED_TRACE("ONCED_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  LedgerInAFolder here;
  int64_t sum = 0;
  uint64_t fence = 1;
  const auto random_command = [&]() -> Command {
    const ClaimCommand claim{.fingerprint = random() % 4 == 0 ? "other" : "fp",
                             .lease_ms = kSecondMs,
                             .retention_ms = kDayMs,
                             .on_lapse = random() % 4 == 0 ? OnLapse::kUnknown : OnLapse::kRetry,
                             .claim_id = random() % 2 == 0 ? "id" : ""};
    switch (random() % 8) {
      case 0:
      case 1:
        return claim;
      case 2:
        return CompleteCommand{.fence = fence};
      case 3:
        return CompleteUnclaimedCommand{.fingerprint = "fp", .retention_ms = kDayMs};
      case 4:
        return ReleaseCommand{.fence = fence};
      case 5:
        return MarkUnknownCommand{.fence = fence};
      case 6:
        return ResolveCommand{.completed = random() % 2 == 0};
      default:
        return ForgetCommand{.force = random() % 2 == 0};
    }
  };
  for (int i = 0; i < 3'000; ++i) {
    std::vector<Operation> some;
    for (uint64_t n = 1 + random() % 3; n > 0; --n) {
      some.push_back({K(std::string(1, static_cast<char>('a' + random() % 5))), random_command()});
    }
    for (const Reply& reply : Value(here->DoAll(some))) {
      sum += reply.keys_change;
      if (reply.record.has_value()) fence = reply.record->fence;
    }
    if (random() % 4 == 0) {
      const Key key = K(std::string(1, static_cast<char>('a' + random() % 5)));
      sum +=
          Value(here->Execute(key, {.fingerprint = "fp", .retention_ms = kDayMs}, {}, [](Batch&) {
            return Result<std::string>("r");
          })).keys_change;
    }
    if (random() % 4 == 0) here.clock.Advance(kSecondMs);  // leases lapse; nothing dies
    ASSERT_EQ(static_cast<uint64_t>(sum), Counted(here, "default")) << "after step " << i;
  }
}

}  // namespace
}  // namespace onced
