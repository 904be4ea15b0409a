// SPDX-License-Identifier: MIT
// The power goes, at any call, and the disk keeps what it likes of what was not synced. In sync
// mode nothing that was answered or shown is lost; in the others what is lost is the end of what
// was done, and in interval mode nothing that was durable; and there the disk's own record shows
// that the log was synced in time (mortal_store.h). Every store opens again, and fences rise.
//
// ONCED_CUTS=<n> cuts as often; ONCED_SEED=<seed> repeats a run, as far as threads let it.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/mortal_store.h"
#include "tests/proof.h"

namespace onced {
namespace {

constexpr uint64_t kLivesOfAFolder = 20;
constexpr uint64_t kCallsMax = 160;             // lives have 100 to 150...
constexpr uint64_t kCallsMaxWithFlushes = 260;  // ...or twice as many
// In interval mode one life in so many has rests: only in such a one an interval that is not kept
// can be seen.
constexpr uint64_t kRestsEvery = 10;
// In such a life several logs are begun.
constexpr uint64_t kFlushesEvery = 3;

const char* NameOf(Durability durability) {
  return durability == Durability::kSync       ? "sync"
         : durability == Durability::kInterval ? "interval"
                                               : "os";
}

std::string Microseconds(std::chrono::nanoseconds time) {
  return std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(time).count());
}

// Of the answers in lives with rests. Most are in the sync of the very interval in which they were
// given: lateness that is too little for kTicksMax shows here, whatever else the machine does.
void ExpectThatTheIntervalIsKept(const std::vector<MortalStore::Wait>& waits, Proof* proof) {
  std::vector<size_t> ticks;
  size_t most = 0;
  size_t seen = 0;
  for (const MortalStore::Wait& wait : waits) {
    most = std::max(most, wait.ticks);
    seen = std::max(seen, wait.to_end);
    if (wait.rests && wait.synced) ticks.push_back(wait.ticks);
  }
  if (proof->count < 10 * kRestsEvery) return;  // that many lives may all be cut as they begin
  std::sort(ticks.begin(), ticks.end());
  ASSERT_GT(ticks.size(), proof->count / kRestsEvery) << "hardly an answer was synced";
  constexpr size_t kFew = 8;
  EXPECT_GT(seen, 2 * kFew) << "no life was long enough for a late sync to be seen";
  const size_t half = ticks[ticks.size() / 2];
  const size_t most_of_them = ticks[ticks.size() * 9 / 10];
  proof->remark += ", half synced within " + std::to_string(half) + " intervals, nine of ten in " +
                   std::to_string(most_of_them) + ", all in " + std::to_string(most) + " of " +
                   std::to_string(seen);
  EXPECT_LE(half, 2u) << "intervals, until half of the answers were synced";
  EXPECT_LE(most_of_them, kFew) << "intervals, until nine of ten were";
}

class PowerCut : public testing::TestWithParam<Durability> {};

TEST_P(PowerCut, LosesNothingThatWasPromised) {
  Proof proof(std::string("power cuts, ") + NameOf(GetParam()), "ONCED_CUTS", 334);
  std::mt19937_64 random(proof.seed() + static_cast<uint64_t>(GetParam()));
  std::unique_ptr<MortalStore> store;
  uint64_t answered = 0;
  uint64_t lost = 0;
  uint64_t logs = 0;  // begun at work
  std::chrono::nanoseconds oldest{0};
  std::vector<MortalStore::Wait> waits;
  const auto forget = [&] {
    if (store == nullptr) return;
    answered += store->answered();
    lost += store->lost();
    waits.insert(waits.end(), store->waits().begin(), store->waits().end());
    oldest = std::max(oldest, std::chrono::nanoseconds(store->oldest_lost()));
    store.reset();
  };
  for (; proof.count < proof.rounds() && proof.failures < 5; ++proof.count) {
    if (proof.count % kLivesOfAFolder == 0) forget();
    if (store == nullptr) store = std::make_unique<MortalStore>(random());
    const bool flushes = proof.count % kFlushesEvery == 0;
    const uint64_t cut_at = 1 + random() % (flushes ? kCallsMaxWithFlushes : kCallsMax);
    const auto loss = static_cast<Loss>(random() % kLosses);
    const bool rests =
        GetParam() == Durability::kInterval && proof.count % kRestsEvery == kRestsEvery - 1;
    const auto pace = rests     ? MortalStore::Pace::kWithRests
                      : flushes ? MortalStore::Pace::kWithFlushes
                                : MortalStore::Pace::kAtOnce;
    if (store->Live(GetParam(), cut_at, loss, pace) != MortalStore::Cut::kAfterwards) {
      ++proof.faults;
    }
    logs += store->logs();
    const std::vector<std::string> wrongs = store->Look();
    if (wrongs.empty()) continue;
    ++proof.failures;
    ADD_FAILURE() << "cut " << proof.count << " at call " << cut_at << " of " << store->calls()
                  << ", " << onced::NameOf(loss) << ": " << testing::PrintToString(wrongs);
    forget();
  }
  forget();
  proof.remark = std::to_string(answered) + " answered, " + std::to_string(lost) +
                 " of them lost as the mode allows, the oldest " + Microseconds(oldest) +
                 " us old, " + std::to_string(logs) + " logs begun at work";
  EXPECT_GT(answered, proof.count);
  if (proof.count >= 10 * kFlushesEvery) {
    EXPECT_GT(logs, proof.count / kFlushesEvery) << "hardly a life has had several logs";
  }
  EXPECT_GT(proof.faults, proof.count / 2) << "most lives have ended before the cut";
  if (GetParam() == Durability::kSync) {
    EXPECT_EQ(lost, 0u);
  }
  if (GetParam() == Durability::kInterval) ExpectThatTheIntervalIsKept(waits, &proof);
}

INSTANTIATE_TEST_SUITE_P(InEveryMode, PowerCut,
                         testing::Values(Durability::kSync, Durability::kInterval, Durability::kOs),
                         [](const auto& mode) { return std::string(NameOf(mode.param)); });

// It cannot be survived, but it must not go unseen.
TEST(LyingDisk, IsFoundOut) {
  Proof proof("lying disks", "ONCED_LIES", 50);
  std::mt19937_64 random(proof.seed());
  for (; proof.count < proof.rounds(); ++proof.count) {
    MortalStore store(random());
    store.Live(Durability::kSync, 1'000'000, Loss::kAll);
    EXPECT_EQ(store.Look(), std::vector<std::string>());
    store.LiveOnALie(static_cast<Durability>(random() % 3));
    (void)store.Look();
    ++proof.faults;
    if (store.refused().has_value() && store.refused()->fault() == Fault::kCorruption) continue;
    ++proof.failures;
    ADD_FAILURE() << "round " << proof.count << ": it opened";
  }
}

}  // namespace
}  // namespace onced
