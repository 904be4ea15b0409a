// SPDX-License-Identifier: MIT
// The store on a PostgreSQL that fails over: two stores under callers that pay for the same things
// at a time, while the primary is killed, or its whole node frozen until another has taken over and
// then let go on. Nothing that was acknowledged is lost, nothing has two winners, and the service
// comes back by itself; how long nobody could write is told.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/postgres_schema.h"
#include "engine/postgres_store.h"
#include "tests/call_history.h"
#include "tests/patroni_cluster.h"
#include "tests/proof.h"
#include "tests/witness.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr size_t kCallers = 8;
constexpr size_t kAtATime = 4;         // keys
constexpr int64_t kLeaseMs = 600'000;  // longer than any failover: a second winner is a fault
constexpr size_t kAtWork = 50;         // completions, by which the service is seen to be back
constexpr std::chrono::seconds kBackWithin{120};

// Where the callers are, and how long nothing was completed.
class Progress {
 public:
  bool over() const { return over_; }
  void End() { over_ = true; }
  size_t first() const { return first_; }
  size_t completed() const { return completed_; }
  void Completed(size_t key) {
    ++completed_;
    const int64_t now = NowMs();
    const int64_t without = now - last_.exchange(now);
    int64_t longest = longest_;
    while (without > longest && !longest_.compare_exchange_weak(longest, without)) {
    }
    Seen(key);
  }
  // The oldest key is left when it is known to be done.
  void Seen(size_t key) { first_.compare_exchange_strong(key, key + 1); }
  int64_t TakeLongestMs() { return longest_.exchange(0); }
  bool Moves() const {
    const size_t before = completed_;
    const auto until = steady_clock::now() + kBackWithin;
    while (completed_ < before + kAtWork && steady_clock::now() < until) {
      // real time: PostgreSQL and Patroni live in it
      std::this_thread::sleep_for(milliseconds(10));
    }
    return completed_ >= before + kAtWork;
  }

 private:
  static int64_t NowMs() {
    const auto since = steady_clock::now().time_since_epoch();
    return std::chrono::duration_cast<milliseconds>(since).count();
  }
  std::atomic<size_t> first_{0};
  std::atomic<size_t> completed_{0};
  std::atomic<int64_t> last_{NowMs()};
  std::atomic<int64_t> longest_{0};
  std::atomic<bool> over_{false};
};

// Claims, completes what it has won, and looks at what others did. What is not answered it asks
// again, as the same caller, until it is.
class Buyer {
 public:
  Buyer(size_t number, Recorder* recorder, std::unique_ptr<Door> door, Progress* progress)
      : number_(number), witness_(recorder, std::move(door)), progress_(progress) {}

  void Buy() {
    for (uint64_t n = 1; !progress_->over(); ++n) {
      const size_t key = progress_->first() + n % kAtATime;
      Question claim = ClaimOf(NameOfKey(key), kLeaseMs);
      claim.claim_id = 1'000'000 * (number_ + 1) + n;
      const Answer told = AskUntilTold(claim);
      if (told.what == Told::kClaimed) {
        const Question complete = CompleteOf(NameOfKey(key), told.fence, claim.claim_id);
        if (AskUntilTold(complete).what == Told::kCompleted) progress_->Completed(key);
      } else if (told.what == Told::kReplay) {
        progress_->Seen(key);
      } else {
        // real time: the same
        std::this_thread::sleep_for(milliseconds(2));
      }
    }
  }
  void Look(size_t key) { AskUntilTold(FindOf(NameOfKey(key))); }

 private:
  static std::string NameOfKey(size_t key) { return "k" + std::to_string(key); }
  Answer AskUntilTold(const Question& question) {
    const auto until = steady_clock::now() + kBackWithin;
    for (;;) {
      const Answer told = witness_.AskAndHear(question);
      const bool decided = told.what != Told::kNothing && told.what != Told::kRefused;
      if (decided || steady_clock::now() > until) return told;
      // real time: so does a failover
      std::this_thread::sleep_for(milliseconds(20));
    }
  }

  const size_t number_;
  Witness witness_;
  Progress* const progress_;
};

// What was acknowledged of one key, and what became of it.
struct Acknowledged {
  std::set<uint64_t> winners;  // claims
  std::set<uint64_t> results;
  bool completed = false;
  Told last = Told::kNothing;
};

// What is wrong, a line each; "": nothing. Every key is looked at last.
std::string Wrong(const std::vector<Call>& calls) {
  std::map<std::string, Acknowledged> keys;
  for (const Call& call : calls) {
    Acknowledged& of = keys[call.asked.key];
    if (call.told.what == Told::kClaimed) of.winners.insert(call.asked.claim_id);
    if (call.told.what == Told::kCompleted) of.results.insert(call.asked.result);
    if (call.told.what == Told::kCompleted) of.completed = true;
    if (call.told.what == Told::kReplay) of.results.insert(call.told.result);
    if (call.asked.what != Asked::kFind) continue;
    of.last = call.told.what;
    if (call.told.what == Told::kFoundCompleted) of.results.insert(call.told.result);
  }
  std::string wrong;
  for (const auto& [key, of] : keys) {
    const bool lost = of.completed && of.last != Told::kFoundCompleted;
    const bool lost_claim = !of.winners.empty() && of.last == Told::kAbsent;
    if (of.winners.size() > 1) wrong += key + " has two winners\n";
    if (of.results.size() > 1) wrong += key + " has two results\n";
    if (lost || lost_claim) wrong += key + " is lost: " + NameOf(of.last) + "\n";
  }
  return wrong;
}

