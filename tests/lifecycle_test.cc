// SPDX-License-Identifier: MIT
// The program from start to stop: what it says, what it ends with, and what it finds when it starts
// again.
#include <gtest/gtest.h>
#include <signal.h>

#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/child.h"
#include "tests/program.h"

namespace onced {
namespace {

namespace fs = std::filesystem;

bool Says(const Ended& ended, const std::string& words) {
  return ended.err.find(words) != std::string::npos;
}

// The newest synced sequence number in the high-water file (FORMAT.md, "High-water file").
uint64_t SyncedMark(const std::string& data) {
  const std::string bytes = ReadFile(data + "/high-water");
  uint64_t newest = 0, synced = 0;
  for (const size_t slot : {size_t{0}, size_t{4096}}) {
    if (bytes.size() < slot + 28) continue;
    uint64_t generation = 0;
    std::memcpy(&generation, bytes.data() + slot + 8, sizeof generation);
    if (generation < newest) continue;
    newest = generation;
    std::memcpy(&synced, bytes.data() + slot + 20, sizeof synced);
  }
  return synced;
}

TEST(Start, PrintsWhereItIs) {
  const OncedInAFolder here({"--durability", "interval"});
  const std::string said = here.program.Said();
  const std::string url = "http://127.0.0.1:" + std::to_string(here.program.port());
  for (const std::string& words : {std::string("onced 0.1.0"), url, std::string("interval"),
                                   here.folder.path(), std::string("try: curl")}) {
    EXPECT_NE(said.find(words), std::string::npos) << words << " is not in " << said;
  }
}

TEST(Start, KeepsItsDataBelowTheCurrentFolder) {
  const TempFolder folder;
  fs::create_directory(folder.path("home"));
  const Program program("", {}, folder.path("home"));
  EXPECT_EQ(program.Ask("POST", "/v1/claim", "{\"key\":\"k\"}").status, 201);
  EXPECT_TRUE(fs::exists(folder.path("home") + "/onced-data/high-water"));
  const auto mode = fs::status(folder.path("home") + "/onced-data").permissions();
  EXPECT_EQ(mode & (fs::perms::group_all | fs::perms::others_all), fs::perms::none);
}

TEST(Start, ServesWithEveryFootprintAndDurability) {
  for (const char* footprint : {"server", "edge"}) {
    for (const char* durability : {"sync", "interval", "os"}) {
      const OncedInAFolder here({"--footprint", footprint, "--durability", durability});
      EXPECT_EQ(here.Complete("k", here.Claim("k"), "1").status, 200);
      EXPECT_EQ(here.Get("/v1/status").Field("/durability"), durability);
    }
  }
}

TEST(Start, FindsEverythingAfterAKill) {
  const TempFolder folder;
  std::string fence;
  {
    Program first(folder.path());
    fence = first.Ask("POST", "/v1/claim", "{\"key\":\"run\"}").Field("/fence");
    EXPECT_EQ(first.Ask("POST", "/v1/complete", Json("{'key':'done','result':[7]}")).status, 200);
    first.Kill();
  }
  const Program second(folder.path());
  EXPECT_EQ(second.Ask("GET", "/v1/keys/done/result").body, "[7]");
  EXPECT_EQ(second.Ask("POST", "/v1/claim", "{\"key\":\"run\"}").status, 409);
  EXPECT_EQ(
      second.Ask("POST", "/v1/complete", Json("{'key':'run','fence':'" + fence + "'}")).status, 200)
      << "its owner completes it";
  EXPECT_GT(second.Ask("POST", "/v1/claim", "{\"key\":\"new\"}").Field("/fence"), fence);
}

TEST(Stop, OnEitherSignalIsCleanAndKeepsEverything) {
  const TempFolder folder;
  for (const int number : {SIGTERM, SIGINT}) {
    const std::string key = "k" + std::to_string(number);
    Program program(folder.path());
    EXPECT_EQ(program.Ask("POST", "/v1/complete", Json("{'key':'" + key + "','result':1}")).status,
              200);
    program.Signal(number);
    const Ended ended = program.WaitForEnd();
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_TRUE(Says(ended, "stopped")) << ended.err;
    EXPECT_EQ(ended.out, "");
  }
  const Program again(folder.path());
  EXPECT_EQ(again.Ask("GET", "/v1/keys").Count("/keys"), 2u);
}

TEST(Stop, FinishesWhatRunsAndTakesNothingNew) {
  OncedInAFolder here;
  Client client = here.program.Connect();
  const std::string body = "{\"key\":\"k\"}";
  client.Send(
      "POST /v1/claim HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
      "Content-Length: " +
      std::to_string(body.size()) + "\r\n\r\n");
  ASSERT_EQ(client.Receive().status, 100);  // so it has begun
  here.program.Signal(SIGTERM);
  EXPECT_TRUE(Eventually([&] { return !here.program.Connect().connected(); }));
  client.Send(body);
  const HttpAnswer answer = client.Receive();
  EXPECT_EQ(answer.status, 201) << answer.body;
  EXPECT_EQ(answer.Header("Connection"), "close");
  EXPECT_TRUE(client.SeesEnd());
  EXPECT_EQ(here.program.WaitForEnd().code, 0);
  const Program again(here.folder.path());
  EXPECT_EQ(again.Ask("GET", "/v1/keys/k").Field("/state"), "in_flight");
}

TEST(Stop, TellsThoseWhoWait) {
  OncedInAFolder here;
  here.Claim("k");
  Client claimer = here.program.Connect();
  Client reader = here.program.Connect();
  claimer.Send(RequestText("POST", "/v1/claim", Json("{'key':'k','wait_ms':30000}")));
  reader.Send(RequestText("GET", "/v1/keys/k/result?wait_ms=30000"));
  ASSERT_TRUE(here.Waiting(2));
  here.program.Signal(SIGTERM);
  ExpectProblem(claimer.Receive(), 409, "idempotency_in_flight");
  EXPECT_EQ(reader.Receive().status, 202);
  EXPECT_EQ(here.program.WaitForEnd().code, 0);
}

TEST(Stop, DoesNotWaitForIdleConnections) {
  OncedInAFolder here;
  Client idle = here.program.Connect();
  Client used = here.program.Connect();
  EXPECT_EQ(used.Ask("GET", "/livez").status, 200);
  const Ended ended = here.program.Stop();
  EXPECT_EQ(ended.code, 0);
  EXPECT_FALSE(Says(ended, "cut off")) << ended.err;
  EXPECT_TRUE(idle.SeesEnd());
  EXPECT_TRUE(used.SeesEnd());
}

TEST(ExitCode, IsZeroForAQuestion) {
  const Ended version = Program::Run({"--version"});
  EXPECT_EQ(version.code, 0);
  EXPECT_EQ(version.out, "onced 0.1.0\n");
  const Ended help = Program::Run({"serve", "--help"});
  EXPECT_EQ(help.code, 0);
  for (const char* flag :
       {"--http", "--data", "--durability", "--sync-interval", "--lease", "--retention", "--audit",
        "--audit-retention", "--unknown-retention", "--footprint", "--accept-data-loss"}) {
    EXPECT_NE(help.out.find(flag), std::string::npos) << flag;
  }
}

TEST(ExitCode, IsTwoForWrongUsageAndNothingIsCreated) {
  const TempFolder folder;
  fs::create_directory(folder.path("home"));
  const std::vector<std::vector<std::string>> table = {{},
                                                       {"start"},
                                                       {"serve", "--port", "1"},
                                                       {"serve", "--http", "0.0.0.0:0"},
                                                       {"serve", "--http", "127.evil.example:0"},
                                                       {"serve", "--http", "[::]:0"},
                                                       {"serve", "--http", "127.0.0.1"},
                                                       {"serve", "--http", "127.0.0.1:99999"},
                                                       {"serve", "--durability", "none"},
                                                       {"serve", "--lease", "1"},
                                                       {"serve", "--lease", "1ms"},
                                                       {"serve", "--retention", "31d"},
                                                       {"serve", "--sync-interval", "0ms"},
                                                       {"serve", "--audit", "maybe"},
                                                       {"serve", "--footprint", "tiny"},
                                                       {"serve", "--data"},
                                                       {"serve", "now"}};
  for (const std::vector<std::string>& args : table) {
    const Ended ended = Program::Run(args, folder.path("home"));
    EXPECT_EQ(ended.code, 2) << (args.empty() ? "none" : args.back()) << ended.err;
    EXPECT_NE(ended.err, "") << "says what is wrong";
    EXPECT_EQ(ended.out, "");
  }
  EXPECT_TRUE(fs::is_empty(folder.path("home")));
}

TEST(ExitCode, IsOneWhenItCannotRun) {
  const TempFolder folder;
  WriteFile(folder.path("file"), "");
  const Ended ended =
      Program::Run({"serve", "--http", "127.0.0.1:0", "--data", folder.path("file")});
  EXPECT_EQ(ended.code, 1) << ended.err;
  EXPECT_TRUE(Says(ended, folder.path("file"))) << ended.err;
}

// A start in vain once left a new data folder behind: the store was opened first.
TEST(ExitCode, IsFourWhenThePortIsInUseAndNoFolderIsMade) {
  const OncedInAFolder here;
  const TempFolder other;
  const std::string port = std::to_string(here.program.port());
  const Ended ended =
      Program::Run({"serve", "--http", "127.0.0.1:" + port, "--data", other.path("data")});
  EXPECT_EQ(ended.code, 4) << ended.err;
  EXPECT_TRUE(Says(ended, "port is in use")) << ended.err;
  EXPECT_FALSE(fs::exists(other.path("data")));
  EXPECT_EQ(here.Get("/livez").status, 200);
}

TEST(ExitCode, IsFourWhenTheFolderIsInUse) {
  const OncedInAFolder here;
  for (const std::vector<std::string>& args : std::vector<std::vector<std::string>>{
           {"serve", "--http", "127.0.0.1:0"}, {"clock", "accept"}}) {
    std::vector<std::string> all = args;
    all.insert(all.end(), {"--data", here.folder.path()});
    const Ended ended = Program::Run(all);
    EXPECT_EQ(ended.code, 4) << ended.err;
    EXPECT_TRUE(Says(ended, here.folder.path())) << ended.err;
  }
  EXPECT_EQ(here.Get("/livez").status, 200);
}

TEST(ExitCode, Is65WhenTheHighWaterFileIsDamaged) {
  const TempFolder folder;
  const std::string mark = folder.path() + "/high-water";
  std::string fence;
  {
    Program program(folder.path());
    fence = program.Ask("POST", "/v1/claim", "{\"key\":\"k\"}").Field("/fence");
    EXPECT_EQ(program.Stop().code, 0);
  }
  std::string whole = ReadFile(mark);
  const std::string damaged[] = {"", std::string(whole.size(), '\0'), whole.substr(0, 100)};
  const std::vector<std::string> serve = {"serve", "--http", "127.0.0.1:0", "--data",
                                          folder.path()};
  for (const std::string& bytes : damaged) {
    WriteFile(mark, bytes);
    const Ended ended = Program::Run(serve);
    EXPECT_EQ(ended.code, 65) << ended.err;
    EXPECT_TRUE(Says(ended, "high-water")) << ended.err;
    EXPECT_TRUE(Says(ended, "--accept-data-loss")) << ended.err;
  }
  fs::remove(mark);
  EXPECT_EQ(Program::Run(serve).code, 65);
  const Program accepted(folder.path(), {"--accept-data-loss"});
  EXPECT_EQ(accepted.Ask("GET", "/v1/keys/k").Field("/state"), "in_flight");
  EXPECT_GT(accepted.Ask("POST", "/v1/claim", "{\"key\":\"new\"}").Field("/fence"), fence);
}

TEST(ExitCode, Is65WhenALogEndsBelowTheMark) {
  const TempFolder folder;
  std::string last;
  {
    Program program(folder.path());
    Client client = program.Connect();
    for (int i = 0; i < 200; ++i) {
      const HttpAnswer won =
          client.Ask("POST", "/v1/claim", Json("{'key':'k" + std::to_string(i) + "'}"));
      ASSERT_EQ(won.status, 201);
      last = won.Field("/fence");
    }
    const uint64_t durable =
        std::stoull(client.Ask("GET", "/v1/status").Field("/durable_sequence"));
    ASSERT_TRUE(Eventually([&] { return SyncedMark(folder.path()) >= durable; }));
    program.Kill();
  }
  uintmax_t cut = 0;
  for (const auto& entry : fs::directory_iterator(folder.path() + "/db")) {
    if (entry.path().extension() != ".log" || entry.file_size() < 4'000) continue;
    cut += entry.file_size() / 2;
    fs::resize_file(entry.path(), entry.file_size() / 2);
  }
  ASSERT_GT(cut, 0u);
  for (int i = 0; i < 2; ++i) {  // a refusal changes nothing that the next start would miss
    const Ended ended = Program::Run({"serve", "--http", "127.0.0.1:0", "--data", folder.path()});
    EXPECT_EQ(ended.code, 65) << ended.err;
    EXPECT_TRUE(Says(ended, "synced data is missing")) << ended.err;
  }
  const Program accepted(folder.path(), {"--accept-data-loss"});
  EXPECT_EQ(accepted.Ask("GET", "/v1/keys/k0").Field("/state"), "in_flight");
  EXPECT_EQ(accepted.Ask("GET", "/v1/keys/k199").status, 404);
  EXPECT_GT(accepted.Ask("POST", "/v1/claim", "{\"key\":\"new\"}").Field("/fence"), last);
}

TEST(ClockAccept, WorksOnAStoppedFolder) {
  const TempFolder folder;
  {
    Program program(folder.path());
    EXPECT_EQ(program.Stop().code, 0);
  }
  EXPECT_EQ(Program::Run({"clock", "accept", "--data", folder.path()}).code, 0);
  const Program program(folder.path());
  EXPECT_EQ(program.Ask("GET", "/readyz").status, 200);
}

// A story: with nothing open below 3, lines of the log were written into the high-water file.
TEST(Lifecycle, WithoutAnyOpenFileWritesNoLineIntoItsData) {
  const TempFolder folder;
  const uint16_t port = FreePort();
  const std::string data = folder.path("data");
  {
    Child child({"/bin/bash", "-c", "exec \"$@\" 0<&- 1>&- 2>&-", "bash", ONCED_PROGRAM, "serve",
                 "--data", data, "--access-log", "all", "--http",
                 "127.0.0.1:" + std::to_string(port)});
    EXPECT_TRUE(Eventually([&] { return Client(port).Ask("GET", "/readyz").status == 200; }));
    for (int i = 0; i < 30; ++i) {
      EXPECT_EQ(Client(port).Ask("GET", "/v1/keys/k").status, 404);
    }
    EXPECT_EQ(Client(port).Ask("POST", "/v1/complete", R"({"key":"k"})").status, 200);
  }
  for (const char* file : {"high-water", "onced.lock"}) {
    EXPECT_EQ(ReadFile(folder.path("data/") + file).find("\"ts\""), std::string::npos) << file;
  }
  const Program again(data);
  EXPECT_EQ(again.Ask("GET", "/v1/keys/k").status, 200);
}

}  // namespace
}  // namespace onced
