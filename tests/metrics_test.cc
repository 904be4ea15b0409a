// SPDX-License-Identifier: MIT
// What is counted, and how it is told: the numbers are those of what was asked, Prometheus' own
// tool has no complaint, and nothing in it was chosen by a caller.
//
// To write server/METRICS.md anew:
//   ONCED_WRITE_METRICS=1 build/dev/tests/onced_program_tests --gtest_filter='MetricsDocument.*'
#include "server/operations/metrics.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "server/operations/exposition.h"
#include "tests/program.h"
#include "tests/redis.h"
#include "tests/tenants.h"

namespace onced {
namespace {

std::string Scrape(const Program& program) { return program.Ask("GET", "/metrics").body; }

// Of the sample that is written so, with its labels; -1: there is none.
double ValueOf(const std::string& text, const std::string& sample) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(sample + " ")) return std::stod(line.substr(sample.size() + 1));
  }
  return -1;
}

std::string Outcome(const std::string& door, const std::string& outcome) {
  return "onced_requests_total{door=\"" + door + "\",outcome=\"" + outcome + "\"}";
}

TEST(Metrics, CountWhatWasAsked) {
  const RedisInAFolder here;
  const auto ask = [&](const char* path, const std::string& body, int status) {
    EXPECT_EQ(here.program->Ask("POST", path, body).status, status) << path << body;
  };
  ask("/v1/claim", R"({"key":"a","lease_ms":500})", 201);
  ask("/v1/claim", R"({"key":"b"})", 201);
  ask("/v1/claim", R"({"key":"b"})", 409);
  ask("/v1/claim", R"({"key":"b","fingerprint":"x"})", 422);
  ask("/v1/claim", R"({"kee":"b"})", 400);
  ask("/v1/complete", R"({"key":"b","fence":"1"})", 409);
  ask("/v1/complete", R"({"key":"c","result":1})", 200);
  ask("/v1/claim", R"({"key":"c"})", 200);
  ask("/v1/batch", R"({"operations":[{"op":"claim","key":"d"},{"op":"claim","key":"c"}]})", 200);
  ask("/v1/claim", R"({"key":"a","wait_ms":5000})", 201);  // retaken, when its lease has lapsed
  const std::string pay = R"({"amount":1,"currency":"EUR"})";
  ask("/api/payments", pay, 201);
  ask("/api/payments", pay, 201);
  RespClient redis = here.Connect();
  EXPECT_EQ(redis.Ask("SET k v"), "+OK\r\n");
  EXPECT_TRUE(redis.Ask("ONCED.CLAIM k").starts_with("*")) << "a claim";

  const std::string text = Scrape(*here.program);
  const std::pair<const char*, int> api[] = {
      {"executed", 4}, {"retaken", 1},   {"replayed", 3}, {"in_flight", 1}, {"conflict", 1},
      {"stale", 1},    {"completed", 1}, {"refused", 1},  {"other", 1},     {"failed", 0}};
  for (const auto& [outcome, count] : api) {
    EXPECT_EQ(ValueOf(text, Outcome("api", outcome)), count) << outcome;
  }
  EXPECT_EQ(ValueOf(text, Outcome("redis", "executed")), 1);
  EXPECT_EQ(ValueOf(text, Outcome("redis", "other")), 1);
  EXPECT_EQ(ValueOf(text, R"(onced_http_responses_total{door="api",class="4xx"})"), 4);
  EXPECT_EQ(ValueOf(text, R"(onced_request_duration_seconds_count{door="api"})"), 12);
  EXPECT_EQ(ValueOf(text, R"(onced_request_duration_seconds_bucket{door="api",le="+Inf"})"), 12);
  EXPECT_GE(ValueOf(text, R"(onced_request_duration_seconds_sum{door="api"})"), 0.09)
      << "one has waited for what was left of a lease of 500 ms";
  EXPECT_GE(ValueOf(text, "onced_log_sync_duration_seconds_count"), 8);
  EXPECT_GT(ValueOf(text, "process_resident_memory_bytes"), 1e6);
  EXPECT_GT(ValueOf(text, "process_start_time_seconds"), 1.7e9);
}

