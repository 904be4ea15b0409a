// SPDX-License-Identifier: MIT
// `onced check`: what would keep `serve` from starting is told, all of it, and nothing is changed;
// and SIGHUP, which reads the same again.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "engine/data_folder.h"
#include "server/options.h"
#include "tests/program.h"
#include "tests/redis.h"

namespace onced {
namespace {

namespace fs = std::filesystem;

Ended Check(std::vector<std::string> flags) {
  flags.insert(flags.begin(), "check");
  return Program::Run(flags);
}

TEST(Check, FindsNothingWrongAndMakesNothing) {
  const TempFolder folder;
  WriteFile(folder.path("onced.toml"), "data = \"new/data\"\nhttp = \"127.0.0.1:0\"\n");
  const Ended ended = Check({"--config", folder.path("onced.toml")});
  EXPECT_EQ(ended.code, kExitOk) << ended.err;
  EXPECT_EQ(ended.out, "onced: " + folder.path("onced.toml") + " is valid\n");
  EXPECT_FALSE(fs::exists(folder.path("new")));
}

TEST(Check, TellsAllThatIsWrong) {
  const TempFolder folder;
  WriteFile(folder.path("plain"), "");
  const OncedInAFolder other;
  const std::string taken = "127.0.0.1:" + std::to_string(other.program.port());
  const Ended ended =
      Check({"--data", folder.path("plain"), "--http", taken, "--tls-cert", folder.path("no-cert"),
             "--tls-key", folder.path("no-cert"), "--tokens", folder.path("no-tokens")});
  EXPECT_EQ(ended.code, kExitUsage);
  for (const std::string& words : {"--data: " + folder.path("plain") + " is no folder", taken,
                                   folder.path("no-cert"), folder.path("no-tokens")}) {
    EXPECT_NE(ended.err.find(words), std::string::npos) << words << " is not in " << ended.err;
  }
  const Ended invalid = Check({"--lease", "5"});
  EXPECT_EQ(invalid.code, kExitUsage);
  EXPECT_NE(invalid.err.find("--lease: must be"), std::string::npos) << invalid.err;
}

// Who wrote a file looks for what is wrong there, not for a flag.
TEST(Check, TellsOfFilesByThePlaceThatNamesThem) {
  const TempFolder folder;
  const std::string config = folder.path("onced.toml");
  WriteFile(folder.path("no.pem"), "none");
  WriteFile(config,
            "http = \"127.0.0.1:0\"\ntls_cert = \"no.pem\"\ntls_key = \"no.pem\"\n"
            "tokens = \"missing.toml\"\n");
  const Ended ended = Program::Run({"check", "--config", config, "--data", folder.path("data")});
  EXPECT_EQ(ended.code, kExitUsage);
  EXPECT_NE(ended.err.find(config + ":2:12: tls_cert: "), std::string::npos) << ended.err;
  EXPECT_NE(ended.err.find(config + ":4:10: tokens: "), std::string::npos) << ended.err;
  const Ended served = Program::Run({"serve", "--config", config, "--data", folder.path("data")});
  EXPECT_EQ(served.code, kExitUsage);
  EXPECT_NE(served.err.find(config + ":2:12: tls_cert: "), std::string::npos) << served.err;
}

TEST(Check, TellsOfTwoDoorsOnOneAddress) {
  const TempFolder folder;
  const std::string config = folder.path("onced.toml");
  WriteFile(config, "http = \"127.0.0.1:7100\"\nredis = \"127.0.0.1:7100\"\n");
  const Ended ended = Program::Run({"check", "--config", config, "--data", folder.path("data")});
  EXPECT_EQ(ended.code, kExitUsage);
  EXPECT_NE(ended.err.find(config + ":2:9: redis: 127.0.0.1:7100 is also that of " + config +
                           ":1:8: http"),
            std::string::npos)
      << ended.err;
}

TEST(Check, TellsEveryPortThatIsTaken) {
  const OncedInAFolder other({"--redis", "127.0.0.1:0"});
  const TempFolder folder;
  const std::string api = "127.0.0.1:" + std::to_string(other.program.port());
  const std::string redis = "127.0.0.1:" + std::to_string(RedisPortOf(other.program));
  const Ended ended = Check({"--data", folder.path("new"), "--http", api, "--redis", redis});
  EXPECT_EQ(ended.code, kExitUsage);
  EXPECT_NE(ended.err.find("listen on " + api), std::string::npos) << ended.err;
  EXPECT_NE(ended.err.find("listen on " + redis), std::string::npos) << ended.err;
  // One port for two doors.
  const std::string twice = "127.0.0.1:" + std::to_string(FreePort());
  EXPECT_EQ(Check({"--data", folder.path("new"), "--http", twice, "--redis", twice}).code,
            kExitUsage);
}

TEST(Check, LooksIntoTheFolder) {
  const TempFolder folder;
  const std::string data = folder.path("data");
  const auto expect = [&](const std::string& words) {
    const Ended ended = Check({"--data", data, "--http", "127.0.0.1:0"});
    EXPECT_EQ(ended.code, words.empty() ? kExitOk : kExitUsage) << ended.err;
    EXPECT_NE(ended.err.find(words), std::string::npos) << words << " is not in " << ended.err;
  };
  fs::create_symlink(folder.path("nowhere"), data);
  expect("is a link to what is not there");
  fs::remove(data);
  {
    Program program(data);
    EXPECT_EQ(program.Ask("POST", "/v1/claim", "{\"key\":\"k\"}").status, 201);
    EXPECT_EQ(program.Stop().code, kExitOk);
  }
  expect("");
  fs::rename(data + "/db/CURRENT", folder.path("CURRENT"));
  expect("the file CURRENT is missing");
  fs::rename(folder.path("CURRENT"), data + "/db/CURRENT");
  fs::rename(data + "/high-water", folder.path("high-water"));
  expect("high-water");
  fs::rename(folder.path("high-water"), data + "/high-water");
  fs::rename(data + "/db", folder.path("db"));
  expect("there is no database, and there was one");
  fs::rename(folder.path("db"), data + "/db");
  fs::remove(data + "/onced.lock");
  fs::create_directory(data + "/onced.lock");
  expect("onced.lock: is no file");
  fs::remove(data + "/onced.lock");
  expect("");
  Program program(data);
  EXPECT_EQ(program.Ask("GET", "/v1/keys/k").status, 200) << "nothing of it was changed";
}

// A start while the folder is read, as `onced verify` does, is told so.
TEST(Check, AStartIsToldWhoReadsTheFolder) {
  const TempFolder folder;
  { const Program program(folder.path()); }
  const Result<std::shared_ptr<void>> reader = DataFolder::KeepStill(folder.path());
  ASSERT_TRUE(reader.ok());
  const std::vector<std::string> serve = {"serve", "--http", "127.0.0.1:0", "--data",
                                          folder.path()};
  const Ended refused = Program::Run(serve);
  EXPECT_EQ(refused.code, kExitInUse);
  EXPECT_NE(refused.err.find("it is being read, by `onced verify`"), std::string::npos)
      << refused.err;
}

// Who checks a new file before a restart has the old one running, on the ports that it names.
TEST(Check, DoesNotStumbleOverTheOneThatRuns) {
  const OncedInAFolder here;
  const std::vector<std::string> flags = {"--data", here.folder.path(), "--http",
                                          "127.0.0.1:" + std::to_string(here.program.port())};
  const Ended ended = Check(flags);
  EXPECT_EQ(ended.code, kExitOk) << ended.err;
  EXPECT_NE(ended.out.find("its ports were not tried"), std::string::npos) << ended.out;
  EXPECT_EQ(here.program.Ask("GET", "/v1/keys").status, 200);
}

TEST(Reload, RefusesAnInvalidFileAndTellsWhatWaitsForAStart) {
  const TempFolder folder;
  const std::string file = folder.path("onced.toml");
  WriteFile(file, "lease = \"5s\"\n");
  Program program(folder.path(), {"--config", file});
  const auto reload = [&](const std::string& text, const std::string& words) {
    WriteFile(file, text);
    program.Signal(SIGHUP);
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (program.Said().find(words) == std::string::npos) {
      ASSERT_LT(std::chrono::steady_clock::now(), until)
          << words << " is not in " << program.Said();
    }
  };
  reload("lease = 5\n", "onced.toml:1:9: lease: must be a string");
  reload("lease = 5\n", "the options stay as they were");
  reload("lease = \"6s\"\naudit = false\n", "at the next start it changes: lease, audit");
  reload("lease = \"5s\"\n[gateway]\ntrusted_proxies = [\"10.0.0.1\"]\n", "it changes: [gateway]");
  EXPECT_EQ(program.Ask("GET", "/.well-known/idempotency").Field("/defaults/lease_ms"), "5000")
      << "what it was started with";
  EXPECT_EQ(program.Stop().code, kExitOk);
}

}  // namespace
}  // namespace onced
