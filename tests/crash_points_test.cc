// SPDX-License-Identifier: MIT
// Every point at which the power can go, and every call that can fail, of one piece of work that is
// always the same: the first start, the work, the close, and the same again on what is left.
//
// ONCED_POINTS=<n>: in how many ways of losing each point is tried (7: all).
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/mortal_store.h"
#include "tests/proof.h"

namespace onced {
namespace {

constexpr uint64_t kWork = 5;  // its seed

constexpr uint64_t kNever = 1'000'000;

// One caller after the other, so that lives are as good as the same: what differs is how often the
// mark is written beside the work, where the machine is slow.
MortalStore::Cut Live(MortalStore* store, uint64_t cut_at, Loss loss) {
  return store->Live(Durability::kSync, cut_at, loss, MortalStore::Pace::kInTurn);
}

// Of the life that is to be cut, on what the one before it has left, if it is not the first.
std::unique_ptr<MortalStore> Before(bool first, std::vector<std::string>* wrongs) {
  auto store = std::make_unique<MortalStore>(kWork);
  if (first) return store;
  Live(store.get(), kNever, Loss::kAll);
  *wrongs = store->Look();
  return store;
}

uint64_t CallsOfALife(bool first) {
  std::vector<std::string> wrongs;
  const std::unique_ptr<MortalStore> store = Before(first, &wrongs);
  Live(store.get(), kNever, Loss::kAll);
  const uint64_t calls = store->calls();
  EXPECT_EQ(store->Look(), std::vector<std::string>());
  return calls;
}

// `first`: the life that is cut is the folder's first.
void CutEverywhere(bool first, Proof* proof) {
  const uint64_t calls = CallsOfALife(first);
  proof->remark = std::to_string(calls) + " calls";
  for (uint64_t point = 1; point <= calls && proof->failures < 5; ++point) {
    for (uint64_t way = 0; way < proof->rounds(); ++way) {
      const auto loss = static_cast<Loss>((point + way * 3) % kLosses);
      std::vector<std::string> wrongs;
      const std::unique_ptr<MortalStore> store = Before(first, &wrongs);
      const MortalStore::Cut cut = Live(store.get(), point, loss);
      const std::vector<std::string> more = store->Look();
      wrongs.insert(wrongs.end(), more.begin(), more.end());
      ++proof->count;
      if (cut != MortalStore::Cut::kAfterwards) ++proof->faults;
      if (wrongs.empty()) continue;
      ++proof->failures;
      ADD_FAILURE() << "point " << point << ", " << NameOf(loss) << ": "
                    << testing::PrintToString(wrongs);
    }
  }
  EXPECT_GE(proof->faults * 100, proof->count * 90) << "lives have ended before they were cut";
}

// A first start that was cut short once left a folder that no later start would open: its mark was
// written last.
TEST(CrashPoints, LoseNothingWhereverTheFirstLifeEnds) {
  Proof proof("crash points, first life", "ONCED_POINTS", 2);
  CutEverywhere(true, &proof);
}

TEST(CrashPoints, LoseNothingWhereverALaterLifeEnds) {
  Proof proof("crash points, later life", "ONCED_POINTS", 1);
  CutEverywhere(false, &proof);
}

// The mark was lost, and the operator said to go on without: what is there must not be taken for
// what a first start has left, wherever this one ends: at any call until it has opened.
TEST(CrashPoints, LoseNothingWhereAStartWithoutAMarkEnds) {
  Proof proof("crash points, without a mark", "ONCED_POINTS", 1);
  auto cut = MortalStore::Cut::kInStart;
  for (uint64_t point = 1; cut == MortalStore::Cut::kInStart && proof.failures < 5; ++point) {
    std::vector<std::string> wrongs;
    const std::unique_ptr<MortalStore> store = Before(false, &wrongs);
    store->LoseTheMark();
    cut = Live(store.get(), point, static_cast<Loss>(point % kLosses));
    for (const std::string& wrong : store->Look()) wrongs.push_back(wrong);
    ++proof.count;
    if (cut != MortalStore::Cut::kAfterwards) ++proof.faults;
    if (wrongs.empty()) continue;
    ++proof.failures;
    ADD_FAILURE() << "point " << point << ": " << testing::PrintToString(wrongs);
  }
}

// What fails is answered as failed, or not at all; what was answered is there, when the disk is
// whole again.
class FailingCall : public testing::TestWithParam<Trouble> {};

// One that has failed, of those of a life, its opening with it or not: the calls that can are
// counted first. The number of the call; 0: in this life and the next ones there was none.
uint64_t Fail(MortalStore* store, Trouble trouble, std::mt19937_64& random,
              std::vector<std::string>* wrongs) {
  const auto durability = static_cast<Durability>(random() % 3);
  const bool sticky = random() % 2 == 0;
  const auto from = random() % 2 == 0 ? MortalStore::From::kOpening : MortalStore::From::kOpen;
  const auto end = random() % 2 == 0 ? MortalStore::End::kCut : MortalStore::End::kClosed;
  store->LiveWithTrouble(durability, trouble, kNever, sticky, from, end);
  const uint64_t chances = store->chances();
  *wrongs = store->Look();
  // A life with fewer such calls gets an earlier one in the next.
  for (uint64_t call = 1 + random() % std::max<uint64_t>(chances, 1); call > 0; call /= 2) {
    if (!wrongs->empty()) break;
    const bool failed = store->LiveWithTrouble(durability, trouble, call, sticky, from, end);
    *wrongs = store->Look();
    if (failed) return call;
  }
  return 0;
}

// RocksDB passes over the failed sync of a folder while it writes its options; what was to become
// durable with it, the new log among it, need not be there after a power cut.
TEST(FailingStart, IsRefusedWhicheverSyncOfAFolderFails) {
  bool failed = true;
  uint64_t call = 1;
  for (; failed; ++call) {
    ASSERT_LT(call, 100u);
    const TempFolder folder;
    CrashDisk disk(folder.path());
    RocksStoreOptions options;
    options.path = folder.path();
    options.env = disk.env();
    disk.Break(Trouble::kEntrySync, call, false);
    const Result<std::unique_ptr<RocksStore>> store = RocksStore::Open(options);
    failed = disk.troubles() > 0;
    EXPECT_EQ(store.ok(), !failed) << "sync of a folder " << call;
    if (failed && !store.ok()) {
      EXPECT_EQ(store.status().fault(), Fault::kIoError) << store.status().message();
    }
  }
  EXPECT_GT(call, 5u) << "syncs of folders in a start";
}

TEST_P(FailingCall, IsNeverAnsweredAsDone) {
  Proof proof(std::string("failing calls, ") + NameOf(GetParam()), "ONCED_TROUBLES", 40);
  std::mt19937_64 random(proof.seed() + static_cast<uint64_t>(GetParam()));
  // RocksDB looks for room every five seconds.
  const bool full = GetParam() == Trouble::kNoSpace;
  const uint64_t rounds = full ? std::max<uint64_t>(proof.rounds() / 20, 1) : proof.rounds();
  // Not every life has such a call: with the mode `os` a log is synced when it is closed.
  for (uint64_t tries = 0; proof.count < rounds && tries < 8 * rounds && proof.failures < 5;
       ++tries) {
    MortalStore store(random());
    std::vector<std::string> wrongs;
    const uint64_t call = Fail(&store, GetParam(), random, &wrongs);
    if (call > 0) proof.faults = ++proof.count;
    if (wrongs.empty()) continue;
    ++proof.failures;
    ADD_FAILURE() << "call " << call << ": " << testing::PrintToString(wrongs);
  }
  EXPECT_TRUE(proof.failures > 0 || proof.count == rounds) << "hardly a call has failed";
}

INSTANTIATE_TEST_SUITE_P(InEveryWay, FailingCall,
                         testing::Values(Trouble::kWrite, Trouble::kShort, Trouble::kNoSpace,
                                         Trouble::kSync, Trouble::kEntrySync, Trouble::kRead),
                         [](const auto& way) {
                           std::string name = NameOf(way.param);
                           std::replace(name.begin(), name.end(), ' ', '_');
                           return name;
                         });

}  // namespace
}  // namespace onced
