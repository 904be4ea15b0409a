// SPDX-License-Identifier: MIT
// What /readyz says, check by check: how it is asked, what makes each of them fail, that the probe
// waits for nothing itself, and that it is ready again when what failed is over.
#include "server/web/readiness.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <utility>
#include <vector>

#include "tests/program.h"
#include "tests/slow_disk.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// The names of those that failed, with commas between them.
std::string Failed(const std::vector<ReadyCheck>& checks) {
  std::string failed;
  for (const ReadyCheck& check : checks) {
    if (check.state != ReadyCheck::State::kFailed) continue;
    failed += (failed.empty() ? "" : ",") + std::string(check.name);
  }
  return failed;
}

TEST(Readiness, IsJudgedByWhatWasNoted) {
  const milliseconds just = kDiskPatience - milliseconds(1);
  const struct {
    StoreReadiness store;
    const char* failed;
  } table[] = {{{}, ""},
               {{.in_sync = just, .since_read = just}, ""},
               {{.in_sync = kDiskPatience}, "log_sync"},
               {{.since_read = kDiskPatience}, "storage_read"},
               {{.read_failed = true}, "storage_read"},
               {{.writes_stopped = true}, "storage_write"},
               {{.writes_parked = true}, "storage_write"},
               {{.space_low = true}, "disk_space"},
               {{.clock_in_doubt = true}, ""}};
  for (const auto& [store, failed] : table) {
    EXPECT_EQ(Failed(ReadyChecks(store, false)), failed);
    const std::string draining = std::string(failed) + (*failed == '\0' ? "" : ",") + "draining";
    EXPECT_EQ(Failed(ReadyChecks(store, true)), draining);
  }
  const Answer warned =
      ReadyAnswer(ReadyChecks({.clock_in_doubt = true}, false), {.verbose = true});
  EXPECT_EQ(warned.status, 200);
  EXPECT_NE(warned.body.find("[!]clock in doubt\n"), std::string::npos) << warned.body;
}

TEST(Readiness, IsAskedInManyWays) {
  const OncedInAFolder here;
  const std::string all =
      "ok\n[+]recovering ok\n[+]storage_read ok\n[+]storage_write ok\n[+]log_sync ok\n"
      "[+]disk_space ok\n[+]draining ok\n[+]clock ok\n";
  for (const char* path : {"/readyz", "/healthz"}) {
    const std::string target = path;
    EXPECT_EQ(here.Get(target).body, "ok\n");
    EXPECT_EQ(here.Get(target + "?verbose").body, all);
    EXPECT_EQ(here.Get(target + "?verbose&exclude=disk_space,clock,draining").body,
              "ok\n[+]recovering ok\n[+]storage_read ok\n[+]storage_write ok\n[+]log_sync ok\n");
    EXPECT_EQ(here.Get(target + "?exclude=").status, 200);
    for (const char* wrong : {"nothing", "clock,clock", "clock,,", "Clock", "%0a"}) {
      EXPECT_EQ(here.Get(target + "?exclude=" + wrong).status, 400) << wrong;
    }
    const HttpAnswer json =
        here.program.Ask("GET", target, "", {{"Accept", "text/html, application/json;q=0.9"}});
    EXPECT_EQ(json.status, 200);
    EXPECT_EQ(json.Header("Content-Type"), "application/json");
    EXPECT_EQ(json.Field("/ready"), "true");
    EXPECT_EQ(json.Count("/checks"), 7u);
    EXPECT_EQ(json.Field("/checks/3/name"), "log_sync");
    EXPECT_EQ(json.Field("/checks/3/state"), "ok");
  }
  for (const char* name : {"recovering", "storage_read", "storage_write", "log_sync", "disk_space",
                           "draining", "clock"}) {
    const std::string target = std::string("/readyz/") + name;
    EXPECT_EQ(here.Get(target).body, "ok\n");
    EXPECT_EQ(here.Get(target + "?verbose").body, "ok\n[+]" + std::string(name) + " ok\n");
    EXPECT_EQ(here.program.Ask("HEAD", target).status, 200);
  }
  for (const char* none : {"/readyz/", "/readyz/none", "/readyz/clock/x", "/readyz/log%5Fsyn"}) {
    EXPECT_EQ(here.Get(none).status, none == std::string("/readyz/") ? 200 : 404) << none;
  }
}

