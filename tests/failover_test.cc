// SPDX-License-Identifier: MIT
// Two onced on a PostgreSQL that fails over, under callers that want the same things at a time,
// while the primary is killed, or its whole node frozen until another has taken over and then let
// go on. Nothing that was acknowledged is lost, nothing has two winners, and the service
// comes back by itself; how long nobody could write is told.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "engine/postgres_schema.h"
#include "tests/buyers.h"
#include "tests/call_history.h"
#include "tests/patroni_cluster.h"
#include "tests/program.h"
#include "tests/proof.h"
#include "tests/witness.h"

namespace onced {
namespace {

using std::chrono::milliseconds;

constexpr size_t kCallers = 8;
constexpr int64_t kLeaseMs = 600'000;

Call AsTold(Question asked, Answer told) { return {.asked = std::move(asked), .told = told}; }

// That the judgement below can be a bad one.
TEST(WhatWasAcknowledged, IsMissedWhenItIsLostOrTwofold) {
  Question claim = ClaimOf("k0", kLeaseMs);
  claim.claim_id = 1;
  const Call won = AsTold(claim, {.what = Told::kClaimed, .fence = 5});
  const Call completed = AsTold(CompleteOf("k0", 5, 1), {.what = Told::kCompleted});
  const Call found = AsTold(FindOf("k0"), {.what = Told::kFoundCompleted, .result = 1});
  EXPECT_EQ(JudgeBuyers({won, completed, found}), "");
  EXPECT_EQ(JudgeBuyers({won, AsTold(FindOf("k0"), {.what = Told::kFoundInFlight})}), "");
  EXPECT_EQ(JudgeBuyers({won, won, completed, found}), "") << "asked again by the same caller";

  claim.claim_id = 2;
  const Call won_too = AsTold(claim, {.what = Told::kClaimed, .fence = 6});
  EXPECT_EQ(JudgeBuyers({won, won_too, completed, found}), "k0 has two winners\n");
  EXPECT_EQ(JudgeBuyers({won, completed, AsTold(FindOf("k0"), {.what = Told::kFoundInFlight})}),
            "k0 is lost: " + std::string(NameOf(Told::kFoundInFlight)) + "\n");
  EXPECT_EQ(JudgeBuyers({won, AsTold(FindOf("k0"), {.what = Told::kAbsent})}),
            "k0 is lost: " + std::string(NameOf(Told::kAbsent)) + "\n");
  const Call replayed = AsTold(claim, {.what = Told::kReplay, .result = 3});
  EXPECT_EQ(JudgeBuyers({won, completed, replayed, found}), "k0 has two results\n");
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
  const std::vector<std::string> flags = {"--store", cluster->Url()};
  const Program programs[] = {Program("", flags), Program("", flags)};
  CallHistory history;
  Progress progress;
  std::vector<std::thread> threads;
  for (size_t c = 0; c < kCallers; ++c) {
    threads.emplace_back([&, c, recorder = history.NewRecorder()] {
      const auto door = [&] { return OverHttp(programs[c % 2].port()); };
      Buyer buyer(c, recorder, door(), &progress);
      buyer.GoOnAt(door);
      buyer.Buy();
    });
  }
  EXPECT_TRUE(progress.Moves());
  milliseconds without[2] = {};
  for (uint64_t round = 0; round < proof.rounds() && !HasFailure(); ++round) {
    const bool freeze = round % 2 != 0;
    (void)progress.TakeLongest();
    Fail(*cluster, freeze, progress);
    EXPECT_TRUE(progress.Moves()) << "the service is not back\n" << cluster->Said();
    EXPECT_TRUE(cluster->Settles()) << cluster->Said();
    without[freeze] = std::max(without[freeze], progress.TakeLongest());
    ++proof.count;
    ++proof.faults;
  }
  progress.End();
  for (std::thread& thread : threads) thread.join();
  Buyer last(kCallers, history.NewRecorder(), OverHttp(programs[0].port()), &progress);
  last.LookAtAll();
  EXPECT_EQ(JudgeBuyers(history.Calls()), "");
  proof.remark = std::to_string(progress.completed()) + " completed; no writes for " +
                 std::to_string(without[0].count()) + " ms at most when PostgreSQL was killed, " +
                 std::to_string(without[1].count()) + " when its node was frozen";
}

}  // namespace
}  // namespace onced
