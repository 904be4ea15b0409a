// SPDX-License-Identifier: MIT
// `onced check`: what would keep `serve` from starting is told, all of it, and nothing is changed;
// and SIGHUP, which reads the same again.
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "server/options.h"
#include "tests/program.h"

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
