// SPDX-License-Identifier: MIT
// The calls that look and operate, row by row of the table in DESIGN section 4, over a real socket:
// find, result, history, list, forget, keygen, and what the server says of itself.
#include <gtest/gtest.h>

#include <regex>
#include <set>
#include <string>
#include <vector>

#include "tests/program.h"

namespace onced {
namespace {

TEST(FindCall, ShowsARecordThroughItsLife) {
  const OncedInAFolder here;
  ExpectProblem(here.Get("/v1/keys/k"), 404, "not_found");
  const std::string fence = here.Claim("k", "'holder':'worker-3'");
  const HttpAnswer running = here.Get("/v1/keys/k");
  EXPECT_EQ(running.status, 200);
  EXPECT_EQ(running.Field("/key"), "k");
  EXPECT_EQ(running.Field("/scope"), "default");
  EXPECT_EQ(running.Field("/state"), "in_flight");
  EXPECT_EQ(running.Field("/attempt"), "1");
  EXPECT_EQ(running.Field("/holder"), "worker-3");
  EXPECT_GT(running.Field("/lease_until"), running.Field("/claimed_at"));
  EXPECT_GT(running.Field("/expires_at"), running.Field("/lease_until"));
  EXPECT_EQ(running.Field("/replays"), "0");
  EXPECT_EQ(running.Field("/completed_at") + running.Field("/result_bytes"), "");
  here.Complete("k", fence, "\"abc\"");
  here.Post("/v1/claim", "{'key':'k'}");
  here.Post("/v1/claim", "{'key':'k'}");
  const HttpAnswer done = here.Get("/v1/keys/k");
  EXPECT_EQ(done.Field("/state"), "completed");
  EXPECT_EQ(done.Field("/replays"), "2");
  EXPECT_EQ(done.Field("/result_bytes"), "5");
  EXPECT_NE(done.Field("/completed_at"), "");
  EXPECT_EQ(done.Field("/lease_until"), "");
}

TEST(FindCall, ReadsTheKeyOffTheRawPath) {
  const OncedInAFolder here;
  for (const std::string key : {"a/result", "a+b", "a%2Fb", "a?b&c=d#e", "..", "a"})
    here.Claim(key);
  EXPECT_EQ(here.Get("/v1/keys/a%2Fresult").Field("/key"), "a/result");
  EXPECT_EQ(here.Get("/v1/keys/a+b").Field("/key"), "a+b");
  EXPECT_EQ(here.Get("/v1/keys/a%2Bb").Field("/key"), "a+b");
  EXPECT_EQ(here.Get("/v1/keys/a%252Fb").Field("/key"), "a%2Fb");
  EXPECT_EQ(here.Get("/v1/keys/a%3Fb%26c%3Dd%23e").Field("/key"), "a?b&c=d#e");
  EXPECT_EQ(here.Get("/v1/keys/..").Field("/key"), "..");
  EXPECT_EQ(here.Get("/v1/keys/a/result").status, 202) << "the result of \"a\"";
  EXPECT_EQ(here.Get("/v1/keys/a%20b").status, 400);
  EXPECT_EQ(here.Get("/v1/keys/a%").status, 400);
  EXPECT_EQ(here.Get("/v1/keys/").status, 400);
}

TEST(ResultCall, AnswersByState) {
  const OncedInAFolder here;
  ExpectProblem(here.Get("/v1/keys/k/result?wait_ms=30000"), 404, "not_found");
  std::string fence = here.Claim("k");
  const HttpAnswer running = here.Get("/v1/keys/k/result");
  EXPECT_EQ(running.status, 202);
  EXPECT_EQ(running.Field("/state"), "in_flight");
  here.Post("/v1/complete", "{'key':'k','fence':'" + fence + "'}");
  const HttpAnswer nothing = here.Get("/v1/keys/k/result");
  EXPECT_EQ(nothing.status, 204);
  EXPECT_EQ(nothing.body, "");
  fence = here.Claim("u", "'scope':'s'");
  here.Post("/v1/mark-unknown", "{'key':'u','scope':'s','fence':'" + fence + "'}");
  ExpectProblem(here.Get("/v1/keys/u/result?scope=s"), 409, "idempotency_outcome_unknown");
  ExpectProblem(here.Get("/v1/keys/u/result"), 404, "not_found");
}

std::vector<std::string> Types(const HttpAnswer& history) {
  std::vector<std::string> types;
  for (size_t i = 0; i < history.Count("/events"); ++i) {
    types.push_back(history.Field("/events/" + std::to_string(i) + "/type"));
  }
  return types;
}

TEST(HistoryCall, TellsEveryRunAlsoAfterTheRecordIsGone) {
  const OncedInAFolder here;
  EXPECT_EQ(here.Get("/v1/keys/k/history").body, "{\"events\":[]}");
  const std::string released = here.Claim("k", "'holder':'me'");
  here.Post("/v1/release", "{'key':'k','fence':'" + released + "'}");
  here.Claim("k", "'lease_ms':100");
  EXPECT_TRUE(Eventually([&] { return here.Post("/v1/claim", "{'key':'k'}").status == 201; }));
  EXPECT_EQ(here.Delete("/v1/keys/k?force=true").status, 204);
  EXPECT_EQ(here.Get("/v1/keys/k").status, 404);
  const HttpAnswer history = here.Get("/v1/keys/k/history");
  EXPECT_EQ(history.status, 200);
  EXPECT_EQ(Types(history), (std::vector<std::string>{"claimed", "released", "claimed", "lapsed",
                                                      "retaken", "claimed", "forgotten"}));
  EXPECT_EQ(history.Field("/events/0/fence"), released);
  EXPECT_EQ(history.Field("/events/0/holder"), "me");
  EXPECT_EQ(history.Field("/events/5/attempt"), "2");
  EXPECT_LE(history.Field("/events/0/at"), history.Field("/events/6/at"));
}

TEST(HistoryCall, TellsOfTheOpenRunAndOfADecision) {
  const OncedInAFolder here;
  const std::string fence = here.Claim("k");
  EXPECT_EQ(Types(here.Get("/v1/keys/k/history")), (std::vector<std::string>{"claimed"}));
  here.Post("/v1/mark-unknown", "{'key':'k','fence':'" + fence + "'}");
  here.Post("/v1/resolve", "{'key':'k','decision':'completed'}");
  EXPECT_EQ(Types(here.Get("/v1/keys/k/history")),
            (std::vector<std::string>{"claimed", "marked_unknown", "resolved"}));
}

TEST(HistoryCall, IsEmptyWithoutAnAudit) {
  const OncedInAFolder here({"--audit", "off"});
  here.Post("/v1/complete", "{'key':'k'}");
  EXPECT_EQ(here.Delete("/v1/keys/k").status, 204);
  EXPECT_EQ(here.Get("/v1/keys/k/history").body, "{\"events\":[]}");
}

TEST(ListCall, FiltersByScopePrefixAndState) {
  const OncedInAFolder here;
  for (const std::string key : {"a-1", "a-2", "b-1"}) here.Claim(key);
  here.Post("/v1/complete", "{'key':'a-3'}");
  here.Claim("a-9", "'scope':'other'");
  const auto keys = [&](const std::string& query) {
    const HttpAnswer page = here.Get("/v1/keys" + query);
    std::string all;
    for (size_t i = 0; i < page.Count("/keys"); ++i) {
      all += page.Field("/keys/" + std::to_string(i) + "/key") + " ";
    }
    EXPECT_EQ(page.Field("/cursor"), "") << page.body;
    return page.status == 200 ? all : page.body;
  };
  EXPECT_EQ(keys(""), "a-1 a-2 a-3 b-1 ");
  EXPECT_EQ(keys("?prefix=a-"), "a-1 a-2 a-3 ");
  EXPECT_EQ(keys("?prefix=a-&state=completed"), "a-3 ");
  EXPECT_EQ(keys("?state=in_flight&prefix="), "a-1 a-2 b-1 ");
  EXPECT_EQ(keys("?state=unknown"), "");
  EXPECT_EQ(keys("?scope=other"), "a-9 ");
  EXPECT_EQ(keys("?scope=none"), "");
  here.Claim("a-0", "'scope':'otherwise'");
  here.Claim("b-9", "'scope':'other'");
  EXPECT_EQ(keys("?scope_prefix=other"), "a-9 b-9 a-0 ");
  EXPECT_EQ(keys("?scope_prefix=other&prefix=a-"), "a-9 a-0 ");
  EXPECT_EQ(keys("?scope_prefix="), "a-9 b-9 a-1 a-2 a-3 b-1 a-0 ");
  EXPECT_EQ(keys("?scope_prefix=&state=completed"), "a-3 ");
  EXPECT_EQ(keys("?scope_prefix=x"), "");
  ExpectRefusal(here.Get("/v1/keys?scope_prefix=a&scope=a"), 400, "invalid_request",
                "scope_prefix");
  ExpectRefusal(here.Get("/v1/keys?scope_prefix=a%20b"), 400, "invalid_request", "scope_prefix");
}

TEST(ListCall, GoesThroughScopesPageByPage) {
  const OncedInAFolder here;
  std::set<std::string> claimed, listed;
  for (const std::string scope : {"s", "sa", "sb", "sbb", "t"}) {
    for (const std::string key : {"k", "l", "m"}) {
      here.Claim(key, "'scope':'" + scope + "'");
      if (scope != "t") claimed.insert(scope + " " + key);
    }
  }
  std::string cursor;
  do {
    const HttpAnswer page =
        here.Get("/v1/keys?scope_prefix=s&limit=2" + (cursor.empty() ? "" : "&cursor=" + cursor));
    ASSERT_EQ(page.status, 200) << page.body;
    for (size_t i = 0; i < page.Count("/keys"); ++i) {
      const std::string at = "/keys/" + std::to_string(i);
      EXPECT_TRUE(listed.insert(page.Field(at + "/scope") + " " + page.Field(at + "/key")).second);
    }
    cursor = page.Field("/cursor");
    ExpectRefusal(here.Get("/v1/keys?scope=s&cursor=" + cursor + "x"), 400, "invalid_request",
                  "cursor");
  } while (!cursor.empty() && listed.size() < 100);
  EXPECT_EQ(listed, claimed);
}

// It gave an empty page, which looks like the end of the listing.
TEST(ListCall, RefusesACursorThatItHasNotGiven) {
  const OncedInAFolder here;
  for (const std::string key : {"a-1", "a-2", "b-1"}) here.Claim(key);
  const std::string cursor = here.Get("/v1/keys?limit=1").Field("/cursor");
  const HttpAnswer next = here.Get("/v1/keys?limit=1&cursor=" + cursor);
  EXPECT_EQ(next.Field("/keys/0/key"), "a-2");
  here.Delete("/v1/keys/a-1?force=true");
  EXPECT_EQ(here.Get("/v1/keys?cursor=" + cursor).Count("/keys"), 2u) << "its key may be gone";
  for (const std::string& bad : {std::string("garbage"), std::string("a-1"), std::string("zzz"),
                                 cursor + "x", cursor.substr(1), std::string("00000000a-1"),
                                 cursor + "&prefix=a-", cursor + "&scope=other"}) {
    ExpectRefusal(here.Get("/v1/keys?cursor=" + bad), 400, "invalid_request", "cursor");
  }
  ExpectRefusal(here.Get("/api/payments?cursor=garbage"), 400, "invalid_request", "cursor");
}

TEST(ListCall, GivesEveryKeyOncePageByPage) {
  const OncedInAFolder here;
  std::string operations;
  for (int i = 0; i < 250; ++i) {
    operations += (i == 0 ? "" : ",") + ("{'op':'claim','key':'k%" + std::to_string(i) + "'}");
  }
  ASSERT_EQ(here.Post("/v1/batch", "{'operations':[" + operations + "]}").status, 200);
  std::set<std::string> seen;
  std::string cursor;
  int pages = 0;
  do {
    const HttpAnswer page =
        here.Get("/v1/keys?limit=100" + (cursor.empty() ? "" : "&cursor=" + cursor));
    ASSERT_EQ(page.status, 200) << page.body;
    EXPECT_LE(page.Count("/keys"), 100u);
    for (size_t i = 0; i < page.Count("/keys"); ++i) {
      EXPECT_TRUE(seen.insert(page.Field("/keys/" + std::to_string(i) + "/key")).second);
    }
    cursor = page.Field("/cursor");
  } while (!cursor.empty() && ++pages < 10);
  EXPECT_EQ(seen.size(), 250u);
  EXPECT_EQ(here.Get("/v1/keys").Count("/keys"), 100u) << "the default limit";
}

TEST(ForgetCall, NeedsForceWhileALeaseIsLive) {
  const OncedInAFolder here;
  ExpectProblem(here.Delete("/v1/keys/k"), 404, "not_found");
  const std::string fence = here.Claim("k");
  const HttpAnswer refused = here.Delete("/v1/keys/k");
  ExpectProblem(refused, 409, "idempotency_in_flight");
  EXPECT_NE(refused.Header("Retry-After"), "");
  EXPECT_EQ(here.Delete("/v1/keys/k?force=false").status, 409);
  const HttpAnswer forgotten = here.Delete("/v1/keys/k?force=true");
  EXPECT_EQ(forgotten.status, 204);
  EXPECT_EQ(forgotten.body, "");
  EXPECT_EQ(here.Get("/v1/keys/k").status, 404);
  ExpectProblem(here.Complete("k", fence, "1"), 409, "stale_fence");
  here.Post("/v1/complete", "{'key':'d','scope':'s'}");
  EXPECT_EQ(here.Delete("/v1/keys/d?scope=s").status, 204) << "what has ended needs none";
}

// The keys are those of Python's hashlib.sha256(json.dumps(data, sort_keys=True).encode()).
TEST(KeygenCall, DerivesTheKeyThatPythonDerives) {
  const OncedInAFolder here;
  EXPECT_EQ(here.Post("/v1/keygen", "{'prefix':'pay','data':{'to':'DE02','amount':100}}").body,
            "{\"key\":\"pay:d133c3407a97cb7c70298a0fa7dfe3895e93ff3ef3c3822d992043497f394445\"}");
  EXPECT_EQ(
      here.Post("/v1/keygen", "{'data': [1.0,-0.0,1e16,'\\u00e9\xF0\x9F\x98\x80'] }").Field("/key"),
      "4ea0d29f6e8d15852b6fb57b9742afd16c6e57e347a97c507943574c5b356ced");
  EXPECT_EQ(
      here.Post("/v1/keygen", "{'data':{'n':12345678901234567890,'b':[],'a':null}}").Field("/key"),
      "348065240c24c6cdd9291cf863a678bd58a5058bf685abe1c558a4966c2101cc");
}

TEST(KeygenCall, DerivesTheSameKeyOfALargeValueHoweverItIsSpelt) {
  const OncedInAFolder here;
  const auto member = [](int number) {
    std::string text = "'n";
    return text.append(std::to_string(number)).append("':").append(std::to_string(number));
  };
  std::string sorted, turned;
  for (int i = 0; i < 6'000; ++i) {
    sorted.append(i == 0 ? "" : ",").append(member(100'000 + i));
    turned.append(i == 0 ? "" : " , ").append(member(105'999 - i));
  }
  const HttpAnswer one = here.Post("/v1/keygen", "{'data':{" + sorted + "}}");
  ASSERT_EQ(one.status, 200) << one.body;
  EXPECT_EQ(here.Post("/v1/keygen", "{'data':{" + turned + "}}").body, one.body);
}

TEST(KeygenCall, MakesUniqueKeys) {
  const OncedInAFolder here;
  const std::regex form(
      "pay:\\d{10}:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}");
  std::set<std::string> keys;
  for (int i = 0; i < 5; ++i) {
    const std::string key = here.Post("/v1/keygen", "{'unique':true,'prefix':'pay'}").Field("/key");
    EXPECT_TRUE(std::regex_match(key, form)) << key;
    EXPECT_TRUE(keys.insert(key).second);
  }
  for (const char* bad : {"{}", "{'unique':false}", "{'unique':true,'data':1}"}) {
    ExpectRefusal(here.Post("/v1/keygen", bad), 400, "invalid_request", "data");
  }
  ExpectRefusal(here.Post("/v1/keygen", "{'unique':true,'prefix':'a b'}"), 400, "invalid_request",
                "prefix");
  ExpectRefusal(here.Post("/v1/keygen", "{'data':{'a':1,'a':2}}"), 400, "invalid_request", "data");
  ExpectRefusal(here.Post("/v1/keygen", "{'data':1e999}"), 400, "invalid_request", "data");
}

TEST(ServerCalls, TellLimitsAndDefaults) {
  const OncedInAFolder here({"--durability", "os", "--lease", "5s", "--retention", "1h"});
  const HttpAnswer said = here.Get("/.well-known/idempotency");
  EXPECT_EQ(said.status, 200);
  const struct {
    const char* pointer;
    const char* value;
  } table[] = {{"/limits/key_max", "255"},          {"/limits/scope_max", "255"},
               {"/limits/fingerprint_max", "128"},  {"/limits/claim_id_max", "64"},
               {"/limits/holder_max", "128"},       {"/limits/lease_ms_min", "100"},
               {"/limits/lease_ms_max", "3600000"}, {"/limits/retention_ms_min", "1000"},
               {"/limits/wait_ms_max", "30000"},    {"/limits/retention_ms_max", "2592000000"},
               {"/limits/batch_max", "1000"},       {"/limits/body_bytes_max", "1048576"},
               {"/limits/json_depth_max", "32"},    {"/limits/list_max", "1000"},
               {"/defaults/scope", "default"},      {"/defaults/lease_ms", "5000"},
               {"/defaults/wait_ms", "0"},          {"/defaults/retention_ms", "3600000"},
               {"/defaults/on_lapse", "retry"},     {"/durability", "os"}};
  for (const auto& [pointer, value] : table) EXPECT_EQ(said.Field(pointer), value) << pointer;
  EXPECT_NE(said.Field("/profile"), "");
}

TEST(ServerCalls, TellHowTheyAre) {
  const OncedInAFolder here;
  const Client client = here.program.Connect();
  here.Claim("k");
  const HttpAnswer status = here.Get("/v1/status");
  EXPECT_EQ(status.status, 200);
  EXPECT_EQ(status.Field("/durability"), "sync");
  EXPECT_EQ(status.Field("/keys_estimate"), "1");
  EXPECT_EQ(status.Field("/waiters"), "0");
  EXPECT_EQ(status.Field("/space_low"), "false");
  EXPECT_GT(std::stoull(status.Field("/latest_sequence")), 0u);
  EXPECT_GT(std::stoull(status.Field("/fence_epoch")), 0u);
  for (const char* probe : {"/livez", "/readyz", "/readyz?verbose"}) {
    const HttpAnswer well = here.Get(probe);
    EXPECT_EQ(well.status, 200) << probe << well.body;
    EXPECT_EQ(well.Header("Content-Type"), "text/plain");
    EXPECT_TRUE(well.body.starts_with("ok\n")) << well.body;
    EXPECT_EQ(here.program.Ask("HEAD", probe).status, 200);
    EXPECT_EQ(here.program.Ask("HEAD", probe).body, "");
  }
  EXPECT_NE(here.Get("/readyz?verbose").body.find("[+]storage_write ok\n"), std::string::npos);
}

TEST(ServerCalls, TellWhatAPathTakes) {
  const OncedInAFolder here;
  for (const char* path : {"/nothing", "/v1", "/v1/", "/v1/claim/", "/v1/claim/x", "/V1/claim",
                           "/v1/keys/a/b", "/v1%2Fclaim", "//v1/claim"}) {
    ExpectProblem(here.program.Ask("POST", path, "{}"), 404, "not_found");
  }
  const struct {
    const char* method;
    const char* path;
    const char* allow;
  } table[] = {{"GET", "/v1/claim", "POST"},         {"POST", "/v1/keys", "GET"},
               {"PUT", "/v1/keys/k", "GET, DELETE"}, {"PATCH", "/api/payments", "POST, GET"},
               {"OPTIONS", "/v1/claim", "POST"},     {"DELETE", "/livez", "GET, HEAD"},
               {"POST", "/v1/keys/k/result", "GET"}};
  for (const auto& [method, path, allow] : table) {
    const HttpAnswer refused = here.program.Ask(method, path);
    ExpectProblem(refused, 405, "method_not_allowed");
    EXPECT_EQ(refused.Header("Allow"), allow) << method << path;
  }
}

}  // namespace
}  // namespace onced
