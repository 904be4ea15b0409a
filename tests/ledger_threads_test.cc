// SPDX-License-Identifier: MIT
// Many threads at one key: one wins, one runs, all get the same answer; and many threads at many
// keys at once do not hold each other up for ever.
#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/ledger.h"
#include "tests/fixtures.h"

namespace onced {
namespace {

constexpr int kThreads = 8;

void InThreads(const std::function<void(int)>& work) {
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) threads.emplace_back(work, t);
  for (std::thread& thread : threads) thread.join();
}

// A round a key: all threads claim it at once; the one that wins completes it.
void OneWinnerEach(LedgerInAFolder& here, int rounds) {
  std::vector<std::atomic<int>> winners(static_cast<size_t>(rounds));
  std::atomic<int> strange{0};
  std::barrier start(kThreads);
  InThreads([&](int) {
    for (int i = 0; i < rounds; ++i) {
      const Key key = K("k" + std::to_string(i));
      start.arrive_and_wait();
      const Reply reply = Value(here->Claim(key, AClaim()));
      if (reply.outcome == Outcome::kClaimed) {
        ++winners[static_cast<size_t>(i)];
        const CompleteCommand complete{.fence = reply.record->fence, .result = "r"};
        strange += Value(here->Complete(key, complete)).outcome != Outcome::kCompleted;
      } else {
        strange += reply.outcome != Outcome::kInFlight && reply.outcome != Outcome::kReplay;
      }
    }
  });
  for (const std::atomic<int>& count : winners) ASSERT_EQ(count, 1);
  EXPECT_EQ(strange, 0);
}

TEST(Threads, HaveOneWinnerInTenThousandRounds) {
  LedgerInAFolder here;
  OneWinnerEach(here, 10'000);
}

TEST(Threads, HaveOneWinnerWithEveryAnswerSynced) {
  LedgerInAFolder here([](RocksStoreOptions& o) { o.durability = Durability::kSync; });
  OneWinnerEach(here, 200);
}

// The lease lapses under all of them: one takes over, with a higher fence, and the old fence is
// stale.
TEST(Threads, HaveOneSuccessorAfterALapse) {
  LedgerInAFolder here;
  constexpr int kRounds = 1'000;
  std::atomic<int> successors{0};
  std::atomic<uint64_t> last{Value(here->Claim(K("a"), AClaim())).record->fence};
  std::barrier start(kThreads, [&]() noexcept { here.clock.Advance(10 * kSecondMs); });
  InThreads([&](int) {
    for (int i = 0; i < kRounds; ++i) {
      start.arrive_and_wait();
      const Reply reply = Value(here->Claim(K("a"), AClaim()));
      if (reply.outcome != Outcome::kClaimed) continue;
      ++successors;
      EXPECT_GT(reply.record->fence, last.exchange(reply.record->fence));
    }
  });
  EXPECT_EQ(successors, kRounds);
}

TEST(Threads, RunAnExecutionOnceAndAllGetItsResult) {
  LedgerInAFolder here;
  constexpr int kRounds = 1'000;
  std::vector<std::atomic<int>> runs(kRounds);
  std::atomic<int> differ{0};
  std::barrier start(kThreads);
  InThreads([&](int t) {
    for (int i = 0; i < kRounds; ++i) {
      const std::string name = "k" + std::to_string(i);
      start.arrive_and_wait();
      const Reply reply = Value(here->Execute(K(name), {}, {}, [&](Batch&) {
        ++runs[static_cast<size_t>(i)];
        return Result<std::string>(name + " by " + std::to_string(t));
      }));
      const Reply again = Value(here->Execute(K(name), {}, {}, [&](Batch&) {
        ++runs[static_cast<size_t>(i)];
        return Result<std::string>("never");
      }));
      differ += reply.record->result != again.record->result;
    }
  });
  for (const std::atomic<int>& count : runs) ASSERT_EQ(count, 1);
  EXPECT_EQ(differ, 0);
}

// Money between four accounts: each transfer reads and writes two of them. A lost update or a half
// one would change the sum; stripes taken in the wrong order would stop it.
TEST(Threads, MoveEffectsAboutWithoutLosingAny) {
  LedgerInAFolder here;
  std::vector<Key> accounts;
  for (const char* name : {"w", "x", "y", "z"}) accounts.push_back(K(name, "accounts"));
  const auto balance = [](Batch& batch, const Key& account) {
    return std::stoi(Value(batch.Get(account)).value_or("1000"));
  };
  constexpr int kTransfers = 2'000;
  InThreads([&](int t) {
    std::mt19937 random(static_cast<unsigned>(t));
    for (int i = 0; i < kTransfers; ++i) {
      const Key& from = accounts[random() % 4];
      const Key& to = accounts[random() % 4];
      if (from == to) continue;
      const std::vector<Key> effects = {from, to};
      const Key key = K("t" + std::to_string(t) + "." + std::to_string(i));
      (void)Value(here->Execute(key, {}, effects, [&](Batch& batch) {
        batch.Put(from, std::to_string(balance(batch, from) - 1));
        batch.Put(to, std::to_string(balance(batch, to) + 1));
        return Result<std::string>("");
      }));
    }
  });
  int sum = 0;
  for (const Key& account : accounts) sum += std::stoi(Value(here->ReadEffect(account)).rows.at(0));
  EXPECT_EQ(sum, 4'000);
}

// Batches over the same few keys in every order, beside single calls.
TEST(Threads, DoNotDeadlockOverBatches) {
  LedgerInAFolder here;
  std::atomic<int> claimed{0};
  InThreads([&](int t) {
    std::mt19937 random(static_cast<unsigned>(t));
    for (int i = 0; i < 1'000; ++i) {
      std::vector<Operation> operations;
      for (int o = 0; o < 3; ++o) {
        operations.push_back({K("k" + std::to_string(random() % 6)), AClaim()});
      }
      for (size_t o = 0; const Reply& reply : Value(here->DoAll(operations))) {
        if (reply.outcome == Outcome::kClaimed) {
          ++claimed;
          EXPECT_EQ(Value(here->Release(operations[o].key, {.fence = reply.record->fence})).outcome,
                    Outcome::kReleased);
        }
        ++o;
      }
    }
  });
  EXPECT_GT(claimed, 0);
}

// A reader without the lock may be late, never wrong: a replay shows the whole result, and once one
// thread has seen it no other sees less.
TEST(Threads, ReadWithoutTheLockOnlyWhatIsWhole) {
  LedgerInAFolder here;
  constexpr int kRounds = 2'000;
  std::atomic<int> torn{0}, unseen{0};
  std::vector<std::atomic<bool>> seen(kRounds);
  std::atomic<int> round{0};
  InThreads([&](int t) {
    if (t == 0) {
      for (int i = 0; i < kRounds; ++i) {
        const Key key = K("k" + std::to_string(i));
        const uint64_t fence = Value(here->Claim(key, AClaim())).record->fence;
        round = i;
        const std::string result(static_cast<size_t>(i % 300), 'r');
        (void)Value(here->Complete(key, {.fence = fence, .result = result}));
        seen[static_cast<size_t>(i)] = true;
      }
      round = kRounds;
      return;
    }
    for (int i = 0; (i = round) < kRounds;) {
      const bool known = seen[static_cast<size_t>(i)];
      const FoundReply found = Value(here->Find(K("k" + std::to_string(i))));
      const bool completed = found.record.has_value() && found.record->state == State::kCompleted;
      if (completed) {
        torn += found.record->result != std::string(static_cast<size_t>(i % 300), 'r');
        seen[static_cast<size_t>(i)] = true;
      } else {
        unseen += known;
      }
    }
  });
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(unseen, 0);
}

// What a reader is shown must come with the number of the write that made it so, or its answer
// could leave before that is durable.
TEST(Threads, ReadNoNewerRecordUnderAnOlderSequence) {
  LedgerInAFolder here;
  Ledger hasty(here.store.get(), {.wait_at_gate = false});
  constexpr int kRounds = 30'000;
  std::vector<std::atomic<uint64_t>> completed_at(kRounds);
  std::vector<std::atomic<uint64_t>> shown_at(kRounds);  // the lowest number it was shown under
  for (std::atomic<uint64_t>& at : shown_at) at = UINT64_MAX;
  std::atomic<int> round{0};
  InThreads([&](int t) {
    if (t == 0) {
      for (int i = 0; i < kRounds; ++i) {
        const Key key = K("k" + std::to_string(i));
        const uint64_t fence = Value(hasty.Claim(key, AClaim())).record->fence;
        round = i;
        completed_at[static_cast<size_t>(i)] =
            Value(hasty.Complete(key, {.fence = fence})).sequence;
      }
      round = kRounds;
      return;
    }
    for (int i = 0; (i = round) < kRounds;) {
      const FoundReply found = Value(hasty.Find(K("k" + std::to_string(i))));
      if (!found.record.has_value() || found.record->state != State::kCompleted) continue;
      std::atomic<uint64_t>& lowest = shown_at[static_cast<size_t>(i)];
      uint64_t seen = lowest;
      while (found.sequence < seen && !lowest.compare_exchange_weak(seen, found.sequence)) {
      }
    }
  });
  for (size_t i = 0; i < kRounds; ++i) ASSERT_GE(shown_at[i], completed_at[i]) << "round " << i;
}

}  // namespace
}  // namespace onced
