// SPDX-License-Identifier: MIT
// Fences rise: from call to call, from thread to thread, over restarts, over a wiped folder and
// over an old copy of one that was put back.
#include "engine/fences.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <thread>
#include <vector>

#include "tests/fixtures.h"

namespace onced {
namespace {

constexpr int64_t k2020Ms = 1'577'836'800'000;

Fences::Persist NeverNeeded() {
  return [](uint32_t) {
    ADD_FAILURE() << "no new epoch was due";
    return Status::Ok();
  };
}

TEST(Fences, AreEpochAndCounter) {
  Fences fences(5, NeverNeeded());
  EXPECT_EQ(Value(fences.Next()), (uint64_t{5} << 32) | 1);
  EXPECT_EQ(Value(fences.Next()), (uint64_t{5} << 32) | 2);
  EXPECT_EQ(fences.epoch(), 5u);
}

TEST(Fences, StartAboveTheStoredEpochAndTheCalendar) {
  EXPECT_EQ(Fences::NextEpoch(0, k2020Ms + 100 * kSecondMs), 100u);
  EXPECT_EQ(Fences::NextEpoch(99, k2020Ms + 100 * kSecondMs), 100u);
  EXPECT_EQ(Fences::NextEpoch(100, k2020Ms + 100 * kSecondMs), 101u);
  EXPECT_EQ(Fences::NextEpoch(5'000, k2020Ms + 100 * kSecondMs), 5'001u);
}

TEST(Fences, RiseEvenWhenTheClockStandsBeforeTheirCalendar) {
  EXPECT_EQ(Fences::NextEpoch(7, 0), 8u);
  EXPECT_GE(Fences::NextEpoch(0, 0), 1u);
  EXPECT_GE(Fences::NextEpoch(0, k2020Ms - kDayMs), 1u);
}

TEST(Fences, TakeANewPersistedEpochWhenTheCounterIsFull) {
  std::vector<uint32_t> persisted;
  Fences fences(
      5,
      [&](uint32_t epoch) {
        persisted.push_back(epoch);
        return Status::Ok();
      },
      UINT32_MAX - 2);
  uint64_t last = 0;
  for (int i = 0; i < 6; ++i) {
    const uint64_t fence = Value(fences.Next());
    EXPECT_GT(fence, last);
    EXPECT_TRUE(fence >> 32 == 5 || !persisted.empty()) << "given out before it was persisted";
    last = fence;
  }
  EXPECT_EQ(persisted, std::vector<uint32_t>{6});
  EXPECT_EQ(last >> 32, 6u);
  EXPECT_EQ(fences.epoch(), 6u);
}

TEST(Fences, AreNotGivenOutWhenTheEpochCannotBePersisted) {
  bool broken = true;
  Fences fences(
      5, [&](uint32_t) { return broken ? Status::IoError("persist") : Status::Ok(); },
      UINT32_MAX - 1);
  const uint64_t last = Value(fences.Next());
  EXPECT_EQ(FaultOf(fences.Next()), Fault::kIoError);
  EXPECT_EQ(FaultOf(fences.Next()), Fault::kIoError);
  broken = false;
  EXPECT_GT(Value(fences.Next()), last);
}

// The counter runs full in the middle of it, so that threads meet at the change of the epoch too.
TEST(Fences, RiseStrictlyInEveryThreadAndAreNeverGivenTwice) {
  constexpr int kThreads = 8;
  constexpr int kEach = 20'000;
  std::atomic<int> persisted{0};
  Fences fences(
      5,
      [&](uint32_t) {
        ++persisted;
        return Status::Ok();
      },
      UINT32_MAX - kThreads * kEach / 2);
  std::vector<std::vector<uint64_t>> given(kThreads);
  std::atomic<uint64_t> told{0};
  std::atomic<int> fell{0};
  std::vector<std::thread> threads;
  for (std::vector<uint64_t>& mine : given) {
    threads.emplace_back([&] {
      for (int i = 0; i < kEach; ++i) {
        uint64_t heard = told.load();
        mine.push_back(*fences.Next());
        if (mine.back() <= heard) ++fell;
        while (heard < mine.back() && !told.compare_exchange_weak(heard, mine.back())) {
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(persisted, 1);
  EXPECT_EQ(fell, 0) << "not more than one that had been given before";
  std::set<uint64_t> all;
  for (const std::vector<uint64_t>& mine : given) {
    EXPECT_TRUE(std::is_sorted(mine.begin(), mine.end()));
    all.insert(mine.begin(), mine.end());
  }
  EXPECT_EQ(all.size(), size_t{kThreads} * kEach) << "one was given twice";
}

uint64_t ClaimedFence(LedgerInAFolder& here, const std::string& key) {
  return Value(here->Claim(K(key), AClaim())).record->fence;
}

TEST(Fences, RiseOverRestartsWithinOneSecond) {
  for (const Durability durability : {Durability::kSync, Durability::kInterval, Durability::kOs}) {
    LedgerInAFolder here([&](RocksStoreOptions& options) { options.durability = durability; });
    uint64_t last = 0;
    for (int i = 0; i < 4; ++i) {
      const uint64_t fence = ClaimedFence(here, "key" + std::to_string(i));
      EXPECT_GT(fence, last);
      last = fence;
      here.Reopen();
    }
  }
}

TEST(Fences, RiseOverARestartWithTheClockSetBack) {
  LedgerInAFolder here;
  const uint64_t before = ClaimedFence(here, "a");
  here.clock.Advance(-400 * kDayMs);
  here.Reopen();
  EXPECT_GT(ClaimedFence(here, "b"), before);
}

TEST(Fences, RiseOverAWipedFolder) {
  LedgerInAFolder here;
  const uint64_t before = ClaimedFence(here, "a");
  here.Close();
  std::filesystem::remove_all(here.folder.path());
  here.clock.Advance(kSecondMs);
  here.Reopen();
  EXPECT_GT(ClaimedFence(here, "a"), before);
}

TEST(Fences, RiseOverAnOldCopyPutBack) {
  LedgerInAFolder here;
  ClaimedFence(here, "a");
  here.Close();
  CopyFolder(here.folder.path(), here.folder.path("backup"));
  here.clock.Advance(kMinuteMs);
  here.Reopen();
  const uint64_t before = ClaimedFence(here, "b");
  here.Close();
  std::filesystem::remove_all(here.folder.path());
  CopyFolder(here.folder.path("backup"), here.folder.path());
  here.clock.Advance(kSecondMs);
  here.Reopen();
  EXPECT_GT(ClaimedFence(here, "b"), before);
}

}  // namespace
}  // namespace onced
