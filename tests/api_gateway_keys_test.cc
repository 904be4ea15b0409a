// SPDX-License-Identifier: MIT
// The gateway's keys through the API: its scopes are shown and operated on as any other, but nobody
// claims there, and a run is completed only with an answer that can be replayed. The keys are put
// into the folder by a process before the server's: so its runs are left behind.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "tests/program.h"

namespace onced {
namespace {

const std::string kScope = "gw:pay:0123456789abcdef0123456789abcdef";
const std::string kAnswer =
    "{'status':201,'headers':[['content-type','text/plain']],'body_base64':'aGk='}";

// The program in a folder in which the runs of the keys "a" and "b" were in flight when the process
// before it ended, and "c" was completed.
struct GatewayKeys {
  GatewayKeys() {
    const auto store = OpenStore(QuickOptions(folder.path(), nullptr));
    Ledger ledger(store.get());
    ClaimCommand claim = AClaim("", OnLapse::kUnknown);
    claim.local = true;
    claim.lease_ms = kHourMs;
    claim.retention_ms = kDayMs;
    for (const char* key : {"a", "b", "c"}) {
      const Reply reply = Value(ledger.Claim(K(key, kScope), claim));
      fence = std::to_string(reply.record->fence);
    }
    (void)Value(ledger.Complete(
        K("c", kScope),
        {.fence = std::stoull(fence), .result = Json("{'status':200,'consumed':true}")}));
    fence = std::to_string(Value(ledger.Find(K("a", kScope))).record->fence);
  }
  void Serve() { program = std::make_unique<Program>(folder.path()); }
  HttpAnswer Get(const std::string& target) const { return program->Ask("GET", target); }
  HttpAnswer Post(const std::string& call, const std::string& key, const std::string& more) const {
    return program->Ask("POST", "/v1/" + call,
                        Json("{'scope':'" + kScope + "','key':'" + key + "'" + more + "}"));
  }
  std::string At(const std::string& rest) const { return "/v1/keys/" + rest + "?scope=" + kScope; }

  TempFolder folder;
  std::string fence;  // of "a"
  std::unique_ptr<Program> program;
};

TEST(GatewayKeys, WhoseProcessIsGoneAreShownAsUnknown) {
  GatewayKeys here;
  here.Serve();
  EXPECT_EQ(here.Get(here.At("a")).Field("/state"), "unknown");
  EXPECT_EQ(here.Get(here.At("a")).Field("/lapsed"), "");
  ExpectProblem(here.Get(here.At("a/result")), 409, "idempotency_outcome_unknown");
  const HttpAnswer listed = here.Get("/v1/keys?state=unknown&scope=" + kScope);
  EXPECT_EQ(listed.Count("/keys"), 2u);
  EXPECT_EQ(here.Get("/v1/keys?state=in_flight&scope=" + kScope).Count("/keys"), 0u);
  const HttpAnswer history = here.Get(here.At("a/history"));
  EXPECT_EQ(history.Count("/events"), 2u);
  EXPECT_EQ(history.Field("/events/1/type"), "marked_unknown");
  EXPECT_EQ(here.Get(here.At("c/result")).body, Json("{'status':200,'consumed':true}"));
}

TEST(GatewayKeys, AreResolvedWithAnAnswerToReplay) {
  GatewayKeys here;
  here.Serve();
  const auto resolve = [&](const std::string& result) {
    return here.Post("resolve", "a", ",'decision':'completed'" + result);
  };
  ExpectRefusal(resolve(""), 400, "invalid_request", "result");
  ExpectRefusal(resolve(",'result':{'ok':true}"), 400, "invalid_request", "result");
  ExpectRefusal(resolve(",'result':{'status':99,'headers':[],'body_base64':''}"), 400,
                "invalid_request", "result");
  EXPECT_EQ(here.Get(here.At("a")).Field("/state"), "unknown") << "nothing was done";
  EXPECT_EQ(resolve(",'result':" + kAnswer).status, 200);
  EXPECT_EQ(here.Get(here.At("a/result")).body, Json(kAnswer));
  EXPECT_EQ(here.Post("resolve", "b", ",'decision':'released'").status, 200);
  EXPECT_EQ(here.Get(here.At("b")).status, 404);
}

TEST(GatewayKeys, AreCompletedByTheirFenceWithAnAnswerToReplay) {
  GatewayKeys here;
  here.Serve();
  const std::string own = ",'fence':'" + here.fence + "'";
  ExpectRefusal(here.Post("complete", "a", own), 400, "invalid_request", "result");
  ExpectRefusal(here.Post("complete", "a", own + ",'result':1"), 400, "invalid_request", "result");
  const HttpAnswer batch =
      here.program->Ask("POST", "/v1/batch",
                        Json("{'operations':[{'op':'complete','scope':'" + kScope + "','key':'a'" +
                             own + ",'result':1},{'op':'complete','scope':'" + kScope +
                             "','key':'a'" + own + ",'result':" + kAnswer + "}]}"));
  EXPECT_EQ(batch.Field("/results/0/status"), "400");
  EXPECT_EQ(batch.Field("/results/1/status"), "200");
  EXPECT_EQ(here.Get(here.At("a/result")).body, Json(kAnswer));
}

TEST(GatewayKeys, AreClaimedByTheGatewayAlone) {
  GatewayKeys here;
  here.Serve();
  ExpectRefusal(here.Post("claim", "new", ""), 400, "invalid_request", "scope");
  ExpectRefusal(here.Post("complete", "new", ",'result':" + kAnswer), 400, "invalid_request",
                "scope");
  const HttpAnswer batch =
      here.program->Ask("POST", "/v1/batch",
                        Json("{'operations':[{'op':'claim','scope':'" + kScope +
                             "','key':'new'},"
                             "{'op':'complete','scope':'" +
                             kScope + "','key':'new','result':" + kAnswer +
                             "},"
                             "{'op':'claim','key':'new'}]}"));
  EXPECT_EQ(batch.Field("/results/0/status"), "400");
  EXPECT_EQ(batch.Field("/results/1/status"), "400");
  EXPECT_EQ(batch.Field("/results/2/status"), "201");
  EXPECT_EQ(here.Get(here.At("new")).status, 404);
}

TEST(GatewayKeys, AreOperatedOnLikeOthers) {
  GatewayKeys here;
  here.Serve();
  const std::string own = ",'fence':'" + here.fence + "'";
  EXPECT_EQ(here.Post("mark-unknown", "a", own).status, 200);
  ExpectProblem(here.Post("renew", "a", own), 409, "stale_fence");
  ExpectProblem(here.Post("release", "a", own), 409, "stale_fence");
  EXPECT_EQ(here.program->Ask("DELETE", here.At("a")).status, 204);
  EXPECT_EQ(here.Get(here.At("a")).status, 404);
  EXPECT_EQ(here.Get(here.At("a/history")).Field("/events/2/type"), "forgotten");
}

}  // namespace
}  // namespace onced