Call AsTold(Question asked, Answer told) { return {.asked = std::move(asked), .told = told}; }

// That the judgement below can be a bad one.
TEST(WhatWasAcknowledged, IsMissedWhenItIsLostOrTwofold) {
  Question claim = ClaimOf("k0", kLeaseMs);
  claim.claim_id = 1;
  const Call won = AsTold(claim, {.what = Told::kClaimed, .fence = 5});
  const Call completed = AsTold(CompleteOf("k0", 5, 1), {.what = Told::kCompleted});
  const Call found = AsTold(FindOf("k0"), {.what = Told::kFoundCompleted, .result = 1});
  EXPECT_EQ(Wrong({won, completed, found}), "");
  EXPECT_EQ(Wrong({won, AsTold(FindOf("k0"), {.what = Told::kFoundInFlight})}), "");
  EXPECT_EQ(Wrong({won, won, completed, found}), "") << "asked again by the same caller";

  claim.claim_id = 2;
  const Call won_too = AsTold(claim, {.what = Told::kClaimed, .fence = 6});
  EXPECT_EQ(Wrong({won, won_too, completed, found}), "k0 has two winners\n");
  EXPECT_EQ(Wrong({won, completed, AsTold(FindOf("k0"), {.what = Told::kFoundInFlight})}),
            "k0 is lost: " + std::string(NameOf(Told::kFoundInFlight)) + "\n");
  EXPECT_EQ(Wrong({won, AsTold(FindOf("k0"), {.what = Told::kAbsent})}),
            "k0 is lost: " + std::string(NameOf(Told::kAbsent)) + "\n");
  const Call replayed = AsTold(claim, {.what = Told::kReplay, .result = 3});
  EXPECT_EQ(Wrong({won, completed, replayed, found}), "k0 has two results\n");
}

class Failover : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (PatroniCluster::WhyNot().empty()) cluster = std::make_unique<PatroniCluster>();
  }
  static void TearDownTestSuite() { cluster.reset(); }
  void SetUp() override {
    if (cluster == nullptr) GTEST_SKIP() << PatroniCluster::WhyNot();
  }
  static std::unique_ptr<PostgresStore> Open() {
    PostgresStoreOptions options;
    options.url = cluster->Url();
    options.connect_timeout = milliseconds(2'000);
    return Value(PostgresStore::Open(options));
  }

  inline static std::unique_ptr<PatroniCluster> cluster;
};

// Which of the two, until somebody leads again.
void Fail(PatroniCluster& cluster, bool freeze, const Progress& progress) {
  const std::optional<size_t> leader = cluster.Leader();
  ASSERT_TRUE(leader.has_value()) << cluster.Said();
  if (!freeze) return cluster.KillPostgres(*leader);
  cluster.Freeze(*leader);
  EXPECT_TRUE(progress.Moves()) << "no other has taken over\n" << cluster.Said();
  cluster.Thaw(*leader);
}

TEST_F(Failover, LosesNothingThatWasAcknowledged) {
  Proof proof("failovers", "ONCED_FAILOVERS", 2);
  Must(MigratePostgres(cluster->Url()));
  const std::unique_ptr<PostgresStore> stores[] = {Open(), Open()};
  Ledger ledgers[] = {Ledger(stores[0].get()), Ledger(stores[1].get())};
  CallHistory history;
  Progress progress;
  std::vector<std::thread> threads;
  for (size_t c = 0; c < kCallers; ++c) {
    threads.emplace_back([&, c, recorder = history.NewRecorder()] {
      Buyer(c, recorder, InProcess(&ledgers[c % 2]), &progress).Buy();
    });
  }
  EXPECT_TRUE(progress.Moves());
  int64_t without_ms[2] = {0, 0};
  for (uint64_t round = 0; round < proof.rounds() && !HasFailure(); ++round) {
    const bool freeze = round % 2 != 0;
    progress.TakeLongestMs();
    Fail(*cluster, freeze, progress);
    EXPECT_TRUE(progress.Moves()) << "the service is not back\n" << cluster->Said();
    EXPECT_TRUE(cluster->Settles()) << cluster->Said();
    without_ms[freeze] = std::max(without_ms[freeze], progress.TakeLongestMs());
    ++proof.count;
    ++proof.faults;
  }
  progress.End();
  for (std::thread& thread : threads) thread.join();
  Buyer last(kCallers, history.NewRecorder(), InProcess(&ledgers[0]), &progress);
  for (size_t key = 0; key < progress.first() + kAtATime; ++key) last.Look(key);
  EXPECT_EQ(Wrong(history.Calls()), "");
  proof.remark = std::to_string(progress.completed()) + " completed; no writes for " +
                 std::to_string(without_ms[0]) + " ms at most when PostgreSQL was killed, " +
                 std::to_string(without_ms[1]) + " when its node was frozen";
}

}  // namespace
}  // namespace onced
