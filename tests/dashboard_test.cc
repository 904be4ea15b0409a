// SPDX-License-Identifier: MIT
// The dashboard's files, as the program serves them; and the numbers it shows. What the page does
// with them is tried in a browser (tests/dashboard).
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tests/program.h"
#include "tests/tenants.h"

namespace onced {
namespace {

std::string Source(const std::string& path) {
  std::ifstream file(std::string(ONCED_SOURCE_DIR) + "/server/" + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

constexpr const char* kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

TEST(Dashboard, IsServedAsItIsWritten) {
  const OncedInAFolder here;
  const std::vector<std::pair<std::string, std::string>> files = {
      {"index.html", "text/html; charset=utf-8"},
      {"dashboard.css", "text/css; charset=utf-8"},
      {"dashboard.js", "text/javascript; charset=utf-8"},
      {"charts.js", "text/javascript; charset=utf-8"},
      {"figures.js", "text/javascript; charset=utf-8"},
      {"keys.js", "text/javascript; charset=utf-8"},
      {"link.js", "text/javascript; charset=utf-8"},
      {"requests.js", "text/javascript; charset=utf-8"},
      {"tables.js", "text/javascript; charset=utf-8"},
      {"unknown.js", "text/javascript; charset=utf-8"},
      {"warnings.js", "text/javascript; charset=utf-8"}};
  for (const auto& [name, type] : files) {
    const HttpAnswer answer = here.Get("/dashboard/" + name);
    EXPECT_EQ(answer.status, 200) << name;
    EXPECT_EQ(answer.body, Source("dashboard/" + name)) << name;
    EXPECT_EQ(answer.Header("Content-Type"), type);
    EXPECT_EQ(answer.Header("Content-Security-Policy"), kPolicy);
    EXPECT_EQ(answer.Header("X-Content-Type-Options"), "nosniff");
    EXPECT_EQ(answer.Header("Referrer-Policy"), "no-referrer");
    EXPECT_EQ(answer.Header("Cache-Control"), "no-cache");
  }
  EXPECT_EQ(here.Get("/").body, Source("dashboard/index.html"));
  EXPECT_EQ(here.Get("/dashboard/RUNBOOK.md").body, Source("RUNBOOK.md"));
  EXPECT_NE(here.Get("/dashboard/chart.min.js").body.find("Chart.js v"), std::string::npos);
}

TEST(Dashboard, IsKeptByWhoeverHasIt) {
  const OncedInAFolder here;
  Client client = here.program.Connect();
  const HttpAnswer plain = client.Ask("GET", "/");
  const HttpAnswer packed = client.Ask("GET", "/", "", {{"Accept-Encoding", "br, gzip"}});
  EXPECT_EQ(plain.Header("Content-Encoding"), "");
  EXPECT_EQ(packed.Header("Content-Encoding"), "gzip");
  EXPECT_LT(packed.body.size(), plain.body.size() / 2);
  EXPECT_TRUE(packed.body.starts_with("\x1f\x8b"));
  EXPECT_NE(plain.Header("ETag"), packed.Header("ETag"));
  EXPECT_TRUE(std::regex_match(plain.Header("ETag"), std::regex("\"[0-9a-f]{64}\"")));
  const std::string etag = plain.Header("ETag");
  for (const std::string& has : {etag, "W/" + etag, "\"x\", " + etag, std::string("*")}) {
    const HttpAnswer kept = client.Ask("GET", "/", "", {{"If-None-Match", has}});
    EXPECT_EQ(kept.status, 304) << has;
    EXPECT_EQ(kept.body, "");
    EXPECT_EQ(kept.Header("ETag"), etag);
  }
  EXPECT_EQ(client.Ask("GET", "/", "", {{"If-None-Match", "\"x\""}}).status, 200);
  EXPECT_EQ(client.Ask("GET", "/", "", {{"Accept-Encoding", "gzip;q=0"}}).body, plain.body);
  // A HEAD says what a GET would, and the connection goes on.
  const HttpAnswer head = client.Ask("HEAD", "/");
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.Header("Content-Length"), std::to_string(plain.body.size()));
  EXPECT_EQ(head.Header("ETag"), etag);
  EXPECT_EQ(client.Ask("GET", "/dashboard/dashboard.css").status, 200);
}

TEST(Dashboard, LeadsToNothingElse) {
  const OncedInAFolder here;
  for (const char* path :
       {"/dashboards", "/dashboard//", "/dashboard/x", "/dashboard/..%2findex.html",
        "/dashboard/../dashboard.css", "/dashboard/%2e%2e", "/index.html", "//", "/dashboard/a/b",
        "/dashboard/dashboard.css/", "/dashboard/DASHBOARD.CSS"}) {
    ExpectProblem(here.Get(path), 404, "not_found");
  }
  ExpectProblem(here.Post("/", "{}"), 405, "method_not_allowed");
  ExpectProblem(here.program.Ask("GET", "/", "", {{"Host", "evil.example"}}), 403, "forbidden");
  ExpectProblem(here.program.Ask("GET", "/", "", {{"Sec-Fetch-Site", "cross-site"}}), 403,
                "forbidden");
}

// What people type, and what they paste.
TEST(Dashboard, IsFoundByOtherNamesToo) {
  const OncedInAFolder here;
  const std::string page = here.Get("/").body;
  for (const char* query : {"/?x=1", "/?", "/?a=1&b=%2F"}) EXPECT_EQ(here.Get(query).body, page);
  for (const char* path : {"/dashboard", "/dashboard/", "/dashboard?x=1", "/dashboard/?x"}) {
    for (const char* method : {"GET", "HEAD"}) {
      const HttpAnswer answer = here.program.Ask(method, path);
      EXPECT_EQ(answer.status, 302) << path;
      EXPECT_EQ(answer.Header("Location"), "/") << path;
    }
    ExpectProblem(here.Post(path, "{}"), 405, "method_not_allowed");
  }
  // By a link on a page of another site, and only by one.
  const auto marked = [&](const std::string& path, const std::string& dest) {
    return here.program.Ask("GET", path, "",
                            {{"Sec-Fetch-Site", "cross-site"},
                             {"Sec-Fetch-Mode", "navigate"},
                             {"Sec-Fetch-Dest", dest}});
  };
  EXPECT_EQ(marked("/", "document").body, page);
  EXPECT_EQ(marked("/", "document").Header("Content-Security-Policy"), kPolicy);
  ExpectProblem(marked("/", "iframe"), 403, "forbidden");
  ExpectProblem(marked("/v1/status", "document"), 403, "forbidden");
  ExpectProblem(marked("/v1/keys?/dashboard/", "document"), 403, "forbidden");
}

TEST(Dashboard, NeedsNoTokenAndItsNumbersDo) {
  const GuardedOnced here;
  EXPECT_EQ(here.program.Ask("GET", "/").status, 200);
  EXPECT_EQ(here.program.Ask("HEAD", "/dashboard/dashboard.js").status, 200);
  EXPECT_EQ(here.program.Ask("GET", "/v1/status").status, 401);
  EXPECT_EQ(here.Ask("shop-1", "GET", "/v1/status").status, 403);
  EXPECT_EQ(here.Ask("ops", "GET", "/v1/status").status, 200);
}

TEST(Dashboard, IsNamedAtTheStart) {
  const OncedInAFolder here;
  EXPECT_NE(here.program.Said().find(
                "  dashboard  http://127.0.0.1:" + std::to_string(here.program.port()) + "/\n"),
            std::string::npos);
}

// Everything is served from here: no file of the page names another place, but for what is never
// asked for (a namespace).
TEST(Dashboard, NamesNoOtherPlace) {
  const std::regex place("(https?:)?//[a-z0-9.-]+\\.[a-z]+");
  for (const char* name :
       {"index.html", "dashboard.css", "dashboard.js", "charts.js", "figures.js", "keys.js",
        "link.js", "requests.js", "tables.js", "unknown.js", "warnings.js"}) {
    const std::string text = std::regex_replace(Source(std::string("dashboard/") + name),
                                                std::regex("http://www\\.w3\\.org/2000/svg"), "");
    ASSERT_FALSE(text.empty()) << name;
    std::smatch found;
    EXPECT_FALSE(std::regex_search(text, found, place)) << name << ": " << found.str();
    for (const char* risky : {"innerHTML", "outerHTML", "insertAdjacentHTML", "document.write",
                              "eval(", " style=", "onclick="}) {
      EXPECT_EQ(text.find(risky), std::string::npos) << name << ": " << risky;
    }
  }
}

// One truth: what the dashboard reads is what Prometheus reads.
TEST(Dashboard, SaysWhatTheMetricsSay) {
  const OncedInAFolder here({"--redis", "127.0.0.1:0"});
  for (int i = 0; i < 5; ++i) {
    const std::string key = "k" + std::to_string(i);
    const std::string fence = here.Claim(key);
    EXPECT_EQ(here.Post("/v1/claim", "{'key':'" + key + "'}").status, 409);
    EXPECT_EQ(here.Complete(key, fence, "1").status, 200);
    EXPECT_EQ(here.Post("/v1/claim", "{'key':'" + key + "'}").Field("/outcome"), "replay");
  }
  const HttpAnswer status = here.Get("/v1/status");
  const std::string metrics = here.Get("/metrics").body;
  EXPECT_EQ(status.Field("/state"), "ready");
  EXPECT_EQ(status.Field("/doors/api/outcomes/executed"), "5");
  EXPECT_EQ(status.Field("/doors/api/outcomes/replayed"), "5");
  EXPECT_EQ(status.Count("/doors/api/durations/counts"), status.Count("/durations/bounds_us") + 1);
  EXPECT_EQ(status.Count("/store/log_syncs/counts"), status.Count("/durations/bounds_us") + 1);
  EXPECT_EQ(status.Field("/doors/redis/connections"), "0");
  EXPECT_EQ(status.Count("/doors"), 2u);
  EXPECT_GT(std::stoull(status.Field("/disk_needed_bytes")), 0u);
  EXPECT_LT(std::stoull(status.Field("/disk_needed_bytes")), 1u << 29);
  const std::regex told("onced_requests_total\\{door=\"(api|redis)\",outcome=\"(\\w+)\"\\} (\\d+)");
  size_t compared = 0;
  for (std::sregex_iterator it(metrics.begin(), metrics.end(), told), end; it != end; ++it) {
    if ((*it)[2] == "other") continue;  // the look itself
    const std::string at = "/doors/" + (*it)[1].str() + "/outcomes/" + (*it)[2].str();
    EXPECT_EQ(status.Field(at), (*it)[3]) << at;
    ++compared;
  }
  EXPECT_EQ(compared, 2u * 13u);
}

}  // namespace
}  // namespace onced
