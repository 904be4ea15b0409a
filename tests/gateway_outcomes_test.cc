// SPDX-License-Identifier: MIT
// What becomes of a key when the upstream misbehaves: it was run once, nothing partial is kept, and
// what is not known is called unknown and never sent again by itself.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/gateway.h"

namespace onced {
namespace {

struct Case {
  std::string name;
  Script script;
};

const std::string kFive = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n";
const std::string kChunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

Script Says(const std::string& bytes) { return Script().Send(bytes).Close(); }

std::vector<Case> AnswersThatBreakOff() {
  return {{"closes-unread", Script().BeforeBody().Close()},
          {"closes", Script().Close()},
          {"resets", Script().Reset()},
          {"resets-on-the-head", Script().BeforeBody().Reset()},
          {"closes-in-the-status-line", Says("HTTP/1.1 20")},
          {"closes-in-the-head", Says(kFive)},
          {"closes-before-the-body", Says(kFive + "\r\n")},
          {"closes-in-the-body", Says(kFive + "\r\nfour")},
          {"resets-in-the-body", Script().Send(kFive + "\r\nfour").Reset()},
          {"closes-in-a-chunk", Says(kChunked + "5\r\nfour")},
          {"closes-between-chunks", Says(kChunked + "4\r\nfour\r\n")},
          {"closes-in-the-last-chunk", Says(kChunked + "4\r\nfour\r\n0\r\n")},
          {"closes-after-an-interim", Says("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")}};
}

std::vector<Case> AnswersThatAreNone() {
  return {
      {"rubbish", Says("rubbish\r\n\r\n")},
      {"http-0.9", Says("<html>hello</html>")},
      {"http-2", Says("HTTP/2 200\r\nContent-Length: 2\r\n\r\nok")},
      {"no-status", Says("HTTP/1.1 OK\r\nContent-Length: 2\r\n\r\nok")},
      {"switches", Says("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n")},
      {"two-lengths", Says(kFive + "Content-Length: 6\r\n\r\nsixsix")},
      {"length-of-words", Says("HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nfives")},
      {"length-signed", Says("HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nfives")},
      {"length-negative", Says("HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nfives")},
      {"length-huge", Says("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nfives")},
      {"length-and-chunks", Says(kFive + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")},
      {"other-coding", Says("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"
                            "0\r\n\r\n")},
      {"chunk-size-of-words", Says(kChunked + "five\r\nfives\r\n0\r\n\r\n")},
      {"chunk-size-negative", Says(kChunked + "-2\r\nfives\r\n0\r\n\r\n")},
      {"chunk-too-long", Says(kChunked + "4\r\nfives\r\n0\r\n\r\n")},
      {"folded", Says(kFive + "X: a\r\n b\r\n\r\nfives")},
      {"no-colon", Says(kFive + "no colon\r\n\r\nfives")},
      {"space-before-colon", Says(kFive + "Set-Cookie : a=b\r\n\r\nfives")},
      {"nul", Says(kFive + std::string("X: a\0b\r\n", 8) + "\r\nfives")},
      {"head-without-end", Says(kFive + "X: " + std::string(100'000, 'x') + "\r\n\r\nfives")}};
}

// One request and three more: one hit, and nobody is told anything but that it is not known.
void ExpectUnknown(const GatewayInAFolder& here, const std::string& key) {
  SCOPED_TRACE(key);
  const std::string path = "/" + key;
  ExpectProblem(here.Post(key, path), 409, "idempotency_outcome_unknown");
  for (int i = 0; i < 3; ++i) {
    ExpectProblem(here.Post(key, path), 409, "idempotency_outcome_unknown");
  }
  EXPECT_EQ(here.upstream.HitsOfPath(path), 1u);
  EXPECT_EQ(here.State(key), "unknown");
  const HttpAnswer result =
      here.program->Ask("GET", "/v1/keys/" + key + "/result?scope=" + here.Scope());
  ExpectProblem(result, 409, "idempotency_outcome_unknown");
}

void ExpectAllUnknown(const std::vector<Case>& cases) {
  GatewayInAFolder here({.route = "", .upstream = kPatientBreaker, .gateway = ""});
  for (const Case& each : cases) {
    here.upstream.On("/" + each.name, each.script);
    ExpectUnknown(here, each.name);
  }
  // What it has misread must not have come to stand for the next answer.
  const HttpAnswer good = here.Post("good", "/good");
  EXPECT_EQ(good.body, "POST /good 1\n");
  ExpectCreated(good, "good");
}

TEST(GatewayOutcomes, WhatBreaksOffIsUnknownAndNotSentAgain) {
  ExpectAllUnknown(AnswersThatBreakOff());
}

TEST(GatewayOutcomes, WhatIsNoAnswerIsUnknownAndNotSentAgain) {
  ExpectAllUnknown(AnswersThatAreNone());
}

TEST(GatewayOutcomes, WhatDoesNotComeByTheDeadlineIsUnknown) {
  GatewayInAFolder here(
      {.route = "deadline = \"400ms\"", .upstream = kPatientBreaker, .gateway = ""});
  const auto latch = MakeLatch();
  const std::vector<Case> cases = {
      {"hangs-at-once", Script().BeforeBody().Wait(latch)},
      {"hangs", Script().Wait(latch)},
      {"hangs-in-the-head", Script().Send(kFive).Wait(latch)},
      {"hangs-before-the-body", Script().Send(kFive + "\r\n").Wait(latch)},
      {"hangs-in-the-body", Script().Send(kFive + "\r\nfour").Wait(latch)},
      {"hangs-in-a-chunk", Script().Send(kChunked + "5\r\nfour").Wait(latch)},
      {"hangs-after-an-interim", Script().Send("HTTP/1.1 102 Processing\r\n\r\n").Wait(latch)}};
  for (const Case& each : cases) {
    here.upstream.On("/" + each.name, each.script);
    ExpectUnknown(here, each.name);
  }
}

// A kept connection that the upstream closes just when it is used again: the request may have been
// read, so it must not be sent on another one.
TEST(GatewayOutcomes, AKeptConnectionThatEndsUnderARequestIsNoReasonToSendItTwice) {
  GatewayInAFolder here({.route = "", .upstream = kPatientBreaker, .gateway = ""});
  EXPECT_EQ(here.Post("first", "/first").status, 200);
  here.upstream.On("/stale-close", Script().Close());
  ExpectUnknown(here, "stale-close");
  EXPECT_EQ(here.Post("second", "/second").status, 200);
  here.upstream.On("/stale-reset", Script().Reset());
  ExpectUnknown(here, "stale-reset");
}

// ... but one that it has closed before is not used, and nothing is lost.
TEST(GatewayOutcomes, AConnectionThatEndedWhileIdleIsNotUsedAgain) {
  GatewayInAFolder here;
  here.upstream.On("/last", Script().Send(AnswerText(200, "bye")).Close());
  for (size_t i = 0; i < 20; ++i) {
    const std::string key = "k" + std::to_string(i);
    const HttpAnswer answer = here.Post(key, "/last");
    EXPECT_EQ(answer.body, "bye");
    ExpectCreated(answer, key);
    EXPECT_EQ(here.upstream.HitsOfKey(key), 1u);
    ASSERT_TRUE(Eventually([&] { return here.upstream.ended() == i + 1; }));
  }
}

TEST(GatewayOutcomes, ARefusedConnectionReleasesTheKey) {
  const uint16_t port = FreePort();
  const TempFolder folder;
  const Program program(folder.path(), {"--gateway", "127.0.0.1:0", "--upstream",
                                        "http://127.0.0.1:" + std::to_string(port)});
  Client client(GatewayPort(program));
  const HttpAnswer refused = client.Ask("POST", "/pay", "{}", Keyed("k"));
  EXPECT_EQ(refused.status, 502) << refused.body;
  EXPECT_EQ(refused.Header("Idempotency-Status"), "released");
  EXPECT_EQ(program.Ask("GET", "/v1/keys/k?scope=" + GatewayInAFolder::Scope()).status, 404);
  const ScriptedUpstream upstream(port);
  const HttpAnswer answer = client.Ask("POST", "/pay", "{}", Keyed("k"));
  EXPECT_EQ(answer.body, "POST /pay 1\n");
  ExpectCreated(answer, "k");
}

std::string EveryByte() {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  return bytes;
}

TEST(GatewayOutcomes, AWholeAnswerIsReplayedByteForByte) {
  GatewayInAFolder here;
  const Headers binary = {{"Content-Type", "application/octet-stream"},
                          {"Content-Language", "de"},
                          {"Content-Encoding", "x-own"},
                          {"Location", "/payments/7"},
                          {"ETag", "\"abc\""}};
  const auto latch = MakeLatch();
  latch->Open();
  const std::vector<Case> cases = {
      {"plain", Answer(200, "{\"id\": 7}", {{"Content-Type", "application/json"}})},
      {"binary", Answer(201, EveryByte(), binary)},
      {"empty", Answer(200)},
      {"no-content", Answer(204)},
      {"redirect", Answer(303, "", {{"Location", "http://elsewhere.invalid/"}})},
      {"not-found", Answer(404, "no such thing")},
      {"failed", Answer(500, "half done")},
      {"teapot", Answer(418, "short and stout")},
      {"largest", Answer(200, std::string(1 << 20, 'x'))},
      {"chunks",
       Script().Send(kChunked + "4;ext=1\r\nfour\r\n1\r\n\n\r\n0\r\nTrailer: no\r\n\r\n")},
      {"interims",
       Script()
           .Send("HTTP/1.1 100 Continue\r\n\r\n")
           .Send("HTTP/1.1 102 Processing\r\n\r\n")
           .Send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nSet-Cookie: a=b\r\n\r\n")
           .Wait(latch)
           .Send(AnswerText(201, "in the end"))},
      {"in-pieces", Script()
                        .Send("HTTP/1.1 200 OK\r\nConte")
                        .Wait(latch)
                        .Send("nt-Length: 4\r\n\r\nfo")
                        .Wait(latch)
                        .Send("ur")},
      {"to-the-end", Script().Send("HTTP/1.1 200 OK\r\n\r\nall of it").Close()},
      {"older", Script().Send("HTTP/1.0 200 OK\r\n\r\nall of it").Close()},
      {"last", Script().Send(AnswerText(200, "bye", {{"Connection", "close"}})).Close()}};
  for (const Case& each : cases) {
    SCOPED_TRACE(each.name);
    const std::string path = "/" + each.name;
    here.upstream.On(path, each.script);
    const HttpAnswer first = here.Post(each.name, path);
    ASSERT_GE(first.status, 200) << first.body;
    ExpectCreated(first, each.name);
    for (int i = 0; i < 3; ++i) ExpectReplay(here.Post(each.name, path), first);
    EXPECT_EQ(here.upstream.HitsOfPath(path), 1u);
    EXPECT_EQ(here.State(each.name), "completed");
  }
  EXPECT_EQ(here.Post("binary", "/binary").body, EveryByte());
  EXPECT_EQ(here.Post("chunks", "/chunks").body, "four\n");
  EXPECT_EQ(here.Post("largest", "/largest").body, std::string(1 << 20, 'x'));
}

// Bytes behind the answer's own length: another request's client must never read them.
TEST(GatewayOutcomes, BytesBehindAnAnswerAreNobodysAnswer) {
  GatewayInAFolder here;
  here.upstream.On("/long", Script().Send(AnswerText(200, "right") + AnswerText(200, "smuggled")));
  const HttpAnswer first = here.Post("long", "/long");
  EXPECT_EQ(first.body, "right");
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(here.Post("next" + std::to_string(i), "/next").body,
              "POST /next " + std::to_string(i + 1) + "\n");
  }
  ExpectReplay(here.Post("long", "/long"), first);
}

TEST(GatewayOutcomes, AStatusThatSaysNothingWasDoneReleasesTheKey) {
  GatewayInAFolder here({.route = "", .upstream = kPatientBreaker, .gateway = ""});
  for (const int status : {401, 403, 407, 408, 409, 425, 429, 503}) {
    const std::string key = std::to_string(status);
    SCOPED_TRACE(key);
    here.upstream.Once("/" + key, Answer(status, "later"));
    const HttpAnswer first = here.Post(key, "/" + key);
    EXPECT_EQ(first.status, status);
    EXPECT_EQ(first.body, "later");
    EXPECT_EQ(first.Header("Idempotency-Status"), "released");
    EXPECT_EQ(first.Header("Idempotency-Expires"), "");
    EXPECT_EQ(here.State(key), "");
    const HttpAnswer second = here.Post(key, "/" + key);
    EXPECT_EQ(second.body, "POST /" + key + " 2\n");
    ExpectCreated(second, key);
  }
}

TEST(GatewayOutcomes, AGatewayBehindThatKnowsNothingLeavesItUnknown) {
  GatewayInAFolder here({.route = "", .upstream = kPatientBreaker, .gateway = ""});
  for (const int status : {502, 504}) {
    const std::string key = std::to_string(status);
    SCOPED_TRACE(key);
    here.upstream.On("/" + key, Answer(status, "who knows"));
    const HttpAnswer first = here.Post(key, "/" + key);
    EXPECT_EQ(first.status, status);
    EXPECT_EQ(first.body, "who knows");
    EXPECT_EQ(first.Header("Idempotency-Status"), "unknown");
    ExpectProblem(here.Post(key, "/" + key), 409, "idempotency_outcome_unknown");
    EXPECT_EQ(here.upstream.HitsOfKey(key), 1u);
  }
}

TEST(GatewayOutcomes, TheRouteSaysWhatAStatusMeans) {
  GatewayInAFolder here(
      {.route = "profile = \"ietf\"\n"
                "statuses = { \"4xx\" = \"release\", \"404\" = \"store\", \"500\" = \"unknown\" }",
       .upstream = kPatientBreaker,
       .gateway = ""});
  const auto become = [&](int status) {
    const std::string key = std::to_string(status);
    here.upstream.On("/" + key, Answer(status));
    here.Post(key, "/" + key);
    return here.State(key);
  };
  EXPECT_EQ(become(400), "");
  EXPECT_EQ(become(404), "completed");
  EXPECT_EQ(become(500), "unknown");
  EXPECT_EQ(become(501), "");
  EXPECT_EQ(become(502), "");
  EXPECT_EQ(become(200), "completed");
}

TEST(GatewayOutcomes, AnUnknownOneThatWasDoneIsAnsweredAsWasDecided) {
  GatewayInAFolder here;
  here.upstream.On("/pay", Script().Close());
  ExpectUnknown(here, "pay");
  const HttpAnswer resolved = here.Resolve(
      "pay", "completed",
      "{'status':201,'headers':[['Content-Type','text/plain']],'body_base64':'ZG9uZQ=='}");
  EXPECT_EQ(resolved.status, 200) << resolved.body;
  const HttpAnswer replay = here.Post("pay");
  EXPECT_EQ(replay.status, 201) << replay.body;
  EXPECT_EQ(replay.body, "done");
  EXPECT_EQ(replay.Header("Content-Type"), "text/plain");
  EXPECT_EQ(replay.Header("Idempotent-Replayed"), "true");
  EXPECT_EQ(here.upstream.hits(), 1u);
}

TEST(GatewayOutcomes, AnUnknownOneThatWasNotDoneRunsAgain) {
  GatewayInAFolder here;
  here.upstream.Once("/pay", Script().Reset());
  ExpectProblem(here.Post("k"), 409, "idempotency_outcome_unknown");
  EXPECT_EQ(here.Resolve("k", "released").status, 200);
  const HttpAnswer again = here.Post("k");
  EXPECT_EQ(again.body, "POST /pay 2\n");
  ExpectCreated(again, "k");
  ExpectReplay(here.Post("k"), again);
}

TEST(GatewayOutcomes, ARouteMayRunAnUnknownOneAgainAfterAWhile) {
  GatewayInAFolder here(
      {.route = "unknown_release_after = \"300ms\"", .upstream = "", .gateway = ""});
  here.upstream.Once("/pay", Script().Reset());
  ExpectProblem(here.Post("k"), 409, "idempotency_outcome_unknown");
  ASSERT_TRUE(Eventually([&] { return here.Post("k").status == 200; }));
  EXPECT_EQ(here.upstream.hits(), 2u);
}

}  // namespace
}  // namespace onced
