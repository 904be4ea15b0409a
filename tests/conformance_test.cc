// SPDX-License-Identifier: MIT
// The conformance vectors (tests/conformance) against the real gateway: crashes, expiry and
// decisions included, so that none is skipped.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "tests/child.h"
#include "tests/gateway.h"

namespace onced {
namespace {

std::string At(uint16_t port) { return "http://127.0.0.1:" + std::to_string(port); }

// tests/conformance with `args`.
struct Conformance : Child {
  explicit Conformance(std::vector<std::string> args) : Child(With(std::move(args))) {}
  static std::vector<std::string> With(std::vector<std::string> args) {
    args.insert(args.begin(), ONCED_CONFORMANCE);
    return args;
  }
};

// onced before the vectors' own upstream. A vector that wants a crash puts a file there, and waits
// until another says that onced is back: at the same port of the gateway, though not of the API,
// which no vector asks after a crash.
struct Subject {
  explicit Subject(const std::string& route) : upstream(FreePort()), gateway(FreePort()) {
    WriteFile(
        folder.path("onced.toml"),
        "[[gateway.upstream]]\nname = \"vectors\"\nurl = \"" + At(upstream) + "\"\n" +
            kPatientBreaker +
            "[[gateway.route]]\nname = \"default\"\nprefix = \"/\"\nupstream = \"vectors\"\n" +
            route);
    Start();
  }
  void Start() {
    program = std::make_unique<Program>(
        folder.path(), std::vector<std::string>{"--durability", "os", "--gateway",
                                                "127.0.0.1:" + std::to_string(gateway), "--config",
                                                folder.path("onced.toml")});
  }
  // Of tests/conformance: its exit code, and what it said.
  Ended Run(const std::vector<std::string>& more) {
    const std::string crash = folder.path("crash"), back = folder.path("back");
    const std::string wait = "until [ -e " + back + " ]; do sleep 0.01; done; rm " + back;
    std::vector<std::string> args = {"--base-url",        At(gateway),
                                     "--serve-upstream",  std::to_string(upstream),
                                     "--restart-command", "touch " + crash + "; " + wait};
    args.insert(args.end(), more.begin(), more.end());
    Conformance conformance(args);
    const auto ended = [&] {
      if (std::filesystem::remove(crash)) {
        program->Kill();
        Start();
        WriteFile(back, "");
      }
      return conformance.Ended();
    };
    for (int i = 0; i < 6 && !Eventually(ended); ++i) {
    }
    EXPECT_TRUE(conformance.Ended());
    return {.code = conformance.code(), .out = conformance.Said(), .err = ""};
  }

  TempFolder folder;
  const uint16_t upstream, gateway;
  std::unique_ptr<Program> program;
};

TEST(Conformance, TheGatewayMeetsEveryVector) {
  Subject subject("");
  std::vector<std::string> more = {"--api-url", At(subject.program->port())};
  // There nobody can know that a process is gone: its run is in flight until the lease ends.
  if (KeepsFoldersElsewhere()) more.insert(more.end(), {"--except", "crash-under-a-run"});
  const Ended all = subject.Run(more);
  std::printf("%s", all.out.c_str());
  EXPECT_EQ(all.code, 0);
  // That one is of expiry, below.
  EXPECT_NE(all.out.find("0 failed, 1 skipped"), std::string::npos) << all.out;
}

TEST(Conformance, TheGatewayMeetsTheVectorsOfExpiry) {
  Subject subject("retention = \"1s\"");
  const Ended expiry = subject.Run({"--only", "expired", "--ttl", "1"});
  EXPECT_EQ(expiry.code, 0) << expiry.out;
  EXPECT_NE(expiry.out.find("1 ok, 0 failed, 0 skipped"), std::string::npos) << expiry.out;
}

// A vector that anybody meets says nothing.
TEST(Conformance, AServiceAloneMeetsHardlyAny) {
  const uint16_t port = FreePort();
  Conformance alone(
      {"--base-url", At(port), "--serve-upstream", std::to_string(port), "--level", "core"});
  for (int i = 0; i < 6 && !Eventually([&] { return alone.Ended(); }); ++i) {
  }
  ASSERT_TRUE(alone.Ended());
  EXPECT_EQ(alone.code(), 1);
  const std::string said = alone.Said();
  for (const char* name : {"no-key", "keys-are-apart", "get-ignores-the-key", "busy-is-released"}) {
    EXPECT_NE(said.find(std::string("ok       ") + name), std::string::npos) << said;
  }
  EXPECT_NE(said.find("\n4 ok"), std::string::npos) << said;
}

}  // namespace
}  // namespace onced
