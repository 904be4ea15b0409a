// SPDX-License-Identifier: MIT
// Whose a key is, and an upstream that fails too often: who must never see whose answer, and when
// nothing is sent at all.
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/gateway.h"
#include "tests/tenants.h"

namespace onced {
namespace {

TEST(GatewayCallers, TwoUsersNeverSeeEachOthersAnswers) {
  GatewayInAFolder here({.route = "", .upstream = "", .gateway = "principal = \"header:X-User\""});
  const HttpAnswer ann = here.Post("k", "/pay", "{}", {{"X-User", "ann"}});
  const HttpAnswer bob = here.Post("k", "/pay", "{}", {{"X-User", "bob"}});
  EXPECT_EQ(ann.body, "POST /pay 1\n");
  EXPECT_EQ(bob.body, "POST /pay 2\n");
  ExpectReplay(here.Post("k", "/pay", "{}", {{"X-User", "ann"}}), ann);
  ExpectReplay(here.Post("k", "/pay", "{}", {{"X-User", "bob"}}), bob);
  // Not even that the other one has used the key for something else.
  EXPECT_EQ(here.Post("k", "/pay", "other", {{"X-User", "carl"}}).status, 200);
  EXPECT_EQ(here.State("k", "ann"), "completed");
  EXPECT_EQ(here.State("k"), "");
}

TEST(GatewayCallers, NobodyWithoutANameHasAKey) {
  const GatewayInAFolder here({.route = "key_pointer = \"/id\"",
                               .upstream = "",
                               .gateway = "principal = \"header:X-User\""});
  const Headers two = {{"X-User", "ann"}, {"X-User", "bob"}};
  for (const Headers& who : std::vector<Headers>{{}, {{"X-User", ""}}, two}) {
    EXPECT_EQ(here.Post("k", "/pay", "{}", who).status, 400);
    EXPECT_EQ(here.Post("", "/pay", "{\"id\":\"k\"}", who).status, 400);
  }
  EXPECT_EQ(here.upstream.hits(), 0u);
}

TEST(GatewayCallers, ATokenSaysWhoAsksAndIsNotPassedOn) {
  const TempFolder folder;
  const std::string tokens =
      PutTokens(folder, Tenant("shop", Role::kApp, {"shop-1", "shop-2"}) + GuardedOnced::Others());
  GatewayInAFolder here({.route = "", .upstream = "", .gateway = "principal = \"token\""},
                        {"--tokens", tokens});
  const HttpAnswer shop = here.Post("k", "/pay", "{}", Bearer("shop-1"));
  EXPECT_EQ(shop.body, "POST /pay 1\n");
  EXPECT_EQ(here.upstream.last().Count("Authorization"), 0u);
  const HttpAnswer bank = here.Post("k", "/pay", "{}", Bearer("bank"));
  EXPECT_EQ(bank.body, "POST /pay 2\n");
  // Both tokens are one tenant's.
  ExpectReplay(here.Post("k", "/pay", "{}", Bearer("shop-2")), shop);
  ExpectReplay(here.Post("k", "/pay", "{}", Bearer("bank")), bank);
  ExpectProblem(here.Post("k", "/pay", "{}", Bearer("nobody")), 401, "unauthorized");
  ExpectProblem(here.Post("k"), 401, "unauthorized");
  ExpectProblem(here.Ask("GET", "/pay"), 401, "unauthorized");
  EXPECT_EQ(here.upstream.hits(), 2u);
}

// The story: keys that were claimed and given back went on counting, so a service that said "later"
// used up its callers' limits.
TEST(GatewayCallers, AKeyThatIsGivenBackIsOffTheLimit) {
  const TempFolder folder;
  const std::string tokens =
      PutTokens(folder, Tenant("shop", Role::kApp, {"shop-1"}) + "keys_max = 3\n");
  GatewayInAFolder here({.route = "",
                         .upstream = "[gateway.upstream.breaker]\nfailures_in_row = 99\n",
                         .gateway = "principal = \"token\""},
                        {"--tokens", tokens});
  here.upstream.On("/pay", Script().Send(AnswerText(429, "later")));
  for (int i = 0; i < 9; ++i) {
    const HttpAnswer answer = here.Post("k" + std::to_string(i), "/pay", "{}", Bearer("shop-1"));
    EXPECT_EQ(answer.body, "later") << i;
  }
  EXPECT_EQ(here.upstream.hits(), 9u);
}

TEST(GatewayCallers, WhereStrangersCanAskSomebodyMustSayWhoTheyAre) {
  const TempFolder folder;
  const Ended refused =
      Program::Run({"serve", "--http", "127.0.0.1:0", "--data", folder.path(), "--gateway",
                    "0.0.0.0:0", "--insecure-plaintext", "--upstream", "http://127.0.0.1:1"});
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("--gateway-principal"), std::string::npos) << refused.err;
}

TEST(GatewayCallers, RoutesAreApart) {
  ScriptedUpstream other;
  GatewayInAFolder here(
      {.route = "scope = \"one\"\n[[gateway.route]]\nname = \"orders\"\nprefix = \"/orders\"\n"
                "upstream = \"service\"\nkey = \"required\"\n[[gateway.route]]\nname = \"deep\"\n"
                "prefix = \"/orders/deep\"\nupstream = \"other\"\n[[gateway.upstream]]\n"
                "name = \"other\"\nurl = \"" +
                other.url() + "\"",
       .upstream = "",
       .gateway = ""});
  EXPECT_EQ(here.Post("k", "/pay").body, "POST /pay 1\n");
  EXPECT_EQ(here.Post("k", "/orders").body, "POST /orders 1\n");
  EXPECT_EQ(here.Post("k", "/orders/deep/x").body, "POST /orders/deep/x 1\n");
  EXPECT_EQ(here.Post("", "/ordersx").status, 200);
  ExpectProblem(here.Post("", "/orders/1"), 400, "idempotency_key_required");
  EXPECT_EQ(other.hits(), 1u);
  EXPECT_EQ(here.upstream.hits(), 3u);
}

const char kQuickBreaker[] =
    "[gateway.upstream.breaker]\nfailures_in_row = 3\nopen_for = \"500ms\"\n";

TEST(GatewayBreaker, AnUpstreamThatKeepsFailingIsLeftAlone) {
  GatewayInAFolder here({.route = "", .upstream = kQuickBreaker, .gateway = ""});
  const HttpAnswer stored = here.Post("stored", "/stored");
  here.upstream.On("/pay", Script().Reset());
  for (int i = 0; i < 3; ++i) here.Post("k" + std::to_string(i));
  ASSERT_EQ(here.upstream.HitsOfPath("/pay"), 3u);
  const auto opened = std::chrono::steady_clock::now();
  const HttpAnswer refused = here.Post("fresh");
  if (std::chrono::steady_clock::now() - opened < std::chrono::milliseconds(400)) {
    EXPECT_EQ(refused.status, 503);
    EXPECT_NE(refused.Header("Retry-After"), "");
    EXPECT_EQ(here.State("fresh"), "");  // nothing was claimed
    EXPECT_EQ(here.upstream.HitsOfKey("fresh"), 0u);
  }
  // What is remembered is still told.
  ExpectReplay(here.Post("stored", "/stored"), stored);
  ExpectProblem(here.Post("k0"), 409, "idempotency_outcome_unknown");
}

// The story: five clients that broke off their own bodies shut a healthy service off for everybody.
TEST(GatewayBreaker, IsNotOpenedByClientsThatBreakOff) {
  GatewayInAFolder here({.route = "", .upstream = kQuickBreaker, .gateway = ""});
  for (int i = 0; i < 6; ++i) {
    Client client = here.Connect();
    client.Send("PUT /up HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
    // real time: by then the service is being sent what there is.
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  EXPECT_EQ(here.Ask("GET", "/well").status, 200);
  EXPECT_EQ(here.Post("k").status, 200);
}

// The story: a request with a body and no key had an hour, not the route's deadline.
TEST(GatewayBreaker, ARequestWithABodyHasTheDeadlineToo) {
  GatewayInAFolder here({.route = "deadline = \"300ms\"", .upstream = "", .gateway = ""});
  const auto latch = MakeLatch();
  here.upstream.On("/hangs", Script().Wait(latch).Send(AnswerText(200, "late")));
  const HttpAnswer answer = here.Ask("PUT", "/hangs", "body");
  EXPECT_EQ(answer.status, 504) << answer.body;
  latch->Open();
}

TEST(GatewayBreaker, OneCallIsLetThroughAndDecides) {
  GatewayInAFolder here({.route = "", .upstream = kQuickBreaker, .gateway = ""});
  here.upstream.On("/pay", Script().Reset());
  for (int i = 0; i < 3; ++i) here.Post("k" + std::to_string(i));
  const auto latch = MakeLatch();
  here.upstream.On("/pay", Script().Wait(latch).Send(AnswerText(200, "well again")));
  // The probe: the first that is let through when the time is over. The others are answered at
  // once.
  Client probe = here.Begin("probe");
  ASSERT_TRUE(Eventually([&] {
    if (here.upstream.HitsOfPath("/pay") == 4) return true;
    if (probe.HasInput()) probe = here.Begin("probe");
    return false;
  }));
  EXPECT_EQ(here.Post("beside").status, 503);
  EXPECT_EQ(here.upstream.HitsOfPath("/pay"), 4u);
  latch->Open();
  EXPECT_EQ(probe.Receive().body, "well again");
  for (int i = 0; i < 5; ++i) EXPECT_EQ(here.Post("after" + std::to_string(i)).status, 200);
}

TEST(GatewayBreaker, DuplicatesOfWhatIsKnownAreNoProbes) {
  GatewayInAFolder here({.route = "", .upstream = kQuickBreaker, .gateway = ""});
  const HttpAnswer stored = here.Post("stored", "/stored");
  here.upstream.On("/pay", Script().Reset());
  for (int i = 0; i < 3; ++i) here.Post("k" + std::to_string(i));
  here.upstream.On("/pay", Answer(200, "well again"));
  // Each of these might take the one place that is free, and must give it back.
  ASSERT_TRUE(Eventually([&] {
    ExpectReplay(here.Post("stored", "/stored"), stored);
    return here.Post("fresh").status == 200;
  }));
}

}  // namespace
}  // namespace onced
