// SPDX-License-Identifier: MIT
// The program on a disk whose syncs begin to fail: it answers nothing more and ends with 74, and
// what it had answered before is there at the next start.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/preloaded.h"
#include "tests/program.h"
#include "tests/redis.h"

namespace onced {
namespace {

constexpr int kExitLogFailed = 74;

// Programs started while it lives get the library of broken_sync.cc.
class BreakableDisk {
 public:
  BreakableDisk() { std::filesystem::create_directories(folder_.path()); }
  void Break() const { std::ofstream(Trigger()) << "broken"; }
  void Mend() const { std::filesystem::remove(Trigger()); }

 private:
  std::string Trigger() const { return folder_.path() + "/broken"; }
  TempFolder folder_;
  const Preloaded preloaded_{{{"ONCED_BREAK_SYNC", Trigger()}}};
};

void Outlives(const std::string& durability) {
  const BreakableDisk disk;
  const TempFolder folder;
  {
    Program program(folder.path(), {"--durability", durability});
    ASSERT_EQ(program.Ask("POST", "/v1/claim", Json("{'key':'before'}")).status, 201);
    // In interval mode an answer only means that it will be synced; wait until it is.
    const auto synced = [&] {
      const HttpAnswer status = program.Ask("GET", "/v1/status");
      return status.Field("/durable_sequence") == status.Field("/latest_sequence");
    };
    ASSERT_TRUE(Eventually(synced));
    disk.Break();
    Client client = program.Connect();
    client.Send(RequestText("POST", "/v1/claim", Json("{'key':'after'}")));
    if (durability == "sync") {
      EXPECT_EQ(client.Receive().status, 0) << "answered, though the log is lost";
    }
    const Ended ended = program.WaitForEnd();
    EXPECT_EQ(ended.code, kExitLogFailed) << ended.err;
    EXPECT_NE(ended.err.find("storage failed"), std::string::npos) << ended.err;
  }
  disk.Mend();
  const Program again(folder.path());
  EXPECT_EQ(again.Ask("GET", "/v1/keys/before").Field("/state"), "in_flight");
}

TEST(LogFailure, EndsTheProgramBeforeAnythingUnsyncedIsAnswered) { Outlives("sync"); }
TEST(LogFailure, EndsTheProgramInIntervalModeToo) { Outlives("interval"); }

TEST(LogFailure, EndsTheProgramBeforeTheRedisDoorAnswers) {
  const BreakableDisk disk;
  RedisInAFolder here({"--durability", "sync"});
  RespClient client = here.Connect();
  EXPECT_EQ(client.Ask("SET before 1"), "+OK\r\n");
  disk.Break();
  ASSERT_TRUE(client.Send({"SET", "after", "1"}));
  EXPECT_EQ(client.Receive().find("+OK"), std::string::npos) << "answered, though the log is lost";
  EXPECT_EQ(here.program->WaitForEnd().code, kExitLogFailed);
  disk.Mend();
  here.StartAgain();
  EXPECT_EQ(here.Connect().Ask("GET before"), "$1\r\n1\r\n");
}

}  // namespace
}  // namespace onced
