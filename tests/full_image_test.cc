// SPDX-License-Identifier: MIT
// A disk that is full to the last byte and has room again, over and over, under the real program:
// what begins is refused with 507, what is stored is still told, nothing that was answered is lost,
// and writing goes on by itself; in every third round it is killed then, and started again.
//
// Needs root and a kernel that mounts images; is skipped, and says so, elsewhere.
// ONCED_FULL=<n>: how often.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "tests/metronomes.h"
#include "tests/mounted_image.h"
#include "tests/program.h"
#include "tests/proof.h"
#include "tests/redis.h"

namespace onced {
namespace {

class Payments {
 public:
  explicit Payments(const Program& program) : client_(program.Connect()) {}
  // The last answer: 200, or why it is not paid.
  HttpAnswer Pay(const std::string& key) {
    const HttpAnswer won = client_.Ask("POST", "/v1/claim", Json("{'key':'" + key + "'}"));
    if (won.status != 201) return won;
    return client_.Ask("POST", "/v1/complete",
                       Json("{'key':'" + key + "','fence':'" + won.Field("/fence") +
                            "','result':'paid " + key + "'}"));
  }
  bool IsPaid(const std::string& key) {
    const HttpAnswer replay = client_.Ask("POST", "/v1/claim", Json("{'key':'" + key + "'}"));
    return replay.Field("/outcome") == "replay" && replay.Field("/result") == "paid " + key;
  }

 private:
  Client client_;
};

TEST(FullImage, IsOutlivedAgainAndAgain) {
  MountedImage image("ext4");
  if (!image.made()) GTEST_SKIP() << image.why();
  Proof proof("full disks", "ONCED_FULL", 3);
  std::vector<std::string> paid;
  uint64_t kills = 0;
  std::chrono::milliseconds went_on_after{0};
  const std::vector<std::string> flags{"--durability", "sync",    "--footprint",
                                       "edge",         "--redis", "127.0.0.1:0"};
  auto program = std::make_unique<Program>(image.Point() + "/data", flags);
  for (; proof.count < proof.rounds() && !HasFailure(); ++proof.count) {
    Payments payments(*program);
    const std::string round = "r" + std::to_string(proof.count) + "-";
    for (int i = 0; i < 20; ++i) {
      paid.push_back(round + std::to_string(i));
      EXPECT_EQ(payments.Pay(paid.back()).status, 200);
    }
    RespClient redis(RedisPortOf(*program));
    EXPECT_EQ(redis.Ask("SET stored " + round), "+OK\r\n");
    const std::string stored = redis.Ask("GET stored");
    image.Fill();
    // It looks for room now and then, or a write meets the end of it.
    size_t begun = 0;
    HttpAnswer told;
    EXPECT_TRUE(Eventually([&] {
      const std::string key = round + "full-" + std::to_string(begun++);
      told = payments.Pay(key);
      if (told.status != 200) return true;
      paid.push_back(key);
      return false;
    }));
    ExpectProblem(told, 507, "storage_full");
    if (!HasFailure()) ++proof.faults;
    EXPECT_EQ(program->Ask("GET", "/readyz/disk_space").status, 503);
    EXPECT_EQ(program->Ask("GET", "/livez").status, 200);
    for (const std::string& key : paid) EXPECT_TRUE(payments.IsPaid(key)) << key;
    ExpectProblem(payments.Pay(round + "refused"), 507, "storage_full");
    EXPECT_TRUE(redis.Ask("SET more v").starts_with("-MISCONF Errors writing to the log: "));
    EXPECT_EQ(redis.Ask("GET stored"), stored);
    image.Empty();
    const auto room_since = std::chrono::steady_clock::now();
    EXPECT_TRUE(Eventually([&] {
      paid.push_back(round + "again-" + std::to_string(begun++));
      if (payments.Pay(paid.back()).status == 200) return true;
      paid.pop_back();
      return false;
    })) << program->Said();
    EXPECT_TRUE(Eventually([&] { return redis.Ask("SET more v") == "+OK\r\n"; }));
    went_on_after = std::max(went_on_after, std::chrono::ceil<std::chrono::milliseconds>(
                                                std::chrono::steady_clock::now() - room_since));
    if (proof.count % 3 != 1) continue;
    program->Kill();
    program = std::make_unique<Program>(image.Point() + "/data", flags);
    ++kills;
  }
  EXPECT_EQ(kills, (proof.count + 1) / 3);
  Payments payments(*program);
  for (const std::string& key : paid) EXPECT_TRUE(payments.IsPaid(key)) << key;
  proof.remark = std::to_string(paid.size()) + " payments, " + std::to_string(kills) +
                 " kills, writing again within " + std::to_string(went_on_after.count()) + " ms";
}

// It waited five or six seconds for a recovery that had no room to begin; see full_disk_test.cc.
TEST(FullImage, IsNotWaitedForAtAStop) {
  MountedImage image("ext4");
  if (!image.made()) GTEST_SKIP() << image.why();
  Program program(image.Point() + "/data", {"--durability", "sync", "--footprint", "edge"});
  std::vector<std::string> fences;
  for (int i = 0; i < 24; ++i) {
    const std::string claim = Json("{'key':'k" + std::to_string(i) + "'}");
    fences.push_back(program.Ask("POST", "/v1/claim", claim).Field("/fence"));
  }
  image.Fill();
  // Completions are not refused beforehand, so one of them meets the end of the log's room.
  HttpAnswer met;
  for (size_t i = 0; i < fences.size() && met.status != 507; ++i) {
    met = program.Ask("POST", "/v1/complete",
                      Json("{'key':'k" + std::to_string(i) + "','fence':'" + fences[i] +
                           "','result':'" + std::string(900'000, 'r') + "'}"));
  }
  ASSERT_EQ(met.status, 507) << met.body;
  EXPECT_NE(met.Field("/detail").find("is unknown"), std::string::npos) << met.body;
  const size_t tenths = Metronomes::TicksOf(
      std::chrono::milliseconds(100), [&] { EXPECT_EQ(program.Stop().code, 0) << program.Said(); });
  EXPECT_LT(tenths, 35u);
  image.Empty();
  const Program again(image.Point() + "/data");
  EXPECT_EQ(again.Ask("GET", "/v1/keys/k0").Field("/state"), "completed");
  EXPECT_EQ(again.Ask("GET", "/v1/keys/k23").Field("/state"), "in_flight");
}

}  // namespace
}  // namespace onced