TEST(Metrics, AreWhatPrometheusReads) {
  const RedisInAFolder here;
  const TempFolder folder;
  WriteFile(folder.path("metrics"), Scrape(*here.program));
  const std::string command =
      "promtool check metrics < " + folder.path("metrics") + " > " + folder.path("said") + " 2>&1";
  const int status = std::system(command.c_str());
  if (WEXITSTATUS(status) == 127) GTEST_SKIP() << "no promtool: install prometheus";
  EXPECT_EQ(status, 0) << ReadFile(folder.path("said"));
}

// What callers choose would make as many series as there are callers, and be read by who may not.
TEST(Metrics, TellNothingOfKeysAndTenants) {
  const GuardedOnced here;
  EXPECT_EQ(here.Ask("shop-1", "POST", "/v1/claim", R"({"key":"canary-key","scope":"canary-scope",
      "holder":"canary-holder","fingerprint":"canary-print"})")
                .status,
            201);
  EXPECT_EQ(here.Ask("shop-1", "GET", "/metrics").status, 403) << "for an admin";
  const HttpAnswer scraped = here.Ask("ops", "GET", "/metrics");
  EXPECT_EQ(scraped.status, 200);
  EXPECT_EQ(scraped.body.find("canary"), std::string::npos);
  EXPECT_EQ(scraped.body.find("shop"), std::string::npos);
  EXPECT_EQ(ValueOf(scraped.body, Outcome("api", "executed")), 1);
  EXPECT_EQ(ValueOf(scraped.body, Outcome("api", "refused")), 1);
}

TEST(Tally, LosesNothingOfAnyThread) {
  Tally tally;
  std::vector<std::thread> threads;
  for (int t = 0; t < 20; ++t) {
    threads.emplace_back([&tally] {
      for (int i = 0; i < 10'000; ++i) {
        tally.Count(Door::kApi, CameTo::kReplayed);
        tally.Took(Door::kRedis, std::chrono::microseconds(60), 2);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Tally::Seen seen = tally.Read();
  EXPECT_EQ(seen.told[0][static_cast<size_t>(CameTo::kReplayed)], 200'000u);
  EXPECT_EQ(seen.took[2].Count(), 400'000u);
  EXPECT_EQ(seen.took[2].counts[1], 400'000u) << "above 50 us, to 100 us";
  EXPECT_EQ(seen.took[2].sum_us, 24'000'000u);
}

TEST(Exposition, EscapesWhatWouldEndALabel) {
  Exposition out;
  out.Gauge("a", "What it is.").Value(1, {{"route", "a\"b\\c\nd"}});
  EXPECT_EQ(out.Take(), "# HELP a What it is.\n# TYPE a gauge\na{route=\"a\\\"b\\\\c\\nd\"} 1\n");
}

// A page for people, of what a scrape says itself.
std::string Document() {
  Observed observed{.storage = {.database = DatabaseFigures(), .files = StoreFigures()},
                    .connections = {{.door = Door::kApi}},
                    .upstreams = {{.route = "r"}}};
  std::istringstream lines(MetricsText(observed));
  std::string page =
      "# Metrics\n\n*Made of what `GET /metrics` says itself.* For an admin where there are "
      "tokens. Numbers\n"
      "only grow while the process lives, but for gauges. `door` is `api`, `gateway` or "
      "`redis`.\n\n"
      "| name | type | labels | what it is |\n|---|---|---|---|\n";
  std::string name, help, type;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("# HELP ")) {
      const size_t space = line.find(' ', 7);
      name = line.substr(7, space - 7);
      help = line.substr(space + 1);
    } else if (line.starts_with("# TYPE ")) {
      type = line.substr(line.rfind(' ') + 1);
    } else if (!name.empty()) {
      std::string labels;
      for (const char* label :
           {"door", "outcome", "class", "kind", "route", "version", "rocksdb"}) {
        if (line.find(std::string(label) + "=\"") == std::string::npos) continue;
        labels += (labels.empty() ? "`" : ", `") + std::string(label) + "`";
      }
      page += "| `" + name + "` | " + type + " | " + labels + " | " + help + " |\n";
      name.clear();
    }
  }
  return page;
}

TEST(MetricsDocument, IsWhatAScrapeSays) {
  const std::string path = std::string(ONCED_SOURCE_DIR) + "/server/METRICS.md";
  if (std::getenv("ONCED_WRITE_METRICS") != nullptr) std::ofstream(path) << Document();
  std::ifstream file(path);
  EXPECT_EQ(std::string(std::istreambuf_iterator<char>(file), {}), Document());
}

}  // namespace
}  // namespace onced
