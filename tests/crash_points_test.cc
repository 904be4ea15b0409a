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

uint64_t CallsOfALife(bool first) {
  MortalStore store(kWork);
  if (!first) {
    store.Live(Durability::kSync, 1'000'000, Loss::kAll);
    EXPECT_EQ(store.Look(), std::vector<std::string>());
  }
  store.Live(Durability::kSync, 1'000'000, Loss::kAll);
  EXPECT_EQ(store.Look(), std::vector<std::string>());
  return store.calls();
}

// `first`: the life that is cut is the folder's first.
void CutEverywhere(bool first, Proof* proof) {
  const uint64_t calls = CallsOfALife(first);
  proof->remark += (proof->remark.empty() ? "" : ", ") + std::to_string(calls) + " calls";
  for (uint64_t point = 1; point <= calls && proof->failures < 5; ++point) {
    for (uint64_t way = 0; way < proof->rounds(); ++way) {
      const auto loss = static_cast<Loss>((point + way * 3) % kLosses);
      MortalStore store(kWork);
      std::vector<std::string> wrongs;
      if (!first) {
        store.Live(Durability::kSync, 1'000'000, Loss::kAll);
        wrongs = store.Look();
      }
      const MortalStore::Cut cut = store.Live(Durability::kSync, point, loss);
      const std::vector<std::string> more = store.Look();
      wrongs.insert(wrongs.end(), more.begin(), more.end());
      ++proof->count;
      if (cut != MortalStore::Cut::kAfterwards) ++proof->faults;
      if (wrongs.empty()) continue;
      ++proof->failures;
      ADD_FAILURE() << "point " << point << ", " << NameOf(loss) << ": "
                    << testing::PrintToString(wrongs);
    }
  }
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
    MortalStore store(kWork);
    store.Live(Durability::kSync, 1'000'000, Loss::kAll);
    std::vector<std::string> wrongs = store.Look();
    store.LoseTheMark();
    cut = store.Live(Durability::kSync, point, static_cast<Loss>(point % kLosses));
    for (const std::string& wrong : store.Look()) wrongs.push_back(wrong);
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

TEST_P(FailingCall, IsNeverAnsweredAsDone) {
  Proof proof(std::string("failing calls, ") + NameOf(GetParam()), "ONCED_TROUBLES", 40);
  std::mt19937_64 random(proof.seed() + static_cast<uint64_t>(GetParam()));
  // RocksDB looks for room every five seconds.
  const bool full = GetParam() == Trouble::kNoSpace;
  const uint64_t rounds = full ? std::max<uint64_t>(proof.rounds() / 20, 1) : proof.rounds();
  for (; proof.count < rounds && proof.failures < 5; ++proof.count) {
    MortalStore store(random());
    store.Live(Durability::kSync, 1'000'000, Loss::kAll);
    std::vector<std::string> wrongs = store.Look();
    // Of these there are few.
    const bool rare = GetParam() == Trouble::kEntrySync || GetParam() == Trouble::kRead;
    uint64_t call = 1 + random() % (rare ? 6 : 60);
    const bool sticky = random() % 2 == 0;
    const auto durability = static_cast<Durability>(random() % 3);
    // Where a life has not so many such calls, an earlier one in the next.
    bool failed = store.LiveWithTrouble(durability, GetParam(), call, sticky);
    while (!failed && call > 1 && wrongs.empty()) {
      wrongs = store.Look();
      failed = store.LiveWithTrouble(durability, GetParam(), call /= 2, sticky);
    }
    if (failed) ++proof.faults;
    for (const std::string& wrong : store.Look()) wrongs.push_back(wrong);
    if (wrongs.empty()) continue;
    ++proof.failures;
    ADD_FAILURE() << "call " << call << (sticky ? " and all later" : "") << ": "
                  << testing::PrintToString(wrongs);
  }
  EXPECT_GT(proof.faults, proof.count / 4) << "hardly a call has failed";
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
