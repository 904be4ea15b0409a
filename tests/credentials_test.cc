// SPDX-License-Identifier: MIT
// Who sends a request: by the Authorization header and the connection's certificate, and by nothing
// else of it.
#include "server/web/credentials.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/fixtures.h"

namespace onced {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

std::shared_ptr<const TokenBook> Book() {
  const auto entry = [](const std::string& name) {
    return TokenBook::Entry({.tenant = name}, DigestOf(name + "-token")) +
           "certificate_subjects = [\"CN=" + name + "\"]\n";
  };
  return Value(TokenBook::Parse(entry("shop") + entry("bank"), "t"));
}

// The tenant, or the status of the refusal.
std::string Judged(const Headers& headers, const std::string& subject = "",
                   const std::string& target = "/v1/keys") {
  wire::Request request;
  request.method = "GET";
  request.target = target;
  request.headers = headers;
  const std::shared_ptr<const TokenBook> book = Book();
  const Identity identity =
      Identify(*book, request, {.address = "127.0.0.1", .certificate_subject = subject});
  EXPECT_NE(identity.caller == nullptr, !identity.refused.has_value());
  if (identity.caller != nullptr) return identity.caller->tenant;
  if (identity.refused->status == 401) {
    const auto& told = identity.refused->headers;
    EXPECT_NE(std::find(told.begin(), told.end(),
                        std::pair<std::string, std::string>("WWW-Authenticate", "Bearer")),
              told.end());
  }
  return std::to_string(identity.refused->status);
}

TEST(Credentials, AreABearerToken) {
  for (const char* right : {"Bearer shop-token", "bearer shop-token", "BEARER   shop-token"}) {
    EXPECT_EQ(Judged({{"Authorization", right}}), "shop") << right;
    EXPECT_EQ(Judged({{"authorization", right}}), "shop") << right;
  }
  for (const char* wrong :
       {"", "Bearer", "Bearer ", "shop-token", "Basic shop-token", "Bearershop-token",
        "Bearer shop-token x", "Bearer \"shop-token\"", "Bearer shop-toke", "Bearer,shop-token",
        "Bearer shop-token,Bearer shop-token", "Bearer\tshop-token", " Bearer shop-token"}) {
    EXPECT_EQ(Judged({{"Authorization", wrong}}), "401") << wrong;
  }
  EXPECT_EQ(Judged({}), "401");
}

TEST(Credentials, AreNowhereElse) {
  for (const char* header : {"Cookie", "X-Authorization", "Proxy-Authorization", "X-Api-Key"}) {
    EXPECT_EQ(Judged({{header, "Bearer shop-token"}}), "401") << header;
  }
  EXPECT_EQ(Judged({}, "", "/v1/keys?access_token=shop-token"), "401");
}

TEST(Credentials, AreGivenOnce) {
  EXPECT_EQ(
      Judged({{"Authorization", "Bearer shop-token"}, {"Authorization", "Bearer bank-token"}}),
      "400");
  EXPECT_EQ(
      Judged({{"Authorization", "Bearer shop-token"}, {"authorization", "Bearer shop-token"}}),
      "400");
}

TEST(Credentials, CanBeTheSubjectOfAVerifiedCertificate) {
  EXPECT_EQ(Judged({}, "CN=shop"), "shop");
  EXPECT_EQ(Judged({}, "CN=unknown"), "401");
  EXPECT_EQ(Judged({{"Authorization", "Bearer shop-token"}}, "CN=unknown"), "shop");
}

TEST(Credentials, OfTwoKindsMustAgree) {
  EXPECT_EQ(Judged({{"Authorization", "Bearer shop-token"}}, "CN=shop"), "shop");
  EXPECT_EQ(Judged({{"Authorization", "Bearer bank-token"}}, "CN=shop"), "403");
  EXPECT_EQ(Judged({{"Authorization", "Bearer wrong"}}, "CN=shop"), "401")
      << "a token that is shown must be right";
}

// A browser shows its certificate to whoever asks, for any page; a token it cannot be made to send.
TEST(Credentials, ThatABrowserShowsByItselfAreNoGoodForAForeignPage) {
  const Headers foreign = {{"Host", "onced.example"}, {"Origin", "https://evil.example"}};
  EXPECT_EQ(Judged(foreign, "CN=shop"), "403");
  EXPECT_EQ(Judged({{"Host", "onced.example"}, {"Sec-Fetch-Site", "cross-site"}}, "CN=shop"),
            "403");
  EXPECT_EQ(Judged({{"Host", "onced.example"}, {"Origin", "https://onced.example"}}, "CN=shop"),
            "shop");
  EXPECT_EQ(Judged({{"Origin", "https://evil.example"}, {"Authorization", "Bearer shop-token"}}),
            "shop");
}

}  // namespace
}  // namespace onced
