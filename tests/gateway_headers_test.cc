// SPDX-License-Identifier: MIT
// What crosses the gateway in the heads of requests and answers, what is added, and what is kept.
#include <gtest/gtest.h>

#include <cctype>
#include <string>
#include <vector>

#include "tests/gateway.h"

namespace onced {
namespace {

TEST(GatewayHeaders, ARequestReachesTheServiceAsItWas) {
  GatewayInAFolder here;
  const std::string body = "{\"amount\": 12,  \"odd\":\"\xC3\xA4\"}";
  const Headers sent = {{"Host", "shop.example"},
                        {"Content-Type", "application/json"},
                        {"Authorization", "Bearer theirs"},
                        {"Cookie", "a=b; c=d"},
                        {"X-Own", "one"},
                        {"X-Own", "two"},
                        {"X-Percent", "%0d%0aInjected: 1"},
                        {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
                        {"tracestate", "a=b"}};
  const std::string target = "/pay/a%20b/+?x=%41&y=%C3%A4&z=a+b&&=";
  here.Post("\"k\"", target, body, sent);
  const Seen seen = here.upstream.last();
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.target, target);
  EXPECT_EQ(seen.body, body);
  for (const auto& [name, value] : sent) {
    if (name != "Host" && name != "X-Own" && name != "traceparent") {
      EXPECT_EQ(seen.Header(name), value) << name;
      EXPECT_EQ(seen.Count(name), 1u) << name;
    }
  }
  EXPECT_EQ(seen.Count("X-Own"), 2u);
  EXPECT_EQ(seen.Count("traceparent"), 1u);
  EXPECT_TRUE(seen.Header("traceparent").starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
  EXPECT_EQ(seen.Header("Idempotency-Key"), "\"k\"");
  EXPECT_EQ(seen.Header("Host"), "127.0.0.1:" + std::to_string(here.upstream.port()));
  EXPECT_EQ(seen.Header("Content-Length"), std::to_string(body.size()));
  EXPECT_EQ(seen.Count("Content-Length"), 1u);
  EXPECT_EQ(seen.Count("Transfer-Encoding"), 0u);
}

TEST(GatewayHeaders, NothingIsAddedButWhatIsTold) {
  GatewayInAFolder here;
  here.Post("k", "/pay", "{}");
  const std::string allowed =
      " host idempotency-key idempotency-fence accept-encoding content-length x-forwarded-for "
      "x-forwarded-proto x-forwarded-host via traceparent x-request-id ";
  for (const auto& [name, value] : here.upstream.last().headers) {
    std::string lower;
    for (const unsigned char c : name) lower += static_cast<char>(std::tolower(c));
    EXPECT_NE(allowed.find(" " + lower + " "), std::string::npos) << name << ": " << value;
  }
}

TEST(GatewayHeaders, TheServiceIsToldTheFence) {
  GatewayInAFolder here;
  here.upstream.Once("/pay", Answer(503));
  here.Post("k", "/pay", "{}", {{"Idempotency-Fence", "99999999"}});
  const Seen first = here.upstream.last();
  ASSERT_EQ(first.Count("Idempotency-Fence"), 1u);
  EXPECT_NE(first.Header("Idempotency-Fence"), "99999999");
  here.Post("k");
  EXPECT_GT(std::stoull(here.upstream.last().Header("Idempotency-Fence")),
            std::stoull(first.Header("Idempotency-Fence")));
}

TEST(GatewayHeaders, WhereItCameFromIsSetAndNotAppended) {
  GatewayInAFolder here;
  const Headers forged = {{"Host", "shop.example"},       {"X-Forwarded-For", "6.6.6.6"},
                          {"X-Forwarded-Proto", "https"}, {"X-Forwarded-Host", "evil.example"},
                          {"X-Real-IP", "6.6.6.6"},       {"Forwarded", "for=6.6.6.6"}};
  for (const std::string& key : std::vector<std::string>{"k", ""}) {
    here.Post(key, "/pay", "{}", forged);
    const Seen seen = here.upstream.last();
    EXPECT_EQ(seen.Header("X-Forwarded-For"), "127.0.0.1");
    EXPECT_EQ(seen.Header("X-Forwarded-Proto"), "http");
    EXPECT_EQ(seen.Header("X-Forwarded-Host"), "shop.example");
    EXPECT_EQ(seen.Count("X-Forwarded-For"), 1u);
    EXPECT_EQ(seen.head.find("6.6.6.6"), std::string::npos);
    EXPECT_NE(seen.Header("Via").find("1.1 onced-"), std::string::npos);
  }
}

TEST(GatewayHeaders, ATrustedProxyIsBelieved) {
  GatewayInAFolder here(
      {.route = "", .upstream = "", .gateway = "trusted_proxies = [\"127.0.0.1\"]"});
  here.Post("k", "/pay", "{}",
            {{"X-Forwarded-For", "10.1.1.1"}, {"X-Forwarded-Proto", "https"}, {"Via", "1.0 edge"}});
  const Seen seen = here.upstream.last();
  EXPECT_EQ(seen.Header("X-Forwarded-For"), "10.1.1.1, 127.0.0.1");
  EXPECT_EQ(seen.Header("X-Forwarded-Proto"), "https");
  EXPECT_TRUE(seen.Header("Via").starts_with("1.0 edge, 1.1 onced-")) << seen.Header("Via");
}

TEST(GatewayHeaders, WhatIsForOneHopStaysOnIt) {
  GatewayInAFolder here;
  const Headers hop = {{"Connection", "keep-alive, X-Hop"},
                       {"Keep-Alive", "timeout=5"},
                       {"Proxy-Connection", "keep-alive"},
                       {"TE", "trailers"},
                       {"Trailer", "X-T"},
                       {"Proxy-Authorization", "Basic x"},
                       {"X-Hop", "1"}};
  here.upstream.On("/pay", Answer(200, "ok",
                                  {{"Connection", "X-Their-Hop"},
                                   {"X-Their-Hop", "1"},
                                   {"Keep-Alive", "timeout=5"},
                                   {"Proxy-Authenticate", "Basic"},
                                   {"Trailer", "X-T"}}));
  for (const std::string& key : std::vector<std::string>{"k", ""}) {
    const HttpAnswer answer = here.Post(key, "/pay", "{}", hop);
    const Seen seen = here.upstream.last();
    for (const auto& [name, value] : hop) EXPECT_EQ(seen.Count(name), 0u) << name;
    for (const char* name : {"X-Their-Hop", "Keep-Alive", "Proxy-Authenticate", "Trailer"}) {
      EXPECT_EQ(answer.Header(name), "") << name;
    }
  }
}

TEST(GatewayHeaders, AConnectionHeaderThatNamesWhatIsForTheServiceIsRefused) {
  const GatewayInAFolder here;
  for (const std::string& name : std::vector<std::string>{
           "Authorization", "cookie", "Host", "Content-Length", "Content-Type", "Idempotency-Key",
           "X-Forwarded-For", "close, Authorization", "keep-alive,content-type"}) {
    SCOPED_TRACE(name);
    for (const std::string& key : std::vector<std::string>{"k", ""}) {
      EXPECT_EQ(here.Post(key, "/pay", "{}", {{"Connection", name}}).status, 400);
      EXPECT_EQ(here.Ask("GET", "/pay", "", Keyed(key, {{"Connection", name}})).status, 400);
    }
  }
  const Headers two = {{"Connection", "close"}, {"Connection", "Authorization"}};
  EXPECT_EQ(here.Post("k", "/pay", "{}", two).status, 400);
  EXPECT_EQ(here.upstream.hits(), 0u);
}

TEST(GatewayHeaders, WhatIsOfOneMomentOrOneClientIsNotReplayed) {
  GatewayInAFolder here(
      {.route = "replay_headers = [\"X-Ledger-Id\"]", .upstream = "", .gateway = ""});
  const Headers once = {{"Set-Cookie", "session=1"},
                        {"Set-Cookie", "other=2"},
                        {"Date", "Sun, 06 Nov 1994 08:49:37 GMT"},
                        {"Server", "theirs"},
                        {"WWW-Authenticate", "Basic"},
                        {"Access-Control-Allow-Origin", "https://a.example"},
                        {"Access-Control-Allow-Credentials", "true"},
                        {"Alt-Svc", "h3=\":443\""},
                        {"Strict-Transport-Security", "max-age=1"},
                        {"traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
                        {"X-Request-Id", "r1"},
                        {"Age", "5"},
                        {"X-Own", "1"}};
  Headers all = once;
  all.insert(all.end(), {{"Cache-Control", "no-store"},
                         {"X-Ledger-Id", "7"},
                         {"Idempotent-Replayed", "true"},
                         {"Idempotency-Status", "forged"}});
  here.upstream.On("/pay", Answer(200, "ok", all));
  const HttpAnswer first = here.Post("k");
  ExpectCreated(first, "k");
  for (const char* name : {"Set-Cookie", "Access-Control-Allow-Origin", "X-Own", "X-Request-Id"}) {
    EXPECT_NE(first.Header(name), "") << name << " is for the first client";
  }
  EXPECT_EQ(first.Header("X-Request-Id"), "r1") << "the service's own goes before";
  const HttpAnswer replay = here.Post("k");
  ExpectReplay(replay, first);
  for (const auto& [name, value] : once) {
    if (name == "Date") continue;
    if (name == "X-Request-Id") {  // of the request that is answered
      EXPECT_EQ(replay.Header(name).size(), 36u);
      continue;
    }
    EXPECT_EQ(replay.Header(name), "") << name;
  }
  EXPECT_NE(replay.Header("Date"), "Sun, 06 Nov 1994 08:49:37 GMT");
  EXPECT_EQ(replay.Header("X-Ledger-Id"), "7");
  EXPECT_EQ(replay.Header("Cache-Control"), "no-store");
}

// Some services echo the key themselves.
// The story: an answer whose header held a control byte was stored, and could not be read again.
TEST(GatewayHeaders, OneThatIsNoTextDoesNotKeepAnAnswerFromBeingReplayed) {
  GatewayInAFolder here;
  here.upstream.On("/pay", Script().Send("HTTP/1.1 200 OK\r\nContent-Disposition: a\x01z\r\n"
                                         "Content-Language: en\r\nContent-Length: 4\r\n\r\npaid"));
  EXPECT_EQ(here.Post("k").body, "paid");
  const HttpAnswer replay = here.Post("k");
  EXPECT_EQ(replay.status, 200);
  EXPECT_EQ(replay.body, "paid");
  EXPECT_EQ(replay.Header("Content-Language"), "en");
  EXPECT_EQ(replay.Header("Content-Disposition"), "");
}

TEST(GatewayHeaders, TheKeyIsToldOnce) {
  GatewayInAFolder here;
  here.upstream.On("/pay", Answer(200, "ok", {{"Idempotency-Key", "\"k\""}}));
  for (int i = 0; i < 2; ++i) {
    size_t told = 0;
    for (const auto& [name, value] : here.Post("\"k\"").headers) {
      if (name == "Idempotency-Key") ++told;
    }
    EXPECT_EQ(told, 1u);
  }
}

TEST(GatewayHeaders, AnAnswerThatMayBeKeptIsAskedForUncoded) {
  GatewayInAFolder here;
  here.Post("k", "/pay", "{}", {{"Accept-Encoding", "gzip, br"}});
  EXPECT_EQ(here.upstream.last().Header("Accept-Encoding"), "identity");
  here.Post("", "/pay", "{}", {{"Accept-Encoding", "gzip, br"}});
  EXPECT_EQ(here.upstream.last().Header("Accept-Encoding"), "gzip, br");
}

TEST(GatewayHeaders, TheKeyGoesOnAsTheRouteSays) {
  GatewayInAFolder dropped({.route = "downstream_key = \"drop\"", .upstream = "", .gateway = ""});
  dropped.Post("k");
  EXPECT_EQ(dropped.upstream.last().Count("Idempotency-Key"), 0u);

  // As `openssl dgst -sha256 -hmac` writes it.
  const TempFolder folder;
  WriteFile(folder.path("secret"), "0123456789abcdef\n");
  std::filesystem::permissions(folder.path("secret"), std::filesystem::perms::owner_read);
  GatewayInAFolder derived({.route = "downstream_key = \"derive\"\nderive_secret_file = \"" +
                                     folder.path("secret") + "\"",
                            .upstream = "",
                            .gateway = ""});
  derived.Post("\"k\"");
  EXPECT_EQ(derived.upstream.last().Header("Idempotency-Key"),
            "e51aafa1d4392040fcc4f20192c9dad2ac19262d236b87c4595a1aaf2af1e518");
}

// The story: with the key in two headers only one of them was hidden.
TEST(GatewayHeaders, TheKeyIsHiddenUnderWhateverNamesItCame) {
  GatewayInAFolder here({.route = "downstream_key = \"drop\"\nkey_headers = [\"X-Request-Key\"]",
                         .upstream = "",
                         .gateway = ""});
  Client client = here.Connect();
  client.Send(
      "POST /pay HTTP/1.1\r\nHost: a\r\nIdempotency-Key: k\r\nX-Request-Key: k\r\n"
      "Content-Length: 1\r\n\r\nb");
  EXPECT_EQ(client.Receive().status, 200);
  EXPECT_EQ(here.upstream.last().Header("Idempotency-Key"), "");
  EXPECT_EQ(here.upstream.last().Header("X-Request-Key"), "");
}

}  // namespace
}  // namespace onced
