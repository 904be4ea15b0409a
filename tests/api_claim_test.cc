// SPDX-License-Identifier: MIT
// The calls that change a key, row by row of the table in DESIGN section 4, over a real socket:
// claim, complete, release, renew, mark-unknown, resolve.
#include <gtest/gtest.h>

#include <regex>
#include <string>

#include "tests/program.h"

namespace onced {
namespace {

bool IsTime(const std::string& text) {
  static const std::regex rfc3339("\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{3}Z");
  return std::regex_match(text, rfc3339);
}

void ExpectDone(const HttpAnswer& answer, int status, const std::string& outcome) {
  EXPECT_EQ(answer.status, status) << answer.body;
  EXPECT_EQ(answer.Field("/outcome"), outcome) << answer.body;
  EXPECT_EQ(answer.Header("Content-Type"), "application/json");
  EXPECT_EQ(answer.Header("Cache-Control"), "no-store");
  EXPECT_EQ(answer.Header("X-Content-Type-Options"), "nosniff");
}

void ExpectInFlight(const HttpAnswer& answer) {
  ExpectProblem(answer, 409, "idempotency_in_flight");
  EXPECT_EQ(answer.Field("/title"), "A request is outstanding for this Idempotency-Key");
  EXPECT_EQ(answer.Field("/retryable"), "true");
  EXPECT_EQ(answer.Field("/key_action"), "reuse");
  const int seconds = std::atoi(answer.Header("Retry-After").c_str());
  EXPECT_TRUE(seconds >= 1 && seconds <= 30) << answer.Header("Retry-After");
}

void ExpectConflict(const HttpAnswer& answer) {
  ExpectProblem(answer, 422, "idempotency_conflict");
  EXPECT_EQ(answer.Field("/title"), "Idempotency-Key is already used");
  EXPECT_EQ(answer.Field("/retryable"), "false");
  EXPECT_EQ(answer.Field("/key_action"), "rotate");
}

void ExpectStale(const HttpAnswer& answer) { ExpectProblem(answer, 409, "stale_fence"); }

std::string WithFence(const std::string& key, const std::string& fence,
                      const std::string& more = "") {
  return "{'key':'" + key + "','fence':'" + fence + "'" + (more.empty() ? "" : "," + more) + "}";
}

TEST(ClaimCall, WinsAFreshKey) {
  const OncedInAFolder here;
  const HttpAnswer won = here.Post("/v1/claim", "{'key':'k','fingerprint':'fp'}");
  ExpectDone(won, 201, "claimed");
  EXPECT_EQ(won.Field("/attempt"), "1");
  EXPECT_TRUE(IsTime(won.Field("/lease_until"))) << won.body;
  EXPECT_NE(won.body.find("\"fence\":\""), std::string::npos) << "a string, not a number";
  EXPECT_GT(std::stoull(won.Field("/fence")), uint64_t{1} << 32);
  EXPECT_EQ(won.Count(""), 4u);
}

TEST(ClaimCall, TellsASecondCallerThatTheFirstIsRunning) {
  const OncedInAFolder here;
  here.Claim("k", "'fingerprint':'fp','lease_ms':3600000");
  const HttpAnswer second = here.Post("/v1/claim", "{'key':'k','fingerprint':'fp'}");
  ExpectInFlight(second);
  EXPECT_EQ(second.Header("Retry-After"), "30");
  here.Claim("short", "'lease_ms':900");
  EXPECT_EQ(here.Post("/v1/claim", "{'key':'short'}").Header("Retry-After"), "1");
}

TEST(ClaimCall, ReplaysAResultByteForByte) {
  const OncedInAFolder here;
  const std::string results[] = {
      "{ \"b\" :\t[1,  2.50, 1e999, -0] , \"a\":\"\\ud800 \\u00e9 \xC3\xA9 \xF0\x9F\x98\x80\\/\" }",
      "null",
      "\"\"",
      "12345678901234567890123",
      "{\"x\":1,\"x\":2}",
      "[\r\n]",
      "\"" + std::string(1'000'000, 'x') + "\""};
  int i = 0;
  for (const std::string& result : results) {
    const std::string key = "k" + std::to_string(++i);
    ExpectDone(here.Complete(key, here.Claim(key), result), 200, "completed");
    const HttpAnswer replay = here.Post("/v1/claim", "{'key':'" + key + "'}");
    EXPECT_EQ(replay.status, 200);
    EXPECT_TRUE(replay.body.starts_with("{\"outcome\":\"replay\",\"result\":" + result +
                                        ",\"completed_at\":\""))
        << replay.body.substr(0, 200);
    const HttpAnswer stored = here.Get("/v1/keys/" + key + "/result");
    EXPECT_EQ(stored.status, 200);
    EXPECT_EQ(stored.Header("Content-Type"), "application/json");
    EXPECT_TRUE(stored.body == result) << stored.body.substr(0, 200);
  }
}

TEST(ClaimCall, ReplaysWithoutAResultWhereThereIsNone) {
  const OncedInAFolder here;
  const std::string fence = here.Claim("k");
  ExpectDone(here.Post("/v1/complete", WithFence("k", fence)), 200, "completed");
  const HttpAnswer replay = here.Post("/v1/claim", "{'key':'k'}");
  ExpectDone(replay, 200, "replay");
  EXPECT_EQ(replay.body.find("\"result\""), std::string::npos);
  EXPECT_TRUE(IsTime(replay.Field("/completed_at")));
  EXPECT_TRUE(IsTime(replay.Field("/expires_at")));
}

TEST(ClaimCall, NeverShowsAnotherPayloadsAnswer) {
  const OncedInAFolder here;
  const std::string fence = here.Claim("k", "'fingerprint':'fp'");
  ExpectConflict(here.Post("/v1/claim", "{'key':'k','fingerprint':'other'}"));
  ExpectConflict(here.Post("/v1/claim", "{'key':'k'}"));
  here.Complete("k", fence, "\"a secret\"");
  const HttpAnswer conflict = here.Post("/v1/claim", "{'key':'k','fingerprint':'other'}");
  ExpectConflict(conflict);
  EXPECT_EQ(conflict.body.find("secret"), std::string::npos);
  ExpectDone(here.Post("/v1/claim", "{'key':'k','fingerprint':'fp'}"), 200, "replay");
}

TEST(ClaimCall, OfAnUnknownOutcomeSaysSo) {
  const OncedInAFolder here;
  const std::string fence = here.Claim("k");
  ExpectDone(here.Post("/v1/mark-unknown", WithFence("k", fence)), 200, "unknown");
  ExpectProblem(here.Post("/v1/claim", "{'key':'k'}"), 409, "idempotency_outcome_unknown");
  ExpectConflict(here.Post("/v1/claim", "{'key':'k','fingerprint':'other'}"));
}

TEST(ClaimCall, IsSafeToRetryByItsClaimId) {
  const OncedInAFolder here;
  const std::string body = "{'key':'k','claim_id':'mine'}";
  const HttpAnswer first = here.Post("/v1/claim", body);
  const HttpAnswer again = here.Post("/v1/claim", body);
  ExpectDone(again, 201, "claimed");
  EXPECT_EQ(again.body, first.body);
  ExpectInFlight(here.Post("/v1/claim", "{'key':'k','claim_id':'other'}"));
  ExpectInFlight(here.Post("/v1/claim", "{'key':'k'}"));
}

TEST(ClaimCall, KeepsScopesApart) {
  const OncedInAFolder here;
  here.Claim("k");
  here.Claim("k", "'scope':'other'");
  ExpectInFlight(here.Post("/v1/claim", "{'key':'k','scope':'default'}"));
}

TEST(ClaimCall, RetakesALapsedClaimAsTheFirstOneSaid) {
  const OncedInAFolder here;
  const std::string lapsed = here.Claim("k", "'lease_ms':100");
  HttpAnswer retaken;
  EXPECT_TRUE(Eventually([&] {
    retaken = here.Post("/v1/claim", "{'key':'k','on_lapse':'unknown'}");
    return retaken.status == 201;
  }));
  EXPECT_EQ(retaken.Field("/attempt"), "2");
  EXPECT_GT(std::stoull(retaken.Field("/fence")), std::stoull(lapsed));
  ExpectStale(here.Complete("k", lapsed, "1"));

  here.Claim("u", "'lease_ms':100,'on_lapse':'unknown'");
  EXPECT_TRUE(Eventually([&] { return here.Get("/v1/keys/u").Field("/lapsed") == "true"; }));
  EXPECT_EQ(here.State("u"), "in_flight");
  ExpectProblem(here.Post("/v1/claim", "{'key':'u','on_lapse':'retry'}"), 409,
                "idempotency_outcome_unknown");
  EXPECT_EQ(here.State("u"), "unknown");
}

TEST(CompleteCall, IsForTheNewestFenceOnly) {
  const OncedInAFolder here;
  const std::string fence = here.Claim("k");
  ExpectStale(here.Complete("k", std::to_string(std::stoull(fence) + 1), "1"));
  ExpectStale(here.Complete("k", "1", "1"));
  ExpectStale(here.Complete("absent", fence, "1"));
  EXPECT_EQ(here.State("k"), "in_flight");
  const HttpAnswer done = here.Complete("k", fence, "{\"a\":1}");
  ExpectDone(done, 200, "completed");
  EXPECT_TRUE(IsTime(done.Field("/expires_at")));
  ExpectDone(here.Complete("k", fence, "{\"a\":1}"), 200, "completed");
  ExpectStale(here.Complete("k", fence, "{\"a\": 1}"));
  EXPECT_EQ(here.Get("/v1/keys/k/result").body, "{\"a\":1}");
}

TEST(CompleteCall, IsStillGoodAfterALapseNobodyHasRetaken) {
  const OncedInAFolder here;
  const std::string fence = here.Claim("k", "'lease_ms':100");
  EXPECT_TRUE(Eventually([&] { return here.Get("/v1/keys/k").Field("/lapsed") == "true"; }));
  ExpectDone(here.Complete("k", fence, "1"), 200, "completed");
}

TEST(CompleteCall, MovesTheEndOfLifeByItsRetention) {
  const OncedInAFolder here;
  const std::string fence = here.Claim("k", "'retention_ms':3600000");
  ExpectDone(here.Post("/v1/complete", WithFence("k", fence, "'retention_ms':1000")), 200,
             "completed");
  EXPECT_TRUE(Eventually([&] { return here.Get("/v1/keys/k").status == 404; }));
  const HttpAnswer fresh = here.Post("/v1/claim", "{'key':'k'}");
  EXPECT_EQ(fresh.Field("/attempt"), "1") << fresh.body;
}

TEST(CompleteCall, WithoutAFenceStoresInOneShot) {
  const OncedInAFolder here;
  const std::string body = "{'key':'k','fingerprint':'fp','result':[1]}";
  ExpectDone(here.Post("/v1/complete", body), 200, "completed");
  ExpectDone(here.Post("/v1/complete", body), 200, "completed");
  ExpectConflict(here.Post("/v1/complete", "{'key':'k','fingerprint':'fp','result':[2]}"));
  ExpectConflict(here.Post("/v1/complete", "{'key':'k','fingerprint':'no','result':[1]}"));
  ExpectConflict(here.Post("/v1/complete", "{'key':'k','fingerprint':'fp'}"));
  ExpectDone(here.Post("/v1/claim", "{'key':'k','fingerprint':'fp'}"), 200, "replay");

  const std::string fence = here.Claim("f", "'fingerprint':'fp'");
  ExpectInFlight(here.Post("/v1/complete", "{'key':'f','fingerprint':'fp','result':1}"));
  ExpectConflict(here.Post("/v1/complete", "{'key':'f','result':1}"));
  here.Post("/v1/mark-unknown", WithFence("f", fence));
  ExpectProblem(here.Post("/v1/complete", "{'key':'f','fingerprint':'fp','result':1}"), 409,
                "idempotency_outcome_unknown");
}

TEST(ReleaseCall, GivesTheKeyBack) {
  const OncedInAFolder here;
  const std::string fence = here.Claim("k");
  ExpectStale(here.Post("/v1/release", WithFence("k", "1")));
  const HttpAnswer released = here.Post("/v1/release", WithFence("k", fence));
  ExpectDone(released, 200, "released");
  EXPECT_EQ(released.Count(""), 1u);
  EXPECT_EQ(here.Get("/v1/keys/k").status, 404);
  ExpectStale(here.Post("/v1/release", WithFence("k", fence)));
  EXPECT_GT(std::stoull(here.Claim("k")), std::stoull(fence));
}

TEST(RenewCall, MovesTheLease) {
  const OncedInAFolder here;
  const std::string fence = here.Claim("k", "'lease_ms':10000");
  const std::string before = here.Get("/v1/keys/k").Field("/lease_until");
  const HttpAnswer renewed = here.Post("/v1/renew", WithFence("k", fence, "'lease_ms':600000"));
  ExpectDone(renewed, 200, "renewed");
  EXPECT_GT(renewed.Field("/lease_until"), before);
  EXPECT_EQ(here.Get("/v1/keys/k").Field("/lease_until"), renewed.Field("/lease_until"));
  ExpectStale(here.Post("/v1/renew", WithFence("k", "1")));
  here.Complete("k", fence, "1");
  ExpectStale(here.Post("/v1/renew", WithFence("k", fence)));
}

TEST(MarkUnknownCall, IsForTheOwnerAndMayBeRepeated) {
  const OncedInAFolder here;
  const std::string fence = here.Claim("k");
  ExpectStale(here.Post("/v1/mark-unknown", WithFence("k", "1")));
  ExpectDone(here.Post("/v1/mark-unknown", WithFence("k", fence)), 200, "unknown");
  ExpectDone(here.Post("/v1/mark-unknown", WithFence("k", fence)), 200, "unknown");
  ExpectStale(here.Post("/v1/renew", WithFence("k", fence)));
  ExpectStale(here.Post("/v1/release", WithFence("k", fence)));
  EXPECT_EQ(here.Get("/v1/keys/k").Field("/expires_at"), "") << "it stays until it is resolved";
  ExpectDone(here.Complete("k", fence, "1"), 200, "completed");
}

TEST(ResolveCall, DecidesAnUnknownRun) {
  const OncedInAFolder here;
  for (const std::string key : {"done", "freed"}) {
    here.Post("/v1/mark-unknown", WithFence(key, here.Claim(key)));
  }
  const HttpAnswer done =
      here.Post("/v1/resolve", "{'key':'done','decision':'completed','result':{'by':'hand'}}");
  ExpectDone(done, 200, "completed");
  EXPECT_TRUE(IsTime(done.Field("/expires_at")));
  EXPECT_EQ(here.Get("/v1/keys/done/result").body, "{\"by\":\"hand\"}");
  ExpectDone(here.Post("/v1/resolve", "{'key':'freed','decision':'released'}"), 200, "released");
  EXPECT_EQ(here.Get("/v1/keys/freed").status, 404);
}

TEST(ResolveCall, LeavesAloneWhatNeedsNoDecision) {
  const OncedInAFolder here;
  ExpectProblem(here.Post("/v1/resolve", "{'key':'absent','decision':'released'}"), 404,
                "not_found");
  const std::string fence = here.Claim("k");
  ExpectProblem(here.Post("/v1/resolve", "{'key':'k','decision':'released'}"), 409,
                "not_resolvable");
  here.Complete("k", fence, "1");
  ExpectProblem(here.Post("/v1/resolve", "{'key':'k','decision':'completed'}"), 409,
                "not_resolvable");
  here.Claim("l", "'lease_ms':100");
  EXPECT_TRUE(Eventually([&] {
    return here.Post("/v1/resolve", "{'key':'l','decision':'completed','result':1}").status == 200;
  })) << "a lapsed run can be";
}

}  // namespace
}  // namespace onced
