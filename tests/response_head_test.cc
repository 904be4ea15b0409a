// SPDX-License-Identifier: MIT
// The one writer of heads: what it adds, what it leaves alone, and that no value becomes a line.
#include "server/wire/response_head.h"

#include <gtest/gtest.h>
#include <httplib.h>

#include <string>

namespace onced::wire {
namespace {

httplib::Response ResponseWith(int status, const httplib::Headers& headers = {}) {
  httplib::Response response;
  response.status = status;
  response.headers = headers;
  return response;
}

TEST(ResponseHead, SaysHowTheAnswerMayBeUsedAndHowLongItIs) {
  EXPECT_EQ(ResponseHead(ResponseWith(200, {{"Content-Type", "text/plain"}}), {.length = 2}),
            "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
            "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(ResponseHead(ResponseWith(204), {.minor_version = 0}),
            "HTTP/1.1 204 No Content\r\nCache-Control: no-store\r\n"
            "X-Content-Type-Options: nosniff\r\nConnection: keep-alive\r\n\r\n");
}

TEST(ResponseHead, AddsNothingToAnotherServersAnswer) {
  const auto response = ResponseWith(200, {{"Set-Cookie", "b=2"}, {"Set-Cookie", "a=1"}});
  EXPECT_EQ(ResponseHead(response, {.last = true, .as_is = true, .chunked = true}),
            "HTTP/1.1 200 OK\r\nConnection: close\r\nSet-Cookie: b=2\r\nSet-Cookie: a=1\r\n"
            "Transfer-Encoding: chunked\r\n\r\n");
  EXPECT_EQ(ResponseHead(ResponseWith(299), {.as_is = true}), "HTTP/1.1 299 \r\n\r\n");
}

TEST(ResponseHead, LetsNoValueBeginAnotherLine) {
  const std::string value("1\r\nX: 2\0", 8);
  EXPECT_EQ(ResponseHead(ResponseWith(200, {{"A", value}}), {.as_is = true}),
            "HTTP/1.1 200 OK\r\nA: 1  X: 2 \r\n\r\n");
}

// There were two writers, and the connection's own refusals had no language, no Retry-After and the
// code for a reason phrase.
TEST(ResponseHead, OfARefusalIsThatOfEveryOtherProblem) {
  const std::string answer =
      LastAnswer({.code = "overloaded", .detail = "too many", .retry_after_s = 3}, "id");
  EXPECT_EQ(answer.substr(0, answer.find('\r')), "HTTP/1.1 503 Service Unavailable");
  for (const char* line : {"Connection: close", "Content-Language: en", "Retry-After: 3",
                           "Content-Type: application/problem+json"}) {
    EXPECT_NE(answer.find("\r\n" + std::string(line) + "\r\n"), std::string::npos) << answer;
  }
}

}  // namespace
}  // namespace onced::wire
