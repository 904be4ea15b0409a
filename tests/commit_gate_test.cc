// SPDX-License-Identifier: MIT
// The commit gate over a log that the test holds back: nothing passes before it is synced, one sync
// serves many, and after a failed one nothing passes at all. gated_answers_test.cc shows the same
// on a real store.
#include "engine/commit_gate.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/mutex.h"
#include "tests/fixtures.h"

namespace onced {
namespace {

using std::chrono::milliseconds;

// A log whose syncs wait for leave.
class FakeLog : public Log {
 public:
  uint64_t LatestSequence() override { return latest_; }
  Status Sync() override {
    MutexLock lock(mutex_);
    ++begun_;
    changed_.NotifyAll();
    while (held_ && leave_ == 0) {
      // A test that has failed must still end.
      if (!changed_.WaitFor(mutex_, std::chrono::seconds(15))) break;
    }
    if (leave_ > 0) --leave_;
    ++ended_;
    if (!available_) return Status::Unavailable("sync log: not now");
    return broken_ ? Status::IoError("sync log: broken") : Status::Ok();
  }

  uint64_t Write() { return ++latest_; }
  void Hold() {
    MutexLock lock(mutex_);
    held_ = true;
  }
  void LetOne() {
    MutexLock lock(mutex_);
    ++leave_;
    changed_.NotifyAll();
  }
  void LetAll() {
    MutexLock lock(mutex_);
    held_ = false;
    changed_.NotifyAll();
  }
  void Break() {
    MutexLock lock(mutex_);
    broken_ = true;
  }
  void set_available(bool available) {
    MutexLock lock(mutex_);
    available_ = available;
  }
  bool AwaitSync(int number) {  // has begun
    MutexLock lock(mutex_);
    while (begun_ < number) {
      if (!changed_.WaitFor(mutex_, std::chrono::seconds(10))) return false;
    }
    return true;
  }
  int syncs() {
    MutexLock lock(mutex_);
    return ended_;
  }

