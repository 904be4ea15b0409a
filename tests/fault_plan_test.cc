// SPDX-License-Identifier: MIT
// The plan of a torture: a minute of it has every kind of fault, whatever the seed.
#include "tests/fault_plan.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace onced {
namespace {

constexpr std::chrono::seconds kMinute{60};

TEST(FaultPlan, HasEveryKindInAMinute) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    std::set<FaultKind> kinds;
    for (const Planned& planned : PlanFaults(seed, kMinute)) kinds.insert(planned.fault);
    EXPECT_EQ(kinds.size(), kFaults) << "seed " << seed;
  }
}

TEST(FaultPlan, CutsThePowerInSyncModeOnly) {
  size_t cuts = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    std::string_view mode = "sync";
    for (const Planned& planned : PlanFaults(seed, kMinute)) {
      const bool cut = planned.fault == FaultKind::kCut;
      EXPECT_TRUE(!cut || mode == "sync") << "seed " << seed;
      cuts += cut ? 1 : 0;
      if (cut || planned.fault == FaultKind::kKill || planned.fault == FaultKind::kZombies) {
        mode = planned.mode;
      }
    }
  }
  EXPECT_GE(cuts, 300u);
}

TEST(FaultPlan, NeverSetsTheClockAsItWas) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    std::string_view offset = "+0";
    for (const Planned& planned : PlanFaults(seed, kMinute)) {
      if (planned.fault != FaultKind::kClock) continue;
      EXPECT_NE(planned.offset, offset) << "seed " << seed;
      offset = planned.offset;
    }
  }
}

TEST(FaultPlan, SetsTheClockBeyond32Bits) {
  constexpr int64_t kIn2026S = 1'767'225'600;
  constexpr int64_t kDayS = 86'400;
  int64_t latest = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    for (const Planned& planned : PlanFaults(seed, kMinute)) {
      const std::string offset = planned.offset;
      if (planned.fault != FaultKind::kClock || !offset.ends_with('d')) continue;
      latest = std::max<int64_t>(latest, kIn2026S + std::stoll(offset) * kDayS);
    }
  }
  EXPECT_GT(latest, int64_t{INT32_MAX});
}

TEST(FaultPlan, IsTheSameForTheSameSeed) {
  const auto text = [](uint64_t seed) {
    std::string all;
    for (const Planned& planned : PlanFaults(seed, kMinute)) all += Text(planned) + "\n";
    return all;
  };
  EXPECT_EQ(text(5), text(5));
  EXPECT_NE(text(5), text(6));
}

}  // namespace
}  // namespace onced
