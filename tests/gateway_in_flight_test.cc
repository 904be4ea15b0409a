// SPDX-License-Identifier: MIT
// While a run is under way: duplicates attach to it and are woken by its end, others are told to
// come back; it belongs to onced and not to the client who asked; and when onced itself dies under
// it, it says at once that it does not know.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/gateway.h"

namespace onced {
namespace {

using std::chrono::steady_clock;

// A run of "k" that has come to the upstream and waits there, answered with "paid 1".
struct RunUnderWay {
  explicit RunUnderWay(const GatewayLines& lines = {}) : here(lines) {
    here.upstream.Once("/pay", Script().Wait(latch).Send(AnswerText(200, "paid 1")));
    client = here.Begin("k");
    EXPECT_TRUE(latch->Reached());
  }
  bool Attached(size_t count) const {
    return Eventually([&] {
      return here.program->Ask("GET", "/v1/status").Field("/waiters") == std::to_string(count);
    });
  }

  std::shared_ptr<Latch> latch = MakeLatch();
  GatewayInAFolder here;
  Client client{0};
};

TEST(GatewayInFlight, DuplicatesAttachAndAreWoken) {
  RunUnderWay run({.route = "wait = \"30s\"", .upstream = "", .gateway = ""});
  std::vector<Client> duplicates;
  for (int i = 0; i < 20; ++i) duplicates.push_back(run.here.Begin("k"));
  ASSERT_TRUE(run.Attached(20));
  EXPECT_EQ(run.here.State("k"), "in_flight");
  run.latch->Open();
  const HttpAnswer first = run.client.Receive();
  EXPECT_EQ(first.body, "paid 1");
  ExpectCreated(first, "k");
  for (Client& duplicate : duplicates) ExpectReplay(duplicate.Receive(), first, "attached");
  ExpectReplay(run.here.Post("k"), first);
  EXPECT_EQ(run.here.upstream.hits(), 1u);
}

TEST(GatewayInFlight, WhoPrefersNotToWaitIsToldToComeBack) {
  RunUnderWay run;
  const HttpAnswer busy = run.here.Post("k", "/pay", "{}", {{"Prefer", "wait=0"}});
  ExpectProblem(busy, 409, "idempotency_in_flight");
  EXPECT_EQ(busy.Field("/title"), "A request is outstanding for this Idempotency-Key");
  EXPECT_EQ(busy.Header("Preference-Applied"), "wait=0");
  const std::string retry = busy.Header("Retry-After");
  ASSERT_FALSE(retry.empty());
  EXPECT_GE(std::stoi(retry), 1);
  EXPECT_LE(std::stoi(retry), 30);
}

TEST(GatewayInFlight, WhoPrefersToWaitLongerDoes) {
  RunUnderWay run({.route = "wait = \"0s\"", .upstream = "", .gateway = ""});
  ExpectProblem(run.here.Post("k"), 409, "idempotency_in_flight");
  Client patient = run.here.Begin("k", "/pay", "{}", {{"Prefer", "respond-async, wait=20"}});
  ASSERT_TRUE(run.Attached(1));
  run.latch->Open();
  const HttpAnswer answer = patient.Receive();
  EXPECT_EQ(answer.body, "paid 1");
  EXPECT_EQ(answer.Header("Preference-Applied"), "wait=20");
  EXPECT_EQ(answer.Header("Idempotency-Status"), "attached");
}

TEST(GatewayInFlight, ADuplicateWaitsNoLongerThanItsRouteSays) {
  RunUnderWay run({.route = "wait = \"200ms\"", .upstream = "", .gateway = ""});
  const auto begun = steady_clock::now();
  ExpectProblem(run.here.Post("k"), 409, "idempotency_in_flight");
  EXPECT_GE(steady_clock::now() - begun, std::chrono::milliseconds(200));
}

TEST(GatewayInFlight, AnotherRequestUnderTheKeyIsRefusedAtOnce) {
  RunUnderWay run({.route = "wait = \"30s\"", .upstream = "", .gateway = ""});
  ExpectProblem(run.here.Post("k", "/pay", "{\"other\":1}"), 422, "idempotency_conflict");
  run.latch->Open();
  EXPECT_EQ(run.client.Receive().body, "paid 1");
}

TEST(GatewayInFlight, TheRunGoesOnWhenItsClientHangsUp) {
  RunUnderWay run;
  run.client.HangUp();
  run.latch->Open();
  ASSERT_TRUE(Eventually([&] { return run.here.State("k") == "completed"; }));
  const HttpAnswer replay = run.here.Post("k");
  EXPECT_EQ(replay.body, "paid 1");
  EXPECT_EQ(replay.Header("Idempotent-Replayed"), "true");
  EXPECT_EQ(run.here.upstream.hits(), 1u);
}

TEST(GatewayInFlight, ADuplicateAttachesToTheRunOfAClientThatHungUp) {
  RunUnderWay run({.route = "wait = \"30s\"", .upstream = "", .gateway = ""});
  run.client.HangUp();
  Client duplicate = run.here.Begin("k");
  ASSERT_TRUE(run.Attached(1));
  run.latch->Open();
  EXPECT_EQ(duplicate.Receive().body, "paid 1");
  EXPECT_EQ(run.here.upstream.hits(), 1u);
}

TEST(GatewayInFlight, WhoHangsUpWhileWaitingHarmsNobody) {
  RunUnderWay run({.route = "wait = \"30s\"", .upstream = "", .gateway = ""});
  {
    std::vector<Client> duplicates;
    for (int i = 0; i < 10; ++i) duplicates.push_back(run.here.Begin("k"));
    ASSERT_TRUE(run.Attached(10));
    for (Client& duplicate : duplicates) duplicate.HangUp();
  }
  EXPECT_TRUE(run.Attached(0));
  run.latch->Open();
  EXPECT_EQ(run.client.Receive().body, "paid 1");
}

TEST(GatewayInFlight, DuplicatesOfARunThatIsReleasedRunOneAfterTheOther) {
  GatewayInAFolder here({.route = "wait = \"30s\"", .upstream = kPatientBreaker, .gateway = ""});
  const auto latch = MakeLatch();
  here.upstream.Once("/pay", Script().Wait(latch).Send(AnswerText(503, "not now")));
  Client first = here.Begin("k");
  ASSERT_TRUE(latch->Reached());
  std::vector<Client> duplicates;
  for (int i = 0; i < 5; ++i) duplicates.push_back(here.Begin("k"));
  ASSERT_TRUE(
      Eventually([&] { return here.program->Ask("GET", "/v1/status").Field("/waiters") == "5"; }));
  latch->Open();
  EXPECT_EQ(first.Receive().status, 503);
  for (Client& duplicate : duplicates) EXPECT_EQ(duplicate.Receive().body, "POST /pay 2\n");
  EXPECT_EQ(here.upstream.hits(), 2u);
}

TEST(GatewayInFlight, DuplicatesOfARunThatBreaksOffHearThatNobodyKnows) {
  GatewayInAFolder here({.route = "wait = \"30s\"", .upstream = "", .gateway = ""});
  const auto latch = MakeLatch();
  here.upstream.On("/pay", Script().Wait(latch).Reset());
  Client first = here.Begin("k");
  ASSERT_TRUE(latch->Reached());
  Client duplicate = here.Begin("k");
  ASSERT_TRUE(
      Eventually([&] { return here.program->Ask("GET", "/v1/status").Field("/waiters") == "1"; }));
  latch->Open();
  ExpectProblem(first.Receive(), 409, "idempotency_outcome_unknown");
  ExpectProblem(duplicate.Receive(), 409, "idempotency_outcome_unknown");
  EXPECT_EQ(here.upstream.hits(), 1u);
}

TEST(GatewayInFlight, ARunOutlivesItsLease) {
  RunUnderWay run({.route = "lease = \"300ms\"\nwait = \"0s\"", .upstream = "", .gateway = ""});
  const auto until = steady_clock::now() + std::chrono::milliseconds(1'200);
  while (steady_clock::now() < until) {
    ExpectProblem(run.here.Post("k"), 409, "idempotency_in_flight");
  }
  run.latch->Open();
  EXPECT_EQ(run.client.Receive().body, "paid 1");
  EXPECT_EQ(run.here.upstream.hits(), 1u);
}

TEST(GatewayInFlight, WhatOncedDiedUnderIsUnknownAtTheNextStart) {
  RunUnderWay run({.route = "lease = \"1h\"", .upstream = "", .gateway = ""});
  run.here.Crash();
  ExpectProblem(run.here.Post("k"), 409, "idempotency_outcome_unknown");
  EXPECT_EQ(run.here.State("k"), "unknown");
  EXPECT_EQ(run.here.upstream.hits(), 1u);
  EXPECT_EQ(run.here.Resolve("k", "released").status, 200);
  EXPECT_EQ(run.here.Post("k").body, "POST /pay 2\n");
}

TEST(GatewayInFlight, ACrowdOfDuplicatesIsOneHit) {
  RunUnderWay run({.route = "wait = \"30s\"", .upstream = "", .gateway = ""});
  std::vector<Client> crowd;
  for (int i = 0; i < 400; ++i) crowd.push_back(run.here.Begin("k"));
  ASSERT_TRUE(run.Attached(400));
  run.latch->Open();
  const HttpAnswer first = run.client.Receive();
  for (Client& one : crowd) EXPECT_EQ(one.Receive().body, first.body);
  EXPECT_EQ(run.here.upstream.hits(), 1u);
}

}  // namespace
}  // namespace onced