 private:
  std::atomic<uint64_t> latest_{100};
  Mutex mutex_;
  CondVar changed_;
  bool held_ = false, broken_ = false, available_ = true;
  int leave_ = 0, begun_ = 0, ended_ = 0;
};

std::future<void> Passing(CommitGate& gate, uint64_t sequence) {
  auto passed = std::make_shared<std::promise<void>>();
  std::future<void> future = passed->get_future();
  gate.WhenDurable(sequence, [passed] { passed->set_value(); });
  return future;
}
// Whether it does, in good time: a test of a gate that loses answers must end.
bool Passes(const std::future<void>& answer) {
  return answer.wait_for(std::chrono::seconds(10)) == std::future_status::ready;
}
bool HasPassed(const std::future<void>& answer) {
  return answer.wait_for(milliseconds(0)) == std::future_status::ready;
}

TEST(CommitGate, LetsPassAtOnceWhatWasThereWhenItOpened) {
  FakeLog log;
  log.Hold();
  CommitGate gate(&log, {});
  EXPECT_TRUE(HasPassed(Passing(gate, 100)));
  EXPECT_TRUE(gate.WaitDurable(100).ok());
  EXPECT_EQ(gate.durable(), 100u);
  log.LetAll();
}

TEST(CommitGate, HoldsAnAnswerUntilItsSequenceIsSynced) {
  FakeLog log;
  log.Hold();
  CommitGate gate(&log, {});
  const auto answer = Passing(gate, log.Write());
  ASSERT_TRUE(log.AwaitSync(1));
  EXPECT_FALSE(HasPassed(answer));
  EXPECT_EQ(gate.held(), 1u);
  EXPECT_EQ(gate.durable(), 100u);
  log.LetAll();
  ASSERT_TRUE(Passes(answer));
  EXPECT_EQ(gate.durable(), 101u);
  EXPECT_EQ(gate.held(), 0u);
}

TEST(CommitGate, BlocksACallerUntilItsSequenceIsSynced) {
  FakeLog log;
  log.Hold();
  CommitGate gate(&log, {});
  const uint64_t sequence = log.Write();
  auto waiting = std::async(std::launch::async, [&] {
    Must(gate.WaitDurable(sequence));
    return log.syncs();
  });
  ASSERT_TRUE(log.AwaitSync(1));
  // real time: a gate that leaks would have let it go by now
  EXPECT_EQ(waiting.wait_for(milliseconds(20)), std::future_status::timeout);
  log.LetAll();
  EXPECT_EQ(waiting.get(), 1);
}

// What is written while a sync runs may have missed it.
TEST(CommitGate, DoesNotCountASyncThatBeganBeforeTheWrite) {
  FakeLog log;
  log.Hold();
  CommitGate gate(&log, {});
  const auto early = Passing(gate, log.Write());
  ASSERT_TRUE(log.AwaitSync(1));
  const auto late = Passing(gate, log.Write());
  log.LetOne();
  ASSERT_TRUE(Passes(early));
  ASSERT_TRUE(log.AwaitSync(2));
  EXPECT_FALSE(HasPassed(late));
  log.LetAll();
  ASSERT_TRUE(Passes(late));
}

TEST(CommitGate, ServesManyWithOneSync) {
  FakeLog log;
  log.Hold();
  CommitGate gate(&log, {});
  auto first = Passing(gate, log.Write());
  ASSERT_TRUE(log.AwaitSync(1));
  std::vector<std::future<void>> group;
  for (int i = 0; i < 1'000; ++i) group.push_back(Passing(gate, log.Write()));
  EXPECT_EQ(gate.held(), 1'001u);
  log.LetAll();
  for (const std::future<void>& answer : group) ASSERT_TRUE(Passes(answer));
  EXPECT_EQ(log.syncs(), 2);
}

TEST(CommitGate, LosesNobodyAmongManyThreads) {
  FakeLog log;
  CommitGate gate(&log, {});
  std::atomic<int> passed{0}, early{0};
  std::vector<std::thread> threads;
  constexpr int kEach = 5'000;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kEach; ++i) {
        const uint64_t sequence = log.Write();
        if (t % 2 == 0) {
          Must(gate.WaitDurable(sequence));
          early += gate.durable() < sequence;
          ++passed;
        } else {
          gate.WhenDurable(sequence, [&, sequence] {
            early += gate.durable() < sequence;
            ++passed;
          });
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(Eventually([&] { return passed == 8 * kEach; })) << passed;
  EXPECT_EQ(early, 0);
  EXPECT_EQ(gate.held(), 0u);
}

TEST(CommitGate, IsOpenInTheOtherModes) {
  for (const Durability durability : {Durability::kInterval, Durability::kOs}) {
    FakeLog log;
    log.Hold();
    CommitGate gate(&log, {.durability = durability});
    const uint64_t sequence = log.Write();
    EXPECT_TRUE(HasPassed(Passing(gate, sequence)));
    EXPECT_TRUE(gate.WaitDurable(sequence).ok());
    log.LetAll();
  }
}

TEST(CommitGate, SyncsByItselfInIntervalMode) {
  FakeLog log;
  CommitGate gate(&log, {.durability = Durability::kInterval, .interval = milliseconds(1)});
  const uint64_t sequence = log.Write();
  EXPECT_TRUE(Eventually([&] { return gate.durable() >= sequence; }));
  const int syncs = log.syncs();
  const uint64_t next = log.Write();
  EXPECT_TRUE(Eventually([&] { return gate.durable() >= next; }));
  EXPECT_GT(log.syncs(), syncs);
}

TEST(CommitGate, SyncsInOsModeOnlyWhenAsked) {
  FakeLog log;
  {
    CommitGate gate(&log, {.durability = Durability::kOs, .interval = milliseconds(1)});
    const uint64_t sequence = log.Write();
    Must(gate.WaitDurable(sequence));
    EXPECT_EQ(log.syncs(), 0);
    Must(gate.Flush());
    EXPECT_EQ(log.syncs(), 1);
    EXPECT_GE(gate.durable(), sequence);
  }
  EXPECT_GE(log.syncs(), 1);
}

TEST(CommitGate, FlushesInEveryMode) {
  for (const Durability durability : {Durability::kSync, Durability::kInterval, Durability::kOs}) {
    FakeLog log;
    CommitGate gate(&log, {.durability = durability, .interval = std::chrono::hours(1)});
    const uint64_t sequence = log.Write();
    Must(gate.Flush());
    EXPECT_GE(gate.durable(), sequence);
  }
}

TEST(CommitGate, KeepsOffTheLogWhileParkedAndCatchesUpAfterwards) {
  FakeLog log;
  CommitGate gate(&log, {});
  gate.Park();
  const auto answer = Passing(gate, log.Write());
  EXPECT_EQ(FaultOf(gate.Flush()), Fault::kNoSpace);
  // real time: a syncer that did not heed the parking would have synced by now
  EXPECT_EQ(answer.wait_for(milliseconds(20)), std::future_status::timeout);
  EXPECT_EQ(log.syncs(), 0);
  gate.Resume();
  ASSERT_TRUE(Passes(answer));
  EXPECT_EQ(log.syncs(), 1);
}

// A log that cannot be synced just now has synced nothing.
TEST(CommitGate, TriesAgainWhenTheLogIsUnavailable) {
  FakeLog log;
  log.Hold();
  log.set_available(false);
  std::atomic<int> failures{0};
  CommitGate gate(&log, {.on_failure = [&](const Status&) { ++failures; }});
  const uint64_t sequence = log.Write();
  const auto answer = Passing(gate, sequence);
  ASSERT_TRUE(log.AwaitSync(1));
  log.LetOne();
  ASSERT_TRUE(log.AwaitSync(2)) << "it asks again";
  EXPECT_FALSE(HasPassed(answer));
  EXPECT_LT(gate.durable(), sequence);
  log.set_available(true);
  log.LetAll();
  ASSERT_TRUE(Passes(answer));
  EXPECT_EQ(failures, 0);
}

struct BrokenGate {
  BrokenGate() {
    log.Hold();
    gate = std::make_unique<CommitGate>(
        &log, CommitGate::Options{.on_failure = [this](const Status& why) {
          reason = why.message();
          ++failures;
        }});
  }
  void Break() {
    log.Break();
    log.LetAll();
  }
  FakeLog log;
  std::atomic<int> failures{0};
  std::string reason;
  std::unique_ptr<CommitGate> gate;
};

TEST(CommitGate, ReleasesNothingAfterAFailedSyncAndTellsOnce) {
  BrokenGate broken;
  std::atomic<int> passed{0};
  const uint64_t sequence = broken.log.Write();
  broken.gate->WhenDurable(sequence, [&] { ++passed; });
  auto waiting = std::async(std::launch::async, [&] { return broken.gate->WaitDurable(sequence); });
  ASSERT_TRUE(broken.log.AwaitSync(1));
  broken.gate->WhenDurable(broken.log.Write(), [&] { ++passed; });
  broken.Break();
  EXPECT_EQ(FaultOf(waiting.get()), Fault::kIoError);
  broken.gate->WhenDurable(broken.log.Write(), [&] { ++passed; });
  EXPECT_EQ(FaultOf(broken.gate->WaitDurable(broken.log.Write())), Fault::kIoError);
  EXPECT_EQ(FaultOf(broken.gate->Flush()), Fault::kIoError);
  broken.gate->Fail(Status::IoError("again"));
  broken.gate.reset();
  EXPECT_EQ(passed, 0);
  EXPECT_EQ(broken.failures, 1);
  EXPECT_EQ(broken.reason, "sync log: broken");
  EXPECT_EQ(broken.log.syncs(), 1) << "a failed fsync is never tried again";
}

TEST(CommitGate, ReleasesNothingWhenTheLogIsLostDuringASync) {
  BrokenGate broken;
  std::atomic<int> passed{0};
  broken.gate->WhenDurable(broken.log.Write(), [&] { ++passed; });
  ASSERT_TRUE(broken.log.AwaitSync(1));
  broken.gate->Fail(Status::IoError("write: broken"));
  broken.log.LetAll();  // the sync itself succeeds
  broken.gate.reset();
  EXPECT_EQ(passed, 0);
  EXPECT_EQ(broken.failures, 1);
}

TEST(CommitGate, SyncsOnceMoreOnItsWayOut) {
  FakeLog log;
  auto gate =
      std::make_unique<CommitGate>(&log, CommitGate::Options{.durability = Durability::kOs});
  log.Write();
  gate.reset();
  EXPECT_EQ(log.syncs(), 1);
  gate = std::make_unique<CommitGate>(&log, CommitGate::Options{});
  gate->Park();
  gate.reset();
  EXPECT_EQ(log.syncs(), 1) << "but not while parked";
}

}  // namespace
}  // namespace onced
