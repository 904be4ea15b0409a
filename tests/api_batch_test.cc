// SPDX-License-Identifier: MIT
// POST /v1/batch: each entry answered as its own call would be, in order, later ones seeing earlier
// ones, malformed ones by themselves.
#include <gtest/gtest.h>

#include <string>

#include "tests/program.h"

namespace onced {
namespace {

std::string At(size_t index, const std::string& name) {
  return "/results/" + std::to_string(index) + "/" + name;
}

TEST(BatchCall, AnswersEachEntryAsItsOwnCallWould) {
  const OncedInAFolder here;
  const std::string fence = here.Claim("mine");
  const std::string own = "'key':'mine','fence':'" + fence + "'";
  const HttpAnswer batch = here.Post(
      "/v1/batch", "{'operations':[{'op':'claim','key':'new','holder':'me'},{'op':'renew'," + own +
                       "},{'op':'complete'," + own +
                       ",'result':{'a' : 1.50}},{'op':'claim','key':'mine'},"
                       "{'op':'release'," +
                       own +
                       "},{'op':'claim','key':'new'},{'op':'claim','key':'new','fingerprint':'x'},"
                       "{'op':'complete','key':'once','result':1}]}");
  ASSERT_EQ(batch.status, 200) << batch.body;
  EXPECT_EQ(batch.Header("Content-Type"), "application/json");
  ASSERT_EQ(batch.Count("/results"), 8u);
  const struct {
    const char* status;
    const char* field;
    const char* value;
  } table[] = {{"201", "outcome", "claimed"},           {"200", "outcome", "renewed"},
               {"200", "outcome", "completed"},         {"200", "outcome", "replay"},
               {"409", "code", "stale_fence"},          {"409", "code", "idempotency_in_flight"},
               {"422", "code", "idempotency_conflict"}, {"200", "outcome", "completed"}};
  for (size_t i = 0; i < std::size(table); ++i) {
    EXPECT_EQ(batch.Field(At(i, "status")), table[i].status) << i;
    EXPECT_EQ(batch.Field(At(i, table[i].field)), table[i].value) << i;
  }
  EXPECT_NE(batch.body.find("\"result\":{\"a\" : 1.50}"), std::string::npos) << batch.body;
  EXPECT_EQ(here.Get("/v1/keys/new").Field("/holder"), "me");
}

TEST(BatchCall, LetsLaterEntriesSeeEarlierOnes) {
  const OncedInAFolder here;
  const std::string fence = here.Claim("k");
  const std::string own = "'key':'k','fence':'" + fence + "'";
  const HttpAnswer batch =
      here.Post("/v1/batch", "{'operations':[{'op':'release'," + own +
                                 "},{'op':'claim','key':'k','claim_id':'a'},"
                                 "{'op':'claim','key':'k','claim_id':'a'},{'op':'mark-unknown'," +
                                 own + "}]}");
  EXPECT_EQ(batch.Field(At(0, "outcome")), "released");
  EXPECT_EQ(batch.Field(At(1, "outcome")), "claimed");
  EXPECT_GT(std::stoull(batch.Field(At(1, "fence"))), std::stoull(fence));
  EXPECT_EQ(batch.Field(At(2, "fence")), batch.Field(At(1, "fence")));
  EXPECT_EQ(batch.Field(At(3, "code")), "stale_fence");
}

TEST(BatchCall, RefusesAMalformedEntryAlone) {
  const OncedInAFolder here;
  const HttpAnswer batch = here.Post(
      "/v1/batch",
      "{'operations':[{'op':'claim','key':'good'},{'op':'claim','key':''},{'op':'claim'},5,"
      "{'op':'forget','key':'k'},{'key':'k'},{'op':'claim','key':'k','wait_ms':5},"
      "{'op':'release','key':'k'},{'op':'claim','key':'k','key':'k'},"
      "{'op':'claim','key':'k','lease_ms':1},{'op':'resolve','key':'k','decision':'released'},"
      "{'op':'complete','key':'last','result':1}]}");
  ASSERT_EQ(batch.status, 200) << batch.body;
  ASSERT_EQ(batch.Count("/results"), 12u);
  const char* const named[] = {"",        "key",   "key",  "body",     "op", "op",
                               "wait_ms", "fence", "body", "lease_ms", "op", ""};
  for (size_t i = 0; i < std::size(named); ++i) {
    if (*named[i] == '\0') continue;
    EXPECT_EQ(batch.Field(At(i, "status")), "400") << i;
    EXPECT_EQ(batch.Field(At(i, "code")), "invalid_request") << i;
    EXPECT_TRUE(batch.Field(At(i, "detail")).starts_with(std::string(named[i]) + ":"))
        << i << batch.Field(At(i, "detail"));
  }
  EXPECT_EQ(batch.Field(At(0, "outcome")), "claimed");
  EXPECT_EQ(batch.Field(At(11, "outcome")), "completed");
  EXPECT_EQ(here.Get("/v1/keys/k").status, 404);
}

TEST(BatchCall, TakesAThousandEntriesAndNoMore) {
  const OncedInAFolder here;
  const auto claims = [](int count) {
    std::string all;
    for (int i = 0; i < count; ++i) {
      all += (i == 0 ? "" : ",") + ("{'op':'claim','key':'k" + std::to_string(i) + "'}");
    }
    return "{'operations':[" + all + "]}";
  };
  ExpectRefusal(here.Post("/v1/batch", claims(1001)), 400, "invalid_request", "operations");
  EXPECT_EQ(here.Get("/v1/keys").Count("/keys"), 0u);
  const HttpAnswer batch = here.Post("/v1/batch", claims(1000));
  EXPECT_EQ(batch.Count("/results"), 1000u);
  EXPECT_EQ(batch.Field(At(999, "outcome")), "claimed");
  ExpectRefusal(here.Post("/v1/batch", claims(0)), 400, "invalid_request", "operations");
  ExpectRefusal(here.Post("/v1/batch", "{}"), 400, "invalid_request", "operations");
  ExpectRefusal(here.Post("/v1/batch", "{'operations':{}}"), 400, "invalid_request", "operations");
  ExpectRefusal(here.Post("/v1/batch", "{'operations':[],'x':1}"), 400, "invalid_request", "x");
}

TEST(BatchCall, DoesNothingOfABodyThatIsNoJson) {
  const OncedInAFolder here;
  ExpectRefusal(here.Post("/v1/batch", "{'operations':[{'op':'claim','key':'k'},]}"), 400,
                "invalid_request", "body");
  ExpectRefusal(here.Post("/v1/batch", "{'operations':[{'op':'claim','key':'k'}]"), 400,
                "invalid_request", "body");
  EXPECT_EQ(here.Get("/v1/keys/k").status, 404);
}

TEST(BatchCall, KeepsResultsAsDeepAsACallOfItsOwnWould) {
  const OncedInAFolder here;
  const auto complete = [&](const std::string& key, size_t depth) {
    return here.Post("/v1/batch", "{'operations':[{'op':'complete','key':'" + key + "','result':" +
                                      std::string(depth, '[') + std::string(depth, ']') + "}]}");
  };
  EXPECT_EQ(complete("k", 32).Field(At(0, "outcome")), "completed");
  EXPECT_EQ(here.Get("/v1/keys/k/result").body, std::string(32, '[') + std::string(32, ']'));
  const HttpAnswer deeper = complete("d", 33);
  EXPECT_TRUE(deeper.status == 400 || deeper.Field(At(0, "status")) == "400") << deeper.body;
  EXPECT_EQ(here.Get("/v1/keys/d").status, 404);
}

TEST(BatchCall, WakesWhoWaitsForItsKeys) {
  const OncedInAFolder here;
  const std::string fence = here.Claim("k");
  Client waiter = here.program.Connect();
  waiter.Send(RequestText("POST", "/v1/claim", Json("{'key':'k','wait_ms':20000}")));
  ASSERT_TRUE(here.Waiting(1));
  here.Post("/v1/batch",
            "{'operations':[{'op':'complete','key':'k','fence':'" + fence + "','result':7}]}");
  EXPECT_EQ(waiter.Receive().Field("/result"), "7");
}

}  // namespace
}  // namespace onced