// By a client of its own every time: a probe that hangs is a failure, not a wait.
HttpAnswer Probe(const HeldProgram& program, const std::string& target) {
  Client client = program->Connect();
  EXPECT_TRUE(client.Send(RequestText("GET", target)));
  return client.Receive(seconds(2));
}

// The check fails within its time, alone, while the process is told to live; and is over again.
void ExpectFailure(HeldProgram& program, const std::string& name) {
  const auto began = std::chrono::steady_clock::now();
  EXPECT_TRUE(Eventually([&] { return Probe(program, "/readyz").status == 503; }));
  const auto took = std::chrono::steady_clock::now() - began;
  EXPECT_LT(took, kDiskPatience + seconds(5));
  EXPECT_TRUE(Probe(program, "/readyz").body.starts_with("not ready\n[-]" + name + " failed: "));
  EXPECT_EQ(Probe(program, "/readyz/" + name).status, 503);
  EXPECT_EQ(Probe(program, "/readyz?exclude=" + name).status, 200) << "no other fails with it";
  EXPECT_EQ(Probe(program, "/livez").status, 200);
  program.LetGo();
  EXPECT_TRUE(Eventually([&] { return Probe(program, "/readyz").status == 200; }));
}

TEST(Readiness, SaysThatASyncHangs) {
  HeldProgram program;
  program.Hold();
  Client waits = program->Connect();
  EXPECT_TRUE(waits.Send(RequestText("POST", "/v1/claim", Json("{'key':'k'}"))));
  EXPECT_TRUE(Eventually([&] { return program.IsHeld(); }));
  EXPECT_EQ(Probe(program, "/readyz").status, 200) << "a sync may take a moment";
  ExpectFailure(program, "log_sync");
  EXPECT_EQ(waits.Receive().status, 201);
}

TEST(Readiness, SaysThatAReadHangs) {
  HeldProgram program({}, "ONCED_HOLD_READ");
  program.Hold();
  EXPECT_TRUE(Eventually([&] { return program.IsHeld(); }));
  EXPECT_EQ(Probe(program, "/readyz").status, 200) << "a read may take a moment";
  ExpectFailure(program, "storage_read");
}

// A story: with more claims in a write that hung than there were threads, a probe was not read.
TEST(Readiness, IsToldWhileWritesHang) {
  HeldProgram program({}, "ONCED_HOLD_WRITE");
  program.Hold();
  std::vector<Client> claims;
  for (int i = 0; i < 40; ++i) {
    claims.push_back(program->Connect());
    EXPECT_TRUE(claims.back().Send(
        RequestText("POST", "/v1/claim", Json("{'key':'k" + std::to_string(i) + "'}"))));
  }
  EXPECT_TRUE(Eventually([&] { return program.IsHeld(); }));
  for (const char* probe : {"/livez", "/readyz?verbose", "/readyz/draining", "/healthz"}) {
    EXPECT_NE(Probe(program, probe).status, 0) << probe;
  }
  program.LetGo();
  for (Client& claim : claims) EXPECT_EQ(claim.Receive().status, 201);
}

// What comes back is not what was written. With the next mark that is written it is whole again.
TEST(Readiness, SaysThatTheMarkCannotBeRead) {
  const OncedInAFolder here;
  ASSERT_EQ(truncate((here.folder.path() + "/high-water").c_str(), 0), 0);
  EXPECT_TRUE(Eventually([&] { return here.Get("/readyz/storage_read").status == 503; }));
  EXPECT_EQ(here.Get("/livez").status, 200);
  here.Claim("k");
  EXPECT_TRUE(Eventually([&] { return here.Get("/readyz/storage_read").status == 200; }));
}

}  // namespace
}  // namespace onced
