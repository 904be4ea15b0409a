// SPDX-License-Identifier: MIT
// Waiting for somebody else's run over the wire: it holds no thread, keeps nobody from completing,
// ends when the run does, and is forgotten with its client.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "tests/program.h"

namespace onced {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::string ClaimRequest(const std::string& key, int wait_ms, const std::string& more = "") {
  return RequestText(
      "POST", "/v1/claim",
      Json("{'key':'" + key + "','wait_ms':" + std::to_string(wait_ms) + more + "}"));
}

std::string WithFence(const std::string& key, const std::string& fence) {
  return "{'key':'" + key + "','fence':'" + fence + "'}";
}

// So many clients who have asked to wait for `key`, and stand in line.
std::vector<Client> Line(const OncedInAFolder& here, const std::string& key, size_t count) {
  std::vector<Client> line;
  for (size_t i = 0; i < count; ++i) {
    line.push_back(here.program.Connect());
    line.back().Send(ClaimRequest(key, 30'000));
    // One after the other, so that the test knows who is the oldest.
    EXPECT_TRUE(count >= 10 || here.Waiting(i + 1));
  }
  EXPECT_TRUE(here.Waiting(count));
  return line;
}

TEST(WaitingClaim, GetsTheReplayWhenTheRunIsCompleted) {
  const OncedInAFolder here;
  const std::string fence = here.Claim("k");
  std::vector<Client> line = Line(here, "k", 1);
  EXPECT_EQ(here.Complete("k", fence, "{\"a\":1}").status, 200);
  const HttpAnswer answer = line[0].Receive();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.Field("/outcome"), "replay");
  EXPECT_EQ(answer.Field("/result/a"), "1");
  EXPECT_TRUE(here.Waiting(0));
}

// The promise: 500 who wait never keep the one who completes from its answer.
TEST(WaitingClaim, OfFiveHundredNeverStarvesTheCompletingCall) {
  const OncedInAFolder here;
  const std::string fence = here.Claim("k", "'lease_ms':600000");
  std::vector<Client> line = Line(here, "k", 500);
  Client completer = here.program.Connect();
  EXPECT_EQ(completer.Ask("GET", "/livez").status, 200);
  const auto begun = steady_clock::now();
  const HttpAnswer completed = completer.Ask(
      "POST", "/v1/complete", Json("{'key':'k','fence':'" + fence + "','result':'for all'}"));
  const auto took = steady_clock::now() - begun;
  EXPECT_EQ(completed.status, 200) << completed.body;
  EXPECT_LT(took, milliseconds(100));
  for (Client& waiter : line) {
    const HttpAnswer answer = waiter.Receive();
    ASSERT_EQ(answer.status, 200) << answer.body;
    ASSERT_EQ(answer.Field("/result"), "for all");
  }
}

TEST(WaitingClaim, BeyondTheCapIsToldAtOnce) {
  const OncedInAFolder here;
  const std::string fence = here.Claim("k", "'lease_ms':600000");
  std::vector<Client> line = Line(here, "k", 1'000);
  for (int i = 0; i < 20; ++i) {
    Client late = here.program.Connect();
    late.Send(ClaimRequest("k", 30'000));
    ExpectProblem(late.Receive(), 409, "idempotency_in_flight");
  }
  Client completer = here.program.Connect();
  const auto begun = steady_clock::now();
  EXPECT_EQ(completer.Ask("POST", "/v1/complete", Json(WithFence("k", fence))).status, 200);
  EXPECT_LT(steady_clock::now() - begun, milliseconds(100));
  for (Client& waiter : line) ASSERT_EQ(waiter.Receive().Field("/outcome"), "replay");
}

TEST(WaitingClaim, IsHandedAReleasedKeyOneAtATimeOldestFirst) {
  const OncedInAFolder here;
  std::string fence = here.Claim("k");
  std::vector<Client> line = Line(here, "k", 3);
  for (Client& oldest : line) {
    here.Post("/v1/release", WithFence("k", fence));
    const HttpAnswer won = oldest.Receive();
    ASSERT_EQ(won.status, 201) << won.body;
    EXPECT_GT(won.Field("/fence"), fence);
    fence = won.Field("/fence");
    for (const Client& waiter : line) EXPECT_FALSE(waiter.HasInput()) << "one only";
  }
  EXPECT_TRUE(here.Waiting(0));
}

TEST(WaitingClaim, IsHandedALapsedKey) {
  const OncedInAFolder here;
  here.Claim("k", "'lease_ms':500");
  Client waiter = here.program.Connect();
  waiter.Send(ClaimRequest("k", 30'000));
  const HttpAnswer won = waiter.Receive();
  EXPECT_EQ(won.status, 201) << won.body;
  EXPECT_EQ(won.Field("/attempt"), "2");
}

TEST(WaitingClaim, IsToldOfAnOutcomeThatBecameUnknown) {
  const OncedInAFolder here;
  const std::string fence = here.Claim("marked");
  std::vector<Client> line = Line(here, "marked", 2);
  here.Post("/v1/mark-unknown", "{'key':'marked','fence':'" + fence + "'}");
  for (Client& waiter : line) {
    ExpectProblem(waiter.Receive(), 409, "idempotency_outcome_unknown");
  }
  here.Claim("lapsing", "'lease_ms':500,'on_lapse':'unknown'");
  Client waiter = here.program.Connect();
  waiter.Send(ClaimRequest("lapsing", 30'000));
  ExpectProblem(waiter.Receive(), 409, "idempotency_outcome_unknown");
}

TEST(WaitingClaim, GoesOnWaitingWhenAnotherOneWinsAForgottenKey) {
  const OncedInAFolder here;
  here.Claim("k");
  std::vector<Client> line = Line(here, "k", 2);
  EXPECT_EQ(here.Delete("/v1/keys/k?force=true").status, 204);
  EXPECT_TRUE(Eventually([&] { return line[0].HasInput() || line[1].HasInput(); }));
  EXPECT_TRUE(here.Waiting(1));
  const size_t winner = line[0].HasInput() ? 0 : 1;
  const HttpAnswer won = line[winner].Receive();
  ASSERT_EQ(won.status, 201) << won.body;
  here.Complete("k", won.Field("/fence"), "5");
  EXPECT_EQ(line[1 - winner].Receive().Field("/result"), "5");
}

TEST(WaitingClaim, EndsAtItsDeadlineAndNotBefore) {
  const OncedInAFolder here;
  here.Claim("k");
  Client waiter = here.program.Connect();
  const auto begun = steady_clock::now();
  waiter.Send(ClaimRequest("k", 400));
  const HttpAnswer answer = waiter.Receive();
  EXPECT_GE(steady_clock::now() - begun, milliseconds(400));
  ExpectProblem(answer, 409, "idempotency_in_flight");
  EXPECT_NE(answer.Header("Retry-After"), "");
  EXPECT_TRUE(here.Waiting(0));
  EXPECT_EQ(waiter.Ask("GET", "/livez").status, 200) << "the connection goes on";
}

TEST(WaitingClaim, DoesNotWaitForWhatIsDecided) {
  const OncedInAFolder here;
  here.Claim("k", "'fingerprint':'fp','claim_id':'mine'");
  Client client = here.program.Connect();
  client.Send(ClaimRequest("k", 30'000, ",'fingerprint':'other'"));
  ExpectProblem(client.Receive(milliseconds(10'000)), 422, "idempotency_conflict");
  client.Send(ClaimRequest("k", 30'000, ",'fingerprint':'fp','claim_id':'mine'"));
  EXPECT_EQ(client.Receive(milliseconds(10'000)).status, 201);
}

TEST(WaitingClaim, OfAClientThatHangsUpIsForgotten) {
  const OncedInAFolder here;
  const std::string fence = here.Claim("k");
  std::vector<Client> line = Line(here, "k", 3);
  line[0].HangUp();
  EXPECT_TRUE(here.Waiting(2));
  line.erase(line.begin() + 1);  // closes politely
  EXPECT_TRUE(here.Waiting(1));
  here.Post("/v1/release", WithFence("k", fence));
  EXPECT_EQ(line[1].Receive().status, 201) << "the key goes to the one who is still there";
}

// Whatever the moment at which a client vanishes, its key is not left to a lease of an hour.
TEST(WaitingClaim, OfAClientThatHangsUpNeverKeepsTheKey) {
  const OncedInAFolder here;
  for (int i = 0; i < 50; ++i) {
    const std::string key = "k" + std::to_string(i);
    const std::string fence = here.Claim(key);
    Client waiter = here.program.Connect();
    waiter.Send(ClaimRequest(key, 30'000, ",'lease_ms':3600000"));
    ASSERT_TRUE(here.Waiting(1));
    waiter.HangUp();
    ASSERT_TRUE(here.Waiting(0));
    here.Post("/v1/release", WithFence(key, fence));
    ASSERT_EQ(here.Post("/v1/claim", "{'key':'" + key + "'}").status, 201);
  }
}

// The oldest is handed the key in the moment in which it hangs up. It may still have won it, for
// its short lease; but the next one is never left standing.
TEST(WaitingClaim, IsNotStrandedByOneThatHangsUpInItsTurn) {
  const OncedInAFolder here;
  Client releaser = here.program.Connect();
  for (int i = 0; i < 40; ++i) {
    const std::string key = "k" + std::to_string(i);
    const std::string fence = here.Claim(key);
    Client oldest = here.program.Connect();
    oldest.Send(ClaimRequest(key, 30'000, ",'lease_ms':100"));
    ASSERT_TRUE(here.Waiting(1));
    Client next = here.program.Connect();
    next.Send(ClaimRequest(key, 30'000));
    ASSERT_TRUE(here.Waiting(2));
    releaser.Send(RequestText("POST", "/v1/release", Json(WithFence(key, fence))));
    oldest.HangUp();
    ASSERT_EQ(next.Receive(milliseconds(10'000)).status, 201) << "in round " << i;
    ASSERT_EQ(releaser.Receive().status, 200);
  }
}

TEST(WaitingClaim, KeepsLaterRequestsOfItsConnectionBack) {
  const OncedInAFolder here;
  const std::string fence = here.Claim("k");
  Client client = here.program.Connect();
  client.Send(RequestText("GET", "/livez") + ClaimRequest("k", 30'000) +
              RequestText("POST", "/v1/claim", Json("{'key':'later'}")) +
              RequestText("GET", "/v1/keys/later"));
  EXPECT_EQ(client.Receive().body, "ok\n");
  EXPECT_TRUE(here.Waiting(1));
  EXPECT_FALSE(client.HasInput());
  EXPECT_EQ(here.Get("/v1/keys/later").status, 404) << "not begun before the one ahead is answered";
  here.Complete("k", fence, "1");
  EXPECT_EQ(client.Receive().Field("/outcome"), "replay");
  EXPECT_EQ(client.Receive().Field("/outcome"), "claimed");
  EXPECT_EQ(client.Receive().Field("/state"), "in_flight");
}

TEST(WaitingResult, ComesWhenTheRunIsCompleted) {
  const OncedInAFolder here;
  const std::string fence = here.Claim("k");
  std::vector<Client> readers;
  for (int i = 0; i < 50; ++i) {
    readers.push_back(here.program.Connect());
    readers.back().Send(RequestText("GET", "/v1/keys/k/result?wait_ms=30000"));
  }
  ASSERT_TRUE(here.Waiting(50));
  here.Complete("k", fence, "[1, 2]");
  for (Client& reader : readers) {
    const HttpAnswer answer = reader.Receive();
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, "[1, 2]");
  }
}

TEST(WaitingResult, SaysThatItHasNotComeAtItsDeadline) {
  const OncedInAFolder here;
  here.Claim("k");
  const auto begun = steady_clock::now();
  EXPECT_EQ(here.Get("/v1/keys/k/result?wait_ms=300").status, 202);
  EXPECT_GE(steady_clock::now() - begun, milliseconds(300));
}

TEST(WaitingResult, EndsWithTheRunHoweverThatEnds) {
  const OncedInAFolder here;
  const auto read = [&](const std::string& key) {
    Client reader = here.program.Connect();
    reader.Send(RequestText("GET", "/v1/keys/" + key + "/result?wait_ms=30000"));
    EXPECT_TRUE(here.Waiting(1));
    return reader;
  };
  std::string fence = here.Claim("unknown");
  Client reader = read("unknown");
  here.Post("/v1/mark-unknown", "{'key':'unknown','fence':'" + fence + "'}");
  ExpectProblem(reader.Receive(), 409, "idempotency_outcome_unknown");
  here.Claim("forgotten");
  Client second = read("forgotten");
  here.Delete("/v1/keys/forgotten?force=true");
  ExpectProblem(second.Receive(), 404, "not_found");
}

// A release frees the key for others: whoever wants the result of this run will not get one.
TEST(WaitingResult, EndsWithARelease) {
  const OncedInAFolder here;
  const std::string fence = here.Claim("k");
  Client reader = here.program.Connect();
  reader.Send(RequestText("GET", "/v1/keys/k/result?wait_ms=30000"));
  ASSERT_TRUE(here.Waiting(1));
  here.Post("/v1/release", WithFence("k", fence));
  ExpectProblem(reader.Receive(milliseconds(10'000)), 404, "not_found");
}

}  // namespace
}  // namespace onced
