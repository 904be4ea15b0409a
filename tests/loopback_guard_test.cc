// SPDX-License-Identifier: MIT
// The guard of the open loopback port: what a web page can send is refused, what a program on this
// machine sends is not.
#include "server/web/loopback_guard.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace onced {
namespace {

using Headers = std::vector<std::pair<std::string, std::string>>;

// The status of the refusal; 0 when it may pass.
int Judged(const std::string& method, const Headers& headers,
           PortGuard guard = PortGuard::kLoopback) {
  wire::Request request;
  request.method = method;
  request.target = "/v1/claim";
  request.headers = headers;
  const std::optional<Answer> refused = RefuseForeign(request, guard);
  return refused.has_value() ? refused->status : 0;
}
int Judged(const Headers& headers) { return Judged("GET", headers); }

TEST(LoopbackGuard, LetsHostsThatNameLoopbackPass) {
  for (const char* host : {"127.0.0.1", "127.0.0.1:6623", "127.8.9.1", "localhost", "LocalHost:80",
                           "[::1]", "[::1]:6623"}) {
    EXPECT_EQ(Judged({{"Host", host}}), 0) << host;
  }
}

// No browser has spoken HTTP/1.0 for decades, but probes do; of HTTP/1.1 the parser wants a Host.
TEST(LoopbackGuard, LetsClientsOfHttp10PassThatSendNoHost) { EXPECT_EQ(Judged({}), 0); }

// An empty one was once taken for one that was left out.
TEST(LoopbackGuard, RefusesAHostThatNamesNothing) {
  for (const char* host : {"", ":6623", ":"}) {
    EXPECT_EQ(Judged({{"Host", host}}), 403) << host;
    EXPECT_EQ(Judged("POST", {{"Host", host}}), 403) << host;
  }
}

// A page whose name was made to point here (DNS rebinding) sends its own name.
TEST(LoopbackGuard, RefusesOtherHosts) {
  for (const char* host :
       {"evil.com", "127.0.0.1.evil.com", "localhost.evil.com", "evil.com:6623", "127.evil.com",
        "10.0.0.1", "0.0.0.0", "[::2]", "[::1].evil.com", "[::1]evil", "xlocalhost", "127.0.0.1x",
        "evil.com#127.0.0.1", "::1", "169.254.169.254"}) {
    EXPECT_EQ(Judged({{"Host", host}}), 403) << host;
    EXPECT_EQ(Judged("POST", {{"host", host}}), 403) << host;
  }
}

TEST(LoopbackGuard, RefusesForeignOrigins) {
  for (const char* origin : {"https://evil.com", "null", "http://localhost.evil.com",
                             "http://127.0.0.1.evil.com", "http://evil.com:127", "localhost",
                             "file://", "chrome-extension://abcdef", "http://127.0.0.1@evil.com"}) {
    EXPECT_EQ(Judged({{"Host", "localhost"}, {"Origin", origin}}), 403) << origin;
  }
  for (const char* origin : {"http://localhost:3000", "http://127.0.0.1", "https://[::1]:8443"}) {
    EXPECT_EQ(Judged({{"Host", "localhost"}, {"Origin", origin}}), 0) << origin;
  }
}

TEST(LoopbackGuard, RefusesWhatABrowserSaysComesFromElsewhere) {
  for (const char* site : {"cross-site", "same-site", "Cross-Site", "anything"}) {
    EXPECT_EQ(Judged({{"Host", "localhost"}, {"Sec-Fetch-Site", site}}), 403) << site;
  }
  for (const char* site : {"same-origin", "none"}) {
    EXPECT_EQ(Judged({{"Host", "localhost"}, {"Sec-Fetch-Site", site}}), 0) << site;
  }
}

int JudgedAt(const std::string& target, const Headers& headers, const std::string& method = "GET",
             PortGuard guard = PortGuard::kLoopback) {
  wire::Request request;
  request.method = method;
  request.target = target;
  request.headers = headers;
  const std::optional<Answer> refused = RefuseForeign(request, guard);
  return refused.has_value() ? refused->status : 0;
}

// A link to the dashboard, in a ticket or a chat, is what another site's page may hold.
TEST(LoopbackGuard, LetsALinkOfAnotherSiteLeadToTheDashboard) {
  const Headers link = {{"Host", "localhost"},
                        {"Sec-Fetch-Site", "cross-site"},
                        {"Sec-Fetch-Mode", "navigate"},
                        {"Sec-Fetch-Dest", "document"}};
  const auto with = [&](const std::string& name, const std::string& value) {
    Headers changed = link;
    for (auto& [known, given] : changed) given = known == name ? value : given;
    return changed;
  };
  for (const char* page : {"/", "/?x=1", "/dashboard", "/dashboard/", "/dashboard/RUNBOOK.md"}) {
    EXPECT_EQ(JudgedAt(page, link), 0) << page;
    EXPECT_EQ(JudgedAt(page, link, "GET", PortGuard::kOpen), 0) << page;
    EXPECT_EQ(JudgedAt(page, link, "GET", PortGuard::kSameOrigin), 0) << page;
    EXPECT_EQ(JudgedAt(page, link, "POST"), 403) << page;
    EXPECT_EQ(JudgedAt(page, link, "HEAD"), 403) << page;
    EXPECT_EQ(JudgedAt(page, with("Host", "evil.example")), 403) << page;
    EXPECT_EQ(JudgedAt(page, with("Host", "evil.example"), "GET", PortGuard::kOpen), 403) << page;
    for (const char* mode : {"cors", "no-cors", "same-origin", "websocket", ""}) {
      EXPECT_EQ(JudgedAt(page, with("Sec-Fetch-Mode", mode)), 403) << mode;
    }
    for (const char* dest : {"iframe", "frame", "embed", "object", "script", "empty", ""}) {
      EXPECT_EQ(JudgedAt(page, with("Sec-Fetch-Dest", dest)), 403) << dest;
    }
    for (const auto& [name, value] : Headers{{"Sec-Fetch-Dest", "iframe"},
                                             {"Sec-Fetch-Mode", "cors"},
                                             {"Origin", "http://evil.example"}}) {
      Headers more = link;
      more.emplace_back(name, value);
      EXPECT_EQ(JudgedAt(page, more), 403) << name;
    }
    EXPECT_EQ(JudgedAt(page, {link.begin(), link.end() - 1}), 403) << page;
    EXPECT_EQ(JudgedAt(page, {link[0], link[1], link[3]}), 403) << page;
  }
  for (const char* other :
       {"/v1/status", "/v1/keys", "/metrics", "/openapi.json", "/dashboards", "//dashboard/",
        "/v1/status?/dashboard/", "/Dashboard/", "", "dashboard/", "http://localhost/dashboard/"}) {
    EXPECT_EQ(JudgedAt(other, link), 403) << other;
  }
}

// A form or a script can POST these without asking first.
TEST(LoopbackGuard, TakesPostsOfJsonOnly) {
  for (const char* type :
       {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
        "application/jsonx", "json", "text/plain; application/json", "application/problem+json"}) {
    EXPECT_EQ(Judged("POST", {{"Host", "localhost"}, {"Content-Type", type}}), 415) << type;
    EXPECT_EQ(Judged("GET", {{"Host", "localhost"}, {"Content-Type", type}}), 0) << type;
  }
  for (const char* type : {"application/json", "Application/JSON; charset=utf-8",
                           "application/json ;charset=utf-8", ""}) {
    EXPECT_EQ(Judged("POST", {{"Host", "localhost"}, {"Content-Type", type}}), 0) << type;
  }
  EXPECT_EQ(Judged("POST", {{"Host", "localhost"}}), 0);
}

// Two headers of one name: a list, of which one must not hide behind the other.
TEST(LoopbackGuard, IsNotFooledByASecondHeader) {
  EXPECT_EQ(Judged({{"Origin", "http://localhost"}, {"Origin", "https://evil.com"}}), 403);
  EXPECT_EQ(Judged({{"Sec-Fetch-Site", "none"}, {"Sec-Fetch-Site", "cross-site"}}), 403);
  EXPECT_EQ(Judged("POST", {{"Content-Type", "application/json"}, {"Content-Type", "text/plain"}}),
            415);
}

// Where everybody is let in, by names that onced cannot know.
int JudgedOpen(const Headers& headers, const std::string& method = "POST") {
  return Judged(method, headers, PortGuard::kOpen);
}

TEST(PortGuard, OfAnOpenPortRefusesPagesOfOtherSites) {
  EXPECT_EQ(JudgedOpen({{"Host", "10.0.0.1"}, {"Sec-Fetch-Site", "same-origin"}}), 0);
  EXPECT_EQ(JudgedOpen({{"Host", "LocalHost:80"}, {"Origin", "http://localhost:80"}}), 0);
  for (const char* origin : {"http://evil.example", "null", "http://10.0.0.1",
                             "http://10.0.0.1:80.evil.example", "http://", "10.0.0.1:80"}) {
    EXPECT_EQ(JudgedOpen({{"Host", "10.0.0.1:80"}, {"Origin", origin}}), 403) << origin;
  }
  EXPECT_EQ(JudgedOpen({{"Origin", "http://"}}), 403) << "no Host to be the same as";
  EXPECT_EQ(JudgedOpen({{"Host", "10.0.0.1"}, {"Sec-Fetch-Site", "cross-site"}}), 403);
  EXPECT_EQ(JudgedOpen({{"Host", "onced.example"}, {"Content-Type", "text/plain"}}), 415);
}

// A site can point its own name at this machine; its pages are then of the same origin as the port,
// and Origin and Host agree.
TEST(PortGuard, OfAnOpenPortTakesBrowsersByAddressOnly) {
  for (const std::string host :
       {"evil.example:6623", "10.0.0.1.evil.example", "localhost.evil", "10.0.0.1x", "1", "0x7f.1",
        "[::1", "[::1]x", "[evil]", "::1", ""}) {
    EXPECT_EQ(JudgedOpen({{"Host", host}, {"Origin", "http://" + host}}), 403) << host;
    EXPECT_EQ(JudgedOpen({{"Host", host}, {"Sec-Fetch-Site", "same-origin"}}, "GET"), 403) << host;
    EXPECT_EQ(JudgedOpen({{"sec-fetch-mode", "cors"}, {"host", host}}, "GET"), 403) << host;
    EXPECT_EQ(JudgedOpen({{"Host", host}}), 0) << host << ", by a program";
  }
  for (const std::string host : {"10.0.0.1", "10.0.0.1:6623", "[fd00::1]", "[FD00::1]:6623",
                                 "localhost", "localhost:6623", "127.0.0.1:6623"}) {
    EXPECT_EQ(JudgedOpen({{"Host", host}, {"Origin", "http://" + host}}), 0) << host;
    EXPECT_EQ(JudgedOpen({{"Host", host}, {"Sec-Fetch-Site", "none"}}, "GET"), 0) << host;
  }
  EXPECT_EQ(JudgedOpen({{"Host", "10.0.0.1"}, {"Host", "evil"}, {"Sec-Fetch-Site", "none"}}), 403);
}

TEST(PortGuard, OfCertificatesRefusesPagesOfOtherSites) {
  const auto judged = [](const Headers& headers) {
    return Judged("POST", headers, PortGuard::kSameOrigin);
  };
  EXPECT_EQ(judged({{"Host", "onced.example"}, {"Sec-Fetch-Site", "same-origin"}}), 0);
  EXPECT_EQ(judged({{"Host", "Onced.example:80"}, {"Origin", "http://onced.example:80"}}), 0);
  EXPECT_EQ(judged({{"Host", "onced.example:80"}, {"Origin", "http://onced.example"}}), 403);
  EXPECT_EQ(judged({{"Host", "onced.example"}, {"Sec-Fetch-Site", "cross-site"}}), 403);
}

TEST(PortGuard, OfAPortWithTokensLeavesTheRestToThem) {
  const auto judged = [](const Headers& headers) {
    return Judged("POST", headers, PortGuard::kTokens);
  };
  EXPECT_EQ(judged({{"Host", "onced.example"}, {"Origin", "https://dashboard.example"}}), 0);
  EXPECT_EQ(judged({{"Host", "onced.example"}, {"Sec-Fetch-Site", "cross-site"}}), 0);
  EXPECT_EQ(judged({{"Host", "onced.example"}, {"Content-Type", "text/plain"}}), 415);
}

}  // namespace
}  // namespace onced
