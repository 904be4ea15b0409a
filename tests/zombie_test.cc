// SPDX-License-Identifier: MIT
// Zombies: processes that win a claim and are stopped until long after their lease, when others
// have taken over. They go on where they stood, with their old fence, and try everything: not one
// try may be taken, nor change a byte of what the other has done or is doing; nor after the server
// was killed and started again in between. ONCED_ZOMBIES=<n> makes n of them.
//
// Of every other one the successor has completed when
// the zombie wakes; of the rest it is still at work.
#include "tests/zombie.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "tests/linearizability.h"
#include "tests/proof.h"
#include "tests/redis.h"
#include "tests/witness.h"

namespace onced {
namespace {

// As many as the machine's room for processes and files makes easy; the rest come after.
constexpr size_t kAtATime = 50;

class Graveyard {
 public:
  explicit Graveyard(const std::string& durability) : here_({"--durability", durability}) {}

  // How many tries were taken.
  size_t Raise(size_t first, size_t count, bool with_crash) {
    std::vector<std::unique_ptr<Zombie>> zombies;
    for (size_t i = 0; i < count; ++i) zombies.push_back(std::make_unique<Zombie>(first + i, At()));
    std::vector<uint64_t> old_fences, fences(count);
    for (const auto& zombie : zombies) {
      old_fences.push_back(zombie->WaitUntilStopped());
      EXPECT_NE(old_fences.back(), 0u) << zombie->key();
    }
    const auto take_over = [&](bool late) {
      for (size_t i = 0; i < count; ++i) {
        if (TakenOverLate(*zombies[i], with_crash) != late) continue;
        fences[i] = TakeOver(zombies[i]->key());
        EXPECT_GT(fences[i], old_fences[i]);
        if (!StillAtWork(*zombies[i])) Finish(*zombies[i], fences[i]);
      }
    };
    take_over(false);
    if (with_crash) {
      here_.Crash();
      Meet();
      take_over(true);
    }
    size_t taken = 0;
    for (size_t i = 0; i < count; ++i) {
      taken += zombies[i]->WakeAndCountTaken(with_crash ? At() : Ports{});
      if (StillAtWork(*zombies[i])) Finish(*zombies[i], fences[i]);
      const Answer found = witness_->AskAndHear(FindOf(zombies[i]->key()));
      EXPECT_EQ(found.what, Told::kFoundCompleted);
      EXPECT_EQ(found.result, zombies[i]->number() + 1) << "changed";
      calls_.insert(calls_.end(), zombies[i]->calls().begin(), zombies[i]->calls().end());
    }
    return taken;
  }

  void Judge() {
    for (const Call& call : history_.Calls()) calls_.push_back(call);
    const Verdict verdict = CheckHistory(calls_);
    EXPECT_TRUE(verdict.legal) << verdict.key << ": " << verdict.why;
  }

 private:
  static bool StillAtWork(const Zombie& zombie) { return zombie.number() / 2 % 2 != 0; }
  // Of those that see a crash, every other pair of pairs: by the new process.
  static bool TakenOverLate(const Zombie& zombie, bool with_crash) {
    return with_crash && zombie.number() / 4 % 2 != 0;
  }
  Ports At() const { return {here_.program->port(), here_.port}; }
  void Meet() {
    witness_ = std::make_unique<Witness>(history_.NewRecorder(), OverRedis(here_.port));
  }
  // Asks until the lease has lapsed.
  uint64_t TakeOver(const std::string& key) {
    if (witness_ == nullptr) Meet();
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (!witness_->lost() && std::chrono::steady_clock::now() < until) {
      const Answer told = witness_->AskAndHear(ClaimOf(key, 3'600'000));
      if (told.what == Told::kClaimed) return told.fence;
    }
    ADD_FAILURE() << key << (witness_->lost() ? ": the server is gone" : " never lapses");
    return 0;
  }
  void Finish(const Zombie& zombie, uint64_t fence) {
    const Answer told = witness_->AskAndHear(CompleteOf(zombie.key(), fence, zombie.number() + 1));
    EXPECT_EQ(told.what, Told::kCompleted) << zombie.key();
  }

  RedisInAFolder here_;
  CallHistory history_;
  std::unique_ptr<Witness> witness_;
  std::vector<Call> calls_;
};

void Prove(Proof* proof, size_t count, const std::string& durability, bool with_crash) {
  Graveyard graveyard(durability);
  while (proof->count < count) {
    const size_t some = std::min<size_t>(kAtATime, count - proof->count);
    proof->failures += graveyard.Raise(proof->count, some, with_crash);
    proof->count += some;
  }
  proof->faults = proof->count;
  EXPECT_EQ(proof->failures, 0u) << "an old fence did something";
  graveyard.Judge();
}

TEST(Zombies, AreRefusedWhateverTheyTry) {
  Proof proof("zombies", "ONCED_ZOMBIES", 100);
  Prove(&proof, proof.rounds(), "sync", false);
}

class ZombieModes : public testing::TestWithParam<const char*> {};

TEST_P(ZombieModes, AreRefusedAfterTheServerDiedToo) {
  const std::string mode = GetParam();
  Proof proof("zombies-kill-" + mode, "ONCED_ZOMBIES", 100);
  Prove(&proof, (proof.rounds() + 3) / 4, mode, true);
}

INSTANTIATE_TEST_SUITE_P(Each, ZombieModes, testing::Values("sync", "interval", "os"),
                         [](const auto& mode) { return std::string(mode.param); });

}  // namespace
}  // namespace onced
