// SPDX-License-Identifier: MIT
// Hostile bytes sent through the gateway: what two readers could read in two ways reaches no
// service, and for each request that is accepted the service sees one request, byte for byte what
// it should be.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/gateway.h"

namespace onced {
namespace {

// Behind every hostile request: whoever misreads its end would forward it.
const std::string kSmuggled = RequestText("POST", "/smuggled", "{}", Keyed("smuggled"));

std::string Post(const std::string& lines, const std::string& body) {
  return "POST /pay HTTP/1.1\r\nHost: 127.0.0.1\r\nIdempotency-Key: k\r\n" + lines + "\r\n" + body;
}

TEST(GatewaySmuggling, WhatCanBeReadInTwoWaysReachesNobody) {
  const GatewayInAFolder here;
  const std::string chunked = "Transfer-Encoding: chunked\r\n";
  const std::vector<std::string> hostile = {
      Post("Content-Length: 2\r\nContent-Length: 3\r\n", "{}"),
      Post("Content-Length: 2, 2\r\n", "{}"),
      Post("Content-Length: +2\r\n", "{}"),
      Post("Content-Length: -1\r\n", "{}"),
      Post("Content-Length: 0x2\r\n", "{}"),
      Post("Content-Length: 2 2\r\n", "{}"),
      Post("Content-Length: 99999999999999999999\r\n", "{}"),
      Post("Content-Length : 2\r\n", "{}"),
      Post("Content-Length: 4\r\n" + chunked, "0\r\n\r\n"),
      Post(chunked + "Content-Length: 4\r\n", "0\r\n\r\n"),
      Post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
      Post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
      Post("Transfer-Encoding: chunked, identity\r\n", "0\r\n\r\n"),
      Post("Transfer-Encoding : chunked\r\n", "0\r\n\r\n"),
      Post("Transfer-Encoding: \x0b"
           "chunked\r\n",
           "0\r\n\r\n"),
      Post(" Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
      Post("X: y\r\n Transfer-Encoding: chunked\r\n", "0\r\n\r\n"),
      Post(chunked, "-2\r\n{}\r\n0\r\n\r\n"),
      Post(chunked, "2\n{}\n0\n\n"),
      Post(chunked, "2\r\n{}x\r\n0\r\n\r\n"),
      Post(chunked, "0x2\r\n{}\r\n0\r\n\r\n"),
      Post(chunked, "fffffffffffffffff\r\n{}\r\n0\r\n\r\n"),
      Post("X: a\rY: b\r\nContent-Length: 2\r\n", "{}"),
      Post("X: a\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n", "{}"),
      Post(std::string("X: a\0b\r\n", 8) + "Content-Length: 2\r\n", "{}"),
      Post("Host: other\r\nContent-Length: 2\r\n", "{}"),
      "POST /pay HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}",
      "POST /pay HTTP/2.0\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
      "POST  /pay HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
      "POST /pay /x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
      "POST\t/pay HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
      "PO ST /pay HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}",
      "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: a\r\n\r\n"};
  for (const std::string& bytes : hostile) {
    SCOPED_TRACE(::testing::PrintToString(bytes));
    Client client = here.Connect();
    ASSERT_TRUE(client.Send(bytes + kSmuggled));
    const HttpAnswer answer = client.Receive();
    EXPECT_GE(answer.status, 400) << answer.body;
    EXPECT_LE(answer.status, 505);
    EXPECT_EQ(client.Receive().status, 0) << "the connection goes on";
  }
  EXPECT_EQ(here.upstream.hits(), 0u);
  EXPECT_EQ(here.Post("good").body, "POST /pay 1\n");
}

TEST(GatewaySmuggling, ATargetThatIsNoPlainPathReachesNobody) {
  const GatewayInAFolder here;
  const std::vector<std::string> hostile = {"/..",
                                            "/../etc/passwd",
                                            "/pay/../admin",
                                            "/pay/..",
                                            "/./pay",
                                            "/pay/.",
                                            "/%2e%2e/admin",
                                            "/.%2e/admin",
                                            "/%2E%2e/",
                                            "/pay/%2e",
                                            "/pay%2fadmin",
                                            "/pay%2Fadmin",
                                            "/pay%5cadmin",
                                            "/pay\\admin",
                                            "/..\\admin",
                                            "/pay%00",
                                            "/pay%00.json",
                                            "pay",
                                            "http://evil.example/pay",
                                            "http://169.254.169.254/latest/meta-data",
                                            "https://127.0.0.1/",
                                            "127.0.0.1:22",
                                            "evil.example:80",
                                            "@evil.example/pay",
                                            "/pay#fragment",
                                            "/pay\x7F",
                                            "/p\xC3\xA4y"};
  for (const std::string& target : hostile) {
    SCOPED_TRACE(::testing::PrintToString(target));
    for (const std::string& method : std::vector<std::string>{"POST", "GET"}) {
      const HttpAnswer answer = here.Ask(method, target, method == "POST" ? "{}" : "", Keyed("k"));
      EXPECT_EQ(answer.status, 400) << answer.body;
    }
  }
  EXPECT_EQ(here.Ask("OPTIONS", "*").status / 100, 4);
  EXPECT_EQ(here.upstream.hits(), 0u);
  for (const std::string& fine :
       std::vector<std::string>{"/", "/a.b/..c", "/a%20b", "/...", "/?x=../..", "/?x=%2e%2e%2f",
                                "/a?b?c", "/a//b", "/a%0d%0ab"}) {
    EXPECT_EQ(here.Ask("GET", fine).status, 200) << fine;
    EXPECT_EQ(here.upstream.last().target, fine);
  }
}

TEST(GatewaySmuggling, RawTargetsPassAsTheyAreWhereTheyAreWanted) {
  GatewayInAFolder here({.route = "", .upstream = "", .gateway = "raw_targets = true"});
  for (const std::string& target :
       std::vector<std::string>{"/a/../b", "/a%2fb", "/%2e%2e/x", "/a/./b"}) {
    EXPECT_EQ(here.Ask("GET", target).status, 200) << target;
    EXPECT_EQ(here.upstream.last().target, target);
  }
}

TEST(GatewaySmuggling, EachAcceptedRequestIsOneRequestByteForByte) {
  GatewayInAFolder here;
  Client client = here.Connect();
  // In one go, so that each begins in the middle of what was read; the body of the first is itself
  // a request.
  const std::string inner = RequestText("POST", "/inner", "{}", Keyed("inner"));
  const std::string chunks =
      "3\r\nabc\r\n"
      "A\r\n0123456789\r\n0\r\n\r\n";
  ASSERT_TRUE(client.Send(
      RequestText("POST", "/one", inner, Keyed("one")) +
      "POST /two HTTP/1.1\r\nHost: a\r\nIdempotency-Key: two\r\n"
      "Transfer-Encoding: chunked\r\n\r\n" +
      chunks + "POST /three HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks +
      "GET /four HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(inner.size()) +
      "\r\n\r\n" + inner + RequestText("GET", "/five")));
  for (const char* want :
       {"POST /one 1\n", "POST /two 1\n", "POST /three 1\n", "GET /four 1\n", "GET /five 1\n"}) {
    EXPECT_EQ(client.Receive().body, want);
  }
  const std::vector<Seen> seen = here.upstream.requests();
  ASSERT_EQ(seen.size(), 5u);
  EXPECT_EQ(seen[0].body, inner);
  EXPECT_EQ(seen[1].body, "abc0123456789");
  EXPECT_EQ(seen[2].body, "abc0123456789");
  EXPECT_EQ(seen[3].body, inner);
  EXPECT_EQ(seen[4].body, "");
  EXPECT_EQ(here.upstream.HitsOfPath("/inner"), 0u);
  for (const Seen& each : seen) {
    EXPECT_EQ(each.Count("Content-Length") + each.Count("Transfer-Encoding"),
              each.body.empty() ? 0u : 1u)
        << each.head;
  }
}

TEST(GatewaySmuggling, AHeaderOfTheRequestNeverBecomesTwo) {
  GatewayInAFolder here;
  Client client = here.Connect();
  for (const std::string& value :
       std::vector<std::string>{"a%0d%0aEvil: 1", "a\\r\\nEvil: 1", "a\tEvil: 1",
                                "\xE5\x98\x8A\xE5\x98\x8D"
                                "Evil: 1"}) {
    const HttpAnswer answer = client.Ask("POST", "/pay", "{}", {{"X-Own", value}});
    EXPECT_EQ(answer.status, 200) << answer.body;
    EXPECT_EQ(here.upstream.last().Header("X-Own"), value);
    EXPECT_EQ(here.upstream.last().Count("Evil"), 0u);
  }
}

// The body is framed by onced, whatever the client promised and did not send.
TEST(GatewaySmuggling, ARequestThatIsCutShortReachesNobodyUnderAKey) {
  const GatewayInAFolder here;
  for (const std::string& cut : std::vector<std::string>{
           Post("Content-Length: 5\r\n", "four"),
           Post("Transfer-Encoding: chunked\r\n", "5\r\nfour"),
           Post("Transfer-Encoding: chunked\r\n", "4\r\nfour\r\n"), Post("Content-Le", "")}) {
    Client client = here.Connect();
    ASSERT_TRUE(client.Send(cut));
    client.FinishSending();
    client.Receive();
  }
  EXPECT_EQ(here.Post("good", "/good").status, 200);
  EXPECT_EQ(here.upstream.hits(), 1u);
  EXPECT_EQ(here.State("k"), "");
}

TEST(GatewaySmuggling, ItLooksNowhereElse) {
  // A redirect of the service is the client's to follow.
  GatewayInAFolder here;
  const ScriptedUpstream elsewhere;
  here.upstream.On("/pay", Answer(307, "", {{"Location", elsewhere.url() + "/stolen"}}));
  EXPECT_EQ(here.Post("k").status, 307);
  EXPECT_EQ(here.Ask("GET", "/pay").status, 307);
  // Nor does the Host that a client asks for decide.
  const HttpAnswer answer =
      here.Post("h", "/h", "{}", {{"Host", "127.0.0.1:" + std::to_string(elsewhere.port())}});
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(elsewhere.connections(), 0u);
}

}  // namespace
}  // namespace onced
