// SPDX-License-Identifier: MIT
// The gateway in front of a service that behaves: a key is run once and answered the same way ever
// after, everything else passes.
#include "tests/gateway.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

namespace onced {
namespace {

TEST(Gateway, RunsOnceAndReplays) {
  GatewayInAFolder here;
  const HttpAnswer first = here.Post("k");
  EXPECT_EQ(first.status, 200) << first.body;
  EXPECT_EQ(first.body, "POST /pay 1\n");
  ExpectCreated(first, "k");
  for (int i = 0; i < 3; ++i) ExpectReplay(here.Post("k"), first);
  EXPECT_EQ(here.upstream.hits(), 1u);
  EXPECT_EQ(here.Post("other").body, "POST /pay 2\n");
  EXPECT_EQ(here.Record("k").Field("/replays"), "3");
}

TEST(Gateway, ReplaysAfterACrash) {
  GatewayInAFolder here;
  const HttpAnswer first = here.Post("k");
  here.Crash();
  ExpectReplay(here.Post("k"), first);
  EXPECT_EQ(here.upstream.hits(), 1u);
}

TEST(Gateway, ServesOneConnectionForMany) {
  GatewayInAFolder here;
  Client client = here.Connect();
  for (int i = 1; i <= 50; ++i) {
    const std::string key = "k" + std::to_string(i % 25);
    EXPECT_EQ(client.Ask("POST", "/pay", "{}", Keyed(key)).status, 200);
    EXPECT_EQ(client.Ask("GET", "/look").body, "GET /look " + std::to_string(i) + "\n");
  }
  EXPECT_EQ(here.upstream.HitsOfPath("/pay"), 25u);
}

TEST(Gateway, ReadsAQuotedKeyAndABareOneAsOne) {
  GatewayInAFolder here;
  const HttpAnswer first = here.Post("\"8e03978e-40d5-43e8-bc93-6894a57f9324\"");
  EXPECT_EQ(first.Header("Idempotency-Key"), "8e03978e-40d5-43e8-bc93-6894a57f9324");
  ExpectReplay(here.Post("8e03978e-40d5-43e8-bc93-6894a57f9324"), first);
  const HttpAnswer escaped = here.Post("\"a\\\"b\\\\c\"");
  EXPECT_EQ(escaped.Header("Idempotency-Key"), "a\"b\\c");
  EXPECT_EQ(here.Post(std::string(255, 'k')).status, 200);
  EXPECT_EQ(here.upstream.hits(), 3u);
}

TEST(Gateway, RefusesWhatIsNoKey) {
  const GatewayInAFolder here;
  const std::vector<std::string> bad = {"\"open",
                                        "open\"",
                                        "\"a\" b",
                                        "\"\"",
                                        "\"a\\x\"",
                                        "a b",
                                        "\"a\tb\"",

                                        "k\xC3\xA4",
                                        "\"k\xC3\xA4\"",
                                        std::string(256, 'k'),
                                        "\"" + std::string(256, 'k') + "\""};
  for (const std::string& key : bad) {
    SCOPED_TRACE(key);
    ExpectProblem(here.Post(key), 400, "idempotency_key_invalid");
  }
  ExpectProblem(here.Ask("POST", "/pay", "{}", {{"Idempotency-Key", ""}}), 400,
                "idempotency_key_invalid");
  const Headers twice = {{"Idempotency-Key", "a"}, {"idempotency-key", "a"}};
  ExpectProblem(here.Ask("POST", "/pay", "{}", twice), 400, "idempotency_key_invalid");
  for (const char* control : {"a\x01z", "a\x7F"}) EXPECT_EQ(here.Post(control).status, 400);
  EXPECT_EQ(here.upstream.hits(), 0u);
}

TEST(Gateway, RefusesAnotherRequestUnderTheKey) {
  GatewayInAFolder here;
  const HttpAnswer first = here.Post("k", "/pay?a=1", "{\"secret\":1}");
  const auto conflicts = [&](const HttpAnswer& answer) {
    ExpectProblem(answer, 422, "idempotency_conflict");
    EXPECT_EQ(answer.body.find("secret"), std::string::npos);
    EXPECT_EQ(answer.Field("/title"), "Idempotency-Key is already used");
  };
  conflicts(here.Post("k", "/pay?a=1", "{\"secret\":2}"));
  conflicts(here.Post("k", "/pay?a=2", "{\"secret\":1}"));
  conflicts(here.Post("k", "/pay", "{\"secret\":1}"));
  conflicts(here.Post("k", "/pay?a=1", "{\"secret\":1}", {{"Content-Type", "text/plain"}}));
  conflicts(here.Ask("PATCH", "/pay?a=1", "{\"secret\":1}", Keyed("k")));
  // It has not harmed the first one.
  ExpectReplay(here.Post("k", "/pay?a=1", "{\"secret\":1}", {{"User-Agent", "other"}}), first);
  EXPECT_EQ(here.upstream.hits(), 1u);
}

TEST(Gateway, PassesOnWhatHasNoKey) {
  GatewayInAFolder here;
  for (int i = 1; i <= 3; ++i) {
    const HttpAnswer answer = here.Post("", "/pay", "a body");
    EXPECT_EQ(answer.body, "POST /pay " + std::to_string(i) + "\n");
    EXPECT_EQ(answer.Header("Idempotency-Status"), "");
    EXPECT_EQ(here.upstream.last().body, "a body");
  }
}

TEST(Gateway, PassesOnWhatChangesNothingAlsoWithAKey) {
  GatewayInAFolder here;
  for (const std::string& method :
       std::vector<std::string>{"GET", "HEAD", "OPTIONS", "PUT", "DELETE"}) {
    SCOPED_TRACE(method);
    const std::string path = "/" + method;
    for (size_t i = 1; i <= 2; ++i) {
      const HttpAnswer answer = here.Ask(method, path, "", Keyed("\"k\""));
      EXPECT_EQ(answer.status, 200) << answer.body;
      EXPECT_EQ(answer.Header("Idempotency-Status"), "");
      EXPECT_EQ(answer.Header("Idempotency-Key"), "");
      EXPECT_EQ(here.upstream.HitsOfPath(path), i);
    }
    EXPECT_EQ(here.upstream.last().Header("Idempotency-Key"), "\"k\"");
  }
  EXPECT_EQ(here.State("k"), "");
  // A key that would be refused elsewhere is none of ours here.
  EXPECT_EQ(here.Ask("GET", "/GET", "", Keyed("\"open")).status, 200);
}

TEST(Gateway, LetsTheServiceSayWhatIsKept) {
  GatewayInAFolder here({.route = "", .upstream = kPatientBreaker, .gateway = ""});
  const auto first = [&](const std::string& key, int status, const std::string& policy) {
    here.upstream.On("/" + key,
                     Answer(status, "a body", {{"Onced-Policy", policy}, {"ETag", "\"e\""}}));
    const HttpAnswer answer = here.Post(key, "/" + key);
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(answer.body, "a body");
    EXPECT_EQ(answer.Header("Onced-Policy"), "");
    return answer;
  };
  const auto again = [&](const std::string& key, size_t hits) {
    const HttpAnswer answer = here.Post(key, "/" + key);
    EXPECT_EQ(here.upstream.HitsOfKey(key), hits) << key;
    EXPECT_EQ(answer.Header("Onced-Policy"), "");
    return answer;
  };
  const HttpAnswer stored = first("store", 503, "store");
  ExpectReplay(again("store", 1), stored);
  first("release", 200, "release");
  EXPECT_EQ(again("release", 2).Header("Idempotency-Status"), "released");
  first("unknown", 200, "unknown");
  ExpectProblem(again("unknown", 1), 409, "idempotency_outcome_unknown");
  first("no-store-body", 201, "no-store-body");
  const HttpAnswer bodiless = again("no-store-body", 1);
  EXPECT_EQ(bodiless.status, 201);
  EXPECT_EQ(bodiless.body, "");
  EXPECT_EQ(bodiless.Header("ETag"), "\"e\"");
  EXPECT_EQ(bodiless.Header("Idempotency-Replay"), "omitted");
  first("no-store", 201, "no-store");
  const HttpAnswer consumed = again("no-store", 1);
  ExpectProblem(consumed, 409, "idempotency_consumed");
  EXPECT_EQ(consumed.Header("ETag"), "");
  // What is not understood decides nothing.
  const HttpAnswer odd = first("odd", 200, "whatever");
  ExpectReplay(again("odd", 1), odd);
}

TEST(Gateway, LetsTheServiceSayForHowLong) {
  GatewayInAFolder here;
  here.upstream.Once("/pay", Answer(200, "brief", {{"Onced-Policy", "store; ttl=1"}}));
  EXPECT_EQ(here.Post("k").body, "brief");
  EXPECT_EQ(here.State("k"), "completed");
  ASSERT_TRUE(Eventually([&] { return here.Post("k").body == "POST /pay 2\n"; }));
}

TEST(Gateway, KeepsNoBodyWhereTheRouteSaysSo) {
  GatewayInAFolder here({.route = "store_body = false", .upstream = "", .gateway = ""});
  here.upstream.On("/tokens", Answer(201, "shown once", {{"Location", "/tokens/1"}}));
  EXPECT_EQ(here.Post("k", "/tokens").body, "shown once");
  const HttpAnswer replay = here.Post("k", "/tokens");
  EXPECT_EQ(replay.status, 201);
  EXPECT_EQ(replay.body, "");
  EXPECT_EQ(replay.Header("Location"), "/tokens/1");
  EXPECT_EQ(replay.Header("Idempotency-Replay"), "omitted");
  EXPECT_EQ(here.upstream.hits(), 1u);
}

TEST(Gateway, RemembersAnOverLargeAnswerWithoutItsBody) {
  GatewayInAFolder here;
  const std::string large(3'000'000, 'x');
  here.upstream.On("/length", Answer(200, large, {{"Content-Type", "text/x"}}));
  here.upstream.On("/chunks", Script()
                                  .Send("HTTP/1.1 200 OK\r\nContent-Type: text/x\r\n"
                                        "Transfer-Encoding: chunked\r\n\r\n")
                                  .SendTimes(3, "F4240\r\n" + std::string(1'000'000, 'x') + "\r\n")
                                  .Send("0\r\n\r\n"));
  for (const std::string& path : std::vector<std::string>{"/length", "/chunks"}) {
    SCOPED_TRACE(path);
    const HttpAnswer first = here.Post(path.substr(1), path);
    EXPECT_EQ(first.status, 200);
    EXPECT_TRUE(first.body == large) << first.body.substr(0, 50) << here.program->Said();
    for (int i = 0; i < 2; ++i) {
      const HttpAnswer replay = here.Post(path.substr(1), path);
      EXPECT_EQ(replay.status, 200) << replay.body;
      EXPECT_EQ(replay.body, "");
      EXPECT_EQ(replay.Header("Content-Type"), "text/x");
      EXPECT_EQ(replay.Header("Idempotent-Replayed"), "true");
      EXPECT_EQ(replay.Header("Idempotency-Replay"), "omitted");
    }
    EXPECT_EQ(here.upstream.HitsOfPath(path), 1u);
  }
}

// Its head has gone to the client by then, so the client sees it break; nobody runs it again.
TEST(GatewayOutcomes, AnOverLargeAnswerThatBreaksOffBreaksForTheClientAndIsNotSentAgain) {
  GatewayInAFolder here;
  here.upstream.On("/pay", Script()
                               .Send("HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n")
                               .Send(std::string(2'000'000, 'x'))
                               .Close());
  EXPECT_EQ(here.Post("k").status, 0);
  const HttpAnswer again = here.Post("k");
  EXPECT_EQ(again.body.find("xxxx"), std::string::npos);
  EXPECT_EQ(here.upstream.hits(), 1u);
}

TEST(Gateway, TakesTheKeyFromWhereTheRouteSays) {
  GatewayInAFolder here({.route = "key = \"required\"\nkey_headers = [\"X-Request-Key\"]\n"
                                  "key_pointer = \"/meta/id\"\nmethods = [\"POST\", \"DELETE\"]",
                         .upstream = "",
                         .gateway = ""});
  const std::string body = "{\"meta\":{\"id\":\"in-body\"}}";
  const HttpAnswer by_body = here.Post("", "/body", body);
  ExpectCreated(by_body, "in-body");
  ExpectReplay(here.Post("", "/body", body), by_body);
  const HttpAnswer by_header = here.Ask("DELETE", "/header", "", {{"X-Request-Key", "k"}});
  ExpectCreated(by_header, "k");
  ExpectReplay(here.Ask("DELETE", "/header", "", Keyed("k")), by_header);
  const HttpAnswer missing = here.Post("", "/pay", "{}");
  ExpectProblem(missing, 400, "idempotency_key_required");
  EXPECT_EQ(missing.Field("/title"), "Idempotency-Key is missing");
  // A method that the route does not name needs none.
  EXPECT_EQ(here.Ask("PATCH", "/pay", "{}").status, 200);
  EXPECT_EQ(here.upstream.hits(), 3u);
}

// The story: what stood where the key should be, and was none, ran as often as it came.
TEST(Gateway, RefusesABodyWhoseKeyIsNone) {
  const GatewayInAFolder here({.route = "key_pointer = \"/id\"", .upstream = "", .gateway = ""});
  for (const char* body : {R"({"id":""})", R"({"id":7.0})", R"({"id":true})", R"({"id":["b"]})",
                           R"({"id":{}})", R"({"id":"x","id":"y"})", R"({"id":"a b"})"}) {
    ExpectProblem(here.Post("", "/pay", body), 400, "idempotency_key_invalid");
  }
  EXPECT_EQ(here.upstream.hits(), 0u);
  for (const char* body : {R"({"id":null})", R"({})", "[]", "{", ""}) {
    EXPECT_EQ(here.Post("", "/pay", body).status, 200) << body;
  }
  ExpectCreated(here.Post("", "/pay", R"({"id":17})"), "17");
}

// The story: "post" is not POST, so it carried no key; but services were about that took it for
// one.
TEST(Gateway, PassesNoMethodInLowerCase) {
  const GatewayInAFolder here;
  for (const char* method : {"post", "Post", "trace", "get"}) {
    ExpectProblem(here.Ask(method, "/pay", "{}", Keyed("k")), 400, "invalid_request");
  }
  EXPECT_EQ(here.upstream.hits(), 0u);
}

TEST(Gateway, PassesOnABodyThatIsCoded) {
  GatewayInAFolder here;
  const std::string coded("\x1f\x8b\x08\x00 not JSON \xff\x00", 20);
  for (const std::string key : {"k", ""}) {
    EXPECT_EQ(here.Post(key, "/pay", coded, {{"Content-Encoding", "gzip"}}).status, 200);
    EXPECT_EQ(here.upstream.last().Header("Content-Encoding"), "gzip");
    EXPECT_EQ(here.upstream.last().body, coded);
  }
}

TEST(Gateway, ForgetsAKeyWhoseRequestWentInACircle) {
  GatewayInAFolder here;
  here.upstream.Once("/pay", Answer(508));
  EXPECT_EQ(here.Post("k").Header("Idempotency-Status"), "released");
  EXPECT_EQ(here.Post("k").status, 200);
}

TEST(Gateway, LeavesOutOfTheComparisonWhatTheRouteSays) {
  GatewayInAFolder here({.route = "fingerprint_body_excludes = [\"/sent_at\"]\n"
                                  "fingerprint_headers = [\"X-Account\"]",
                         .upstream = "",
                         .gateway = ""});
  const Headers account = {{"X-Account", "1"}};
  const HttpAnswer first = here.Post("k", "/pay", "{\"a\":1,\"sent_at\":1}", account);
  ExpectReplay(here.Post("k", "/pay", "{ \"sent_at\": 2, \"a\": 1 }", account), first);
  ExpectProblem(here.Post("k", "/pay", "{\"a\":2,\"sent_at\":1}", account), 422,
                "idempotency_conflict");
  ExpectProblem(here.Post("k", "/pay", "{\"a\":1,\"sent_at\":1}", {{"X-Account", "2"}}), 422,
                "idempotency_conflict");
}

TEST(Gateway, SpeaksAsStripeDoesWhereTheRouteSaysSo) {
  GatewayInAFolder here(
      {.route = "profile = \"stripe-v1\"\nwait = \"0s\"", .upstream = "", .gateway = ""});
  const auto latch = MakeLatch();
  here.upstream.Once("/pay", Script().Wait(latch).Send(AnswerText(200, "paid")));
  Client running = here.Begin("k");
  ASSERT_TRUE(latch->Reached());
  const HttpAnswer busy = here.Post("k");
  EXPECT_EQ(busy.status, 409);
  EXPECT_EQ(busy.Field("/error/code"), "idempotency_key_in_use") << busy.body;
  EXPECT_EQ(busy.Header("Stripe-Should-Retry"), "true");
  latch->Open();
  EXPECT_EQ(running.Receive().body, "paid");
  const HttpAnswer conflict = here.Post("k", "/pay", "other");
  EXPECT_EQ(conflict.status, 400);
  EXPECT_EQ(conflict.Field("/error/type"), "idempotency_error") << conflict.body;
}

TEST(Gateway, OnlyWatchesInShadow) {
  GatewayInAFolder here({.route = "shadow = true", .upstream = "", .gateway = ""});
  for (int i = 1; i <= 3; ++i) {
    const HttpAnswer answer = here.Post("\"k\"", "/pay", i < 3 ? "same" : "other");
    EXPECT_EQ(answer.body, "POST /pay " + std::to_string(i) + "\n");
    for (const char* name : {"Idempotency-Status", "Idempotency-Key", "Idempotent-Replayed"}) {
      EXPECT_EQ(answer.Header(name), "") << name;
    }
  }
  EXPECT_EQ(here.upstream.HitsOfKey("\"k\""), 3u);
}

// The story: a route that was to be tried out refused what had no key, or a malformed one.
TEST(Gateway, RefusesNothingInShadow) {
  GatewayInAFolder here(
      {.route = "shadow = true\nkey = \"required\"", .upstream = "", .gateway = ""});
  EXPECT_EQ(here.Ask("POST", "/pay", "body").body, "POST /pay 1\n");
  EXPECT_EQ(here.Post("\"unbalanced").body, "POST /pay 2\n");
  // Nor what is too large to be looked at.
  EXPECT_EQ(here.Post("k", "/pay", std::string(3'000'000, 'x')).body, "POST /pay 3\n");
}

TEST(Gateway, StopsInGoodOrderWithARunUnderWay) {
  GatewayInAFolder here;
  const auto latch = MakeLatch();
  here.upstream.On("/pay", Script().Wait(latch).Send(AnswerText(200, "paid")));
  Client running = here.Begin("k");
  ASSERT_TRUE(latch->Reached());
  here.program->Signal(SIGTERM);
  latch->Open();
  EXPECT_EQ(running.Receive().body, "paid");
  EXPECT_EQ(here.program->WaitForEnd().code, 0);
}

}  // namespace
}  // namespace onced
