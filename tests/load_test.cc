// SPDX-License-Identifier: MIT
// Clients by the thousand that are slow, idle, or gone, and a machine that runs out of files: who
// asks properly is served, and afterwards everything is as it was.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <filesystem>
#include <iterator>

#include "tests/crowd.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

size_t OpenFiles(const Program& program) {
  const std::filesystem::directory_iterator files("/proc/" + std::to_string(program.pid()) + "/fd");
  return static_cast<size_t>(std::distance(begin(files), end(files)));
}

void LimitFiles(const Program& program, rlim_t count) {
  rlimit files{};
  ASSERT_EQ(prlimit(program.pid(), RLIMIT_NOFILE, nullptr, &files), 0);
  files.rlim_cur = count;
  ASSERT_EQ(prlimit(program.pid(), RLIMIT_NOFILE, &files, nullptr), 0);
}

// A second's worth of quiet, to compare with.
std::vector<double> Quiet(const Program& program) {
  return Beside(program, [] {
    // real time: a good client is being timed
    std::this_thread::sleep_for(milliseconds(1'000));
  });
}

TEST(Load, OfSlowAndIdleConnectionsLeavesGoodClientsServed) {
  const size_t room = RoomFor(8'000);
  if (room < kSmallestCrowd) GTEST_SKIP() << "open files are limited to " << room << " connections";
  const OncedInAFolder here({"--durability", "os"});
  const std::vector<double> quiet = Quiet(here.program);
  const std::vector<Client> idle = Crowd(here.program, room * 5 / 8);
  std::vector<Client> slow = Crowd(here.program, room * 3 / 8);
  for (size_t i = 0; i < slow.size(); ++i) {
    slow[i].Send(i % 2 == 0 ? "GET /livez HTTP/1.1\r\nX: "
                            : "POST /v1/claim HTTP/1.1\r\nHost: h\r\nContent-Length: 9999\r\n\r\n");
  }
  const std::vector<double> loaded = Beside(here.program, [&] {
    for (int round = 0; round < 4; ++round) {
      const auto until = steady_clock::now() + milliseconds(1'000);
      for (Client& client : slow) EXPECT_TRUE(client.Send("x"));
      // real time: these clients are slow
      std::this_thread::sleep_until(until);
    }
  });
  Tell(std::to_string(slow.size()) + " slow and " + std::to_string(idle.size()) + " idle", quiet,
       loaded);
  EXPECT_LT(P99(loaded), 500);
  for (const Client& client : idle) ASSERT_FALSE(client.HasInput()) << "idle is no offence yet";
  Client late = here.program.Connect();
  EXPECT_EQ(late.Ask("GET", "/livez").body, "ok\n");
}

// Each by its own deadline, which a byte now and then does not move.
TEST(Load, OfThreeThousandSlowClientsIsAnsweredAtItsDeadlinesAndEnded) {
  const size_t room = RoomFor(3'000);
  if (room < kSmallestCrowd) GTEST_SKIP() << "open files are limited to " << room << " connections";
  const OncedInAFolder here({"--durability", "os", "--head-timeout", "2s", "--body-timeout", "2s"});
  std::vector<Client> slow = Crowd(here.program, room);
  for (size_t i = 0; i < slow.size(); ++i) {
    slow[i].Send(i % 2 == 0 ? "GET /livez HTTP/1.1\r\nX: "
                            : "POST /v1/claim HTTP/1.1\r\nHost: h\r\nContent-Length: 9999\r\n\r\n");
  }
  const auto begun = steady_clock::now();
  const std::vector<double> loaded = Beside(here.program, [&] {
    while (steady_clock::now() < begun + milliseconds(1'500)) {
      for (Client& client : slow) client.Send("x");
      // real time: these clients are slow
      std::this_thread::sleep_for(milliseconds(300));
    }
    for (Client& client : slow) ExpectProblem(client.Receive(), 408, "request_timeout");
  });
  std::printf("%zu slow clients were answered within %.0f ms\n", slow.size(),
              Milliseconds(steady_clock::now() - begun).count());
  EXPECT_LT(P99(loaded), 500);
  for (Client& client : slow) ASSERT_TRUE(client.SeesEnd());
  EXPECT_TRUE(Eventually([&] { return OpenFiles(here.program) < kSmallestCrowd; }));
}

// A client may vanish at any moment of its request, or after it.
TEST(Load, OfTenThousandClientsThatDieLeavesNothingBehind) {
  const OncedInAFolder here({"--durability", "os", "--lease", "10m"});
  Client good = here.program.Connect();
  EXPECT_EQ(good.Ask("GET", "/livez").status, 200);
  const size_t files = OpenFiles(here.program);
  for (int i = 0; i < 10'000; ++i) {
    // Who sent half a request claimed nothing: no lease has to end before the key is free. Who may
    // have been answered has a short one.
    const std::string lease = i % 4 < 2 ? "" : ",'lease_ms':100";
    const std::string claim = RequestText(
        "POST", "/v1/claim", Json("{'key':'dying" + std::to_string(i) + "'" + lease + "}"));
    Client client = here.program.Connect();
    ASSERT_TRUE(client.connected());
    switch (i % 4) {
      case 0:  // in the middle of the head
        client.Send(claim.substr(0, 30));
        break;
      case 1:  // in the middle of the body
        client.Send(claim.substr(0, claim.size() - 5));
        break;
      case 2:  // before the answer
        client.Send(claim);
        break;
      case 3:  // half closed: it still reads, and may have its answer or hang up without
        client.Send(claim);
        client.FinishSending();
        if (i % 8 == 3) {
          ASSERT_EQ(client.Receive().status, 201);
        }
        break;
    }
    if (i % 3 == 0) client.HangUp();  // with a reset; the others in good order
  }
  EXPECT_TRUE(Eventually([&] { return OpenFiles(here.program) <= files; }))
      << OpenFiles(here.program) << " files are open, and " << files << " were before";
  EXPECT_EQ(here.Get("/v1/status").Field("/waiters"), "0");
  // real time: the leases of those who may have been answered run out in it
  std::this_thread::sleep_for(milliseconds(150));
  for (int i = 0; i < 10'000; ++i) {
    const std::string key = "dying" + std::to_string(i);
    ASSERT_EQ(good.Ask("POST", "/v1/claim", "{\"key\":\"" + key + "\"}").status, 201) << i;
  }
}

TEST(Load, ThatUsesUpTheFilesDoesNotEndTheListener) {
#ifdef ONCED_UNDER_ASAN
  GTEST_SKIP() << "UBSan opens a pipe to look at an object, and takes the want of one for a fault";
#endif
  const OncedInAFolder here({"--durability", "os"});
  Client good = here.program.Connect();
  EXPECT_EQ(good.Ask("GET", "/livez").status, 200);
  LimitFiles(here.program, 64);
  {
    std::vector<Client> many = Crowd(here.program, 300);
    for (Client& client : many) client.Send(RequestText("GET", "/livez"));
    EXPECT_EQ(many.front().Receive().status, 200) << "there was room for the first";
    EXPECT_EQ(many.back().Receive(milliseconds(200)).status, 0) << "and none for the last";
    for (int i = 0; i < 100; ++i) {
      const std::string key = "k" + std::to_string(i);
      ASSERT_EQ(good.Ask("POST", "/v1/claim", "{\"key\":\"" + key + "\"}").status, 201);
    }
    // Those that had to wait for room are served as room is made, in the order in which they came.
    for (size_t i = 0; i < 200; ++i) {
      if (i > 0) {
        ASSERT_EQ(many[i].Receive().status, 200) << i;
      }
      many[i].HangUp();
    }
  }
  EXPECT_EQ(here.Get("/livez").status, 200);
  EXPECT_EQ(here.Post("/v1/claim", "{'key':'after'}").status, 201);
}

// Idle strangers used up the files, the store could not begin its next log, and the process ended.
TEST(Load, LeavesFilesForTheStore) {
  const TempFolder folder;
  const Program program(folder.path(), {"--durability", "os", "--footprint", "edge"}, "/tmp", 512);
  Client good = program.Connect();
  EXPECT_EQ(good.Ask("GET", "/readyz").status, 200);
  const std::vector<Client> idle = Crowd(program, 600);
  // Enough for several logs and tables.
  const std::string result(900'000, 'x');
  for (int i = 0; i < 60; ++i) {
    const std::string body =
        "{\"key\":\"k" + std::to_string(i) + "\",\"result\":\"" + result + "\"}";
    ASSERT_EQ(good.Ask("POST", "/v1/complete", body).status, 200) << i << program.Said();
  }
}

// Most systems give a program 1,024 open files unless it asks for more.
TEST(Load, MayUseAllTheFilesThatTheSystemAllows) {
  const size_t room = RoomFor(2'000);
  if (room < kSmallestCrowd) GTEST_SKIP() << "open files are limited to " << room << " connections";
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  const rlimit few{.rlim_cur = 256, .rlim_max = files.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &few), 0);
  const OncedInAFolder here;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &files), 0);
  std::vector<Client> many = Crowd(here.program, room);
  for (Client& client : many) client.Send(RequestText("GET", "/livez"));
  for (Client& client : many) ASSERT_EQ(client.Receive().status, 200);
}

TEST(Load, OfSecondInstancesEndsEachOfThemWithFour) {
  const OncedInAFolder here;
  const std::string port = std::to_string(here.program.port());
  std::atomic<int> fours{0};
  std::vector<std::thread> starters;
  for (int starter = 0; starter < 5; ++starter) {
    starters.emplace_back([&] {
      const TempFolder other;
      for (int i = 0; i < 20; ++i) {
        const Ended same_folder =
            Program::Run({"serve", "--http", "127.0.0.1:0", "--data", here.folder.path()});
        const Ended same_port =
            Program::Run({"serve", "--http", "127.0.0.1:" + port, "--data", other.path()});
        EXPECT_EQ(same_folder.code, 4) << same_folder.err;
        EXPECT_EQ(same_port.code, 4) << same_port.err;
        fours += (same_folder.code == 4) + (same_port.code == 4);
      }
    });
  }
  for (std::thread& starter : starters) starter.join();
  EXPECT_EQ(fours, 200);
  EXPECT_EQ(here.Post("/v1/claim", "{'key':'k'}").status, 201) << "and does the first no harm";
}

}  // namespace
}  // namespace onced
