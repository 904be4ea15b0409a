// SPDX-License-Identifier: MIT
// Who may call, asked of the real program: tokens, roles, rotation, and that no tenant can see
// another's keys by any call.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <chrono>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "server/http/cursor.h"
#include "tests/tenants.h"

namespace onced {
namespace {

using std::chrono::steady_clock;

TEST(Token, IsPrintedOnceWithWhatToAddToTheFile) {
  const Ended made = Program::Run({"token", "new", "--tenant", "shop", "--role", "admin"});
  ASSERT_EQ(made.code, 0) << made.err;
  EXPECT_EQ(made.err, "");
  const std::string token = made.out.substr(0, made.out.find('\n'));
  EXPECT_EQ(token.size(), 70u);
  const std::string entry = made.out.substr(token.size());
  EXPECT_EQ(entry.find(token), std::string::npos);
  const TempFolder folder;
  const Program program(folder.path(), {"--tokens", PutTokens(folder, entry)});
  EXPECT_EQ(program.Ask("GET", "/v1/status", "", Bearer(token)).status, 200);
  EXPECT_NE(Program::Run({"token", "new", "--tenant", "shop"}).out.substr(0, 70), token);
}

TEST(TokenFile, ThatIsNotValidEndsTheStartWithItsPlace) {
  const TempFolder folder;
  const std::string path = PutTokens(folder, "[[tenant]]\nname = \"a\"\nrole = \"root\"\n");
  const Ended refused = Program::Run({"serve", "--http", "127.0.0.1:0", "--tokens", path});
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find(path + ":3:8: role: "), std::string::npos) << refused.err;
  const Ended absent =
      Program::Run({"serve", "--http", "127.0.0.1:0", "--tokens", folder.path("absent")});
  EXPECT_EQ(absent.code, 2);
  EXPECT_NE(absent.err.find(folder.path("absent")), std::string::npos) << absent.err;
}

// Every route, asked by everybody.
TEST(Access, IsByTokenAndRole) {
  const GuardedOnced here;
  enum Whom { kAnybody, kCaller, kAdmin };
  const struct {
    const char* method;
    const char* target;
    Whom whom;
    const char* json = "";
  } table[] = {{"POST", "/v1/claim", kCaller, "{'key':'k'}"},
               {"POST", "/v1/complete", kCaller, "{'key':'k','fence':'1'}"},
               {"POST", "/v1/release", kCaller, "{'key':'k','fence':'1'}"},
               {"POST", "/v1/renew", kCaller, "{'key':'k','fence':'1'}"},
               {"POST", "/v1/mark-unknown", kCaller, "{'key':'k','fence':'1'}"},
               {"POST", "/v1/resolve", kAdmin, "{'key':'k','decision':'completed'}"},
               {"POST", "/v1/batch", kCaller, "{'operations':[{'op':'claim','key':'k'}]}"},
               {"GET", "/v1/keys/k", kCaller},
               {"GET", "/v1/keys/k/result", kCaller},
               {"GET", "/v1/keys/k/history", kCaller},
               {"GET", "/v1/keys", kCaller},
               {"DELETE", "/v1/keys/absent", kAdmin},
               {"POST", "/v1/keygen", kCaller, "{'unique':true}"},
               {"GET", "/.well-known/idempotency", kAnybody},
               {"POST", "/api/payments", kCaller, "{'amount':1,'currency':'EUR'}"},
               {"GET", "/api/payments/pay_0", kCaller},
               {"GET", "/api/payments", kCaller},
               {"GET", "/v1/status", kAdmin},
               {"GET", "/livez", kAnybody},
               {"GET", "/readyz?verbose", kAnybody},
               {"GET", "/readyz/log_sync", kAnybody},
               {"GET", "/healthz", kAnybody},
               {"HEAD", "/livez", kAnybody},
               {"HEAD", "/readyz", kAnybody},
               {"GET", "/v1/nothing", kCaller},
               {"GET", "/v1/claim", kCaller},
               {"OPTIONS", "/v1/claim", kCaller}};
  for (const auto& [method, target, whom, json] : table) {
    SCOPED_TRACE(std::string(method) + " " + target);
    const auto may = [&](const HttpAnswer& answer) {
      return answer.status != 0 && answer.status != 401 && answer.status != 403;
    };
    const HttpAnswer nobody = here.program.Ask(method, target, Json(json));
    const HttpAnswer stranger = here.Ask("onced_wrong", method, target, json);
    if (whom == kAnybody) {
      EXPECT_TRUE(may(nobody)) << nobody.body;
      EXPECT_TRUE(may(stranger)) << stranger.body;
    } else {
      for (const HttpAnswer& refused : {nobody, stranger}) {
        ExpectProblem(refused, 401, "unauthorized");
        EXPECT_EQ(refused.Header("WWW-Authenticate"), "Bearer");
      }
    }
    const HttpAnswer app = here.Ask("shop-1", method, target, json);
    if (whom == kAdmin) {
      ExpectProblem(app, 403, "forbidden");
    } else {
      EXPECT_TRUE(may(app)) << app.body;
    }
    EXPECT_TRUE(may(here.Ask("ops", method, target, json)));
  }
}

TEST(Access, TakesTheTokenFromOneHeaderOnly) {
  const GuardedOnced here;
  ExpectProblem(here.program.Ask("GET", "/v1/keys?access_token=shop-1"), 401, "unauthorized");
  ExpectProblem(here.Ask("shop-1", "GET", "/v1/keys?access_token=shop-1"), 400, "invalid_request");
  Headers twice = Bearer("shop-1");
  twice.push_back(twice.front());
  ExpectRefusal(here.program.Ask("GET", "/v1/keys", "", twice), 400, "invalid_request",
                "Authorization");
}

// Strangers could fill the memory for bodies, and with it shut everybody out.
TEST(Access, OfAStrangerEndsWithTheHeadBeforeTheBodyIsRead) {
  const GuardedOnced here;
  for (const char* more : {"", "Expect: 100-continue\r\n", "Authorization: Bearer made-up\r\n"}) {
    for (const char* length : {"Content-Length: 1000000\r\n", "Transfer-Encoding: chunked\r\n"}) {
      Client stranger = here.program.Connect();
      stranger.Send(std::string("POST /v1/claim HTTP/1.1\r\nHost: localhost\r\n") + more + length +
                    "\r\n");
      ExpectProblem(stranger.Receive(), 401, "unauthorized");
      EXPECT_TRUE(stranger.SeesEnd());
    }
  }
  Client friendly = here.program.Connect();
  friendly.Send(
      "POST /v1/keygen HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n"
      "Authorization: Bearer shop-1\r\nContent-Length: 15\r\n\r\n");
  EXPECT_EQ(friendly.Receive().status, 100);
  friendly.Send("{\"unique\":true}");
  EXPECT_EQ(friendly.Receive().status, 200);
}

TEST(Rotation, HasTwoLiveTokensAndEndsTheOldOneWithASignal) {
  GuardedOnced here;
  const std::string fence =
      here.Post("shop-1", "/v1/claim", "{'key':'k','lease_ms':60000}").Field("/fence");
  EXPECT_EQ(here.Ask("shop-2", "GET", "/v1/keys/k").Field("/state"), "in_flight")
      << "both are the same tenant";
  Client open = here.program.Connect();
  EXPECT_EQ(open.Ask("GET", "/v1/keys/k", "", Bearer("shop-1")).status, 200);
  // One that waits, with the token that is about to end.
  Client waiting = here.program.Connect();
  waiting.Send(RequestText("GET", "/v1/keys/k/result?wait_ms=30000", "", Bearer("shop-1")));
  ASSERT_TRUE(
      Eventually([&] { return here.Ask("ops", "GET", "/v1/status").Field("/waiters") == "1"; }));

  PutTokens(here.folder, Tenant("shop", Role::kApp, {"shop-2", "shop-3"}) + GuardedOnced::Others());
  EXPECT_EQ(open.Ask("GET", "/v1/keys/k", "", Bearer("shop-1")).status, 200) << "not yet";
  here.program.Signal(SIGHUP);
  const auto signalled = steady_clock::now();
  EXPECT_TRUE(Eventually(
      [&] { return open.Ask("GET", "/v1/keys/k", "", Bearer("shop-1")).status == 401; }));
  EXPECT_LT(steady_clock::now() - signalled, std::chrono::seconds(3));
  EXPECT_EQ(open.Ask("GET", "/v1/keys/k", "", Bearer("shop-2")).status, 200);
  EXPECT_EQ(open.Ask("GET", "/v1/keys/k", "", Bearer("shop-3")).Field("/state"), "in_flight");
  here.Post("shop-3", "/v1/complete", "{'key':'k','fence':'" + fence + "','result':'secret'}");
  ExpectProblem(waiting.Receive(), 401, "unauthorized");
}

// Such a file once changed nothing and said nothing: its author believed the certificates.
TEST(Access, ByCertificatesThatNobodyIsAskedForIsWarnedOf) {
  GuardedOnced here;
  const std::string warning = "certificate_subjects do nothing without --tls-client-ca";
  EXPECT_EQ(here.program.Said().find(warning), std::string::npos);
  const std::string tokens = PutTokens(
      here.folder, Tenant("shop", Role::kApp, {"shop-1"}, "certificate_subjects = [\"CN=shop\"]"));
  here.program.Signal(SIGHUP);
  EXPECT_TRUE(here.Says(warning)) << here.program.Said();
  const TempFolder other;
  const Program second(other.path(), {"--tokens", tokens});
  EXPECT_NE(second.Said().find("warning: " + tokens + ": " + warning), std::string::npos)
      << second.Said();
}

TEST(Rotation, KeepsTheOldFileWhenTheNewOneIsNotValid) {
  GuardedOnced here;
  PutTokens(here.folder, Tenant("shop", Role::kApp, {"shop-2"}) + "[[tenant]]\nname = 5\n");
  here.program.Signal(SIGHUP);
  EXPECT_TRUE(here.Says("tokens.toml:7:8: name: ")) << here.program.Said();
  for (const char* token : {"shop-1", "shop-2", "ops", "bank"}) {
    EXPECT_EQ(here.Ask(token, "GET", "/v1/keys").status, 200) << token;
  }
  // Others may read it: not valid either.
  PutTokens(here.folder, Tenant("shop", Role::kApp, {"shop-2"}));
  ASSERT_EQ(chmod(here.folder.path("tokens.toml").c_str(), 0644), 0);
  here.program.Signal(SIGHUP);
  EXPECT_TRUE(here.Says("chmod 640")) << here.program.Said();
  EXPECT_EQ(here.Ask("shop-1", "GET", "/v1/keys").status, 200);
  EXPECT_EQ(here.program.Stop().code, 0);
}

TEST(Tenants, HaveTheSameKeyEachForItself) {
  const GuardedOnced here;
  const HttpAnswer shop = here.Post("shop-1", "/v1/claim", "{'key':'k','fingerprint':'s'}");
  const HttpAnswer bank = here.Post("bank", "/v1/claim", "{'key':'k','fingerprint':'b'}");
  EXPECT_EQ(shop.status, 201);
  EXPECT_EQ(bank.status, 201) << bank.body;
  for (const auto& [token, fence] :
       {std::pair("shop-1", shop.Field("/fence")), std::pair("bank", bank.Field("/fence"))}) {
    EXPECT_EQ(here.Post(token, "/v1/complete",
                        "{'key':'k','fence':'" + fence + "','result':'" + token + "'}")
                  .status,
              200);
  }
  EXPECT_EQ(here.Ask("shop-2", "GET", "/v1/keys/k/result").body, "\"shop-1\"");
  EXPECT_EQ(here.Ask("bank", "GET", "/v1/keys/k/result").body, "\"bank\"");
}

TEST(Tenants, PayWithTheSameIdempotencyKeyEachForItself) {
  const GuardedOnced here;
  const auto pay = [&](const std::string& token, int amount) {
    Headers headers = Bearer(token);
    headers.emplace_back("Idempotency-Key", "order-1");
    return here.program.Ask("POST", "/api/payments",
                            Json("{'amount':" + std::to_string(amount) + ",'currency':'EUR'}"),
                            headers);
  };
  const HttpAnswer shop = pay("shop-1", 5);
  const HttpAnswer bank = pay("bank", 7);
  EXPECT_EQ(bank.status, 201) << bank.body;
  EXPECT_EQ(bank.Header("Idempotent-Replayed"), "");
  EXPECT_EQ(pay("shop-2", 5).body, shop.body);
  EXPECT_EQ(here.Ask("bank", "GET", "/api/payments").Count("/payments"), 1u);
  EXPECT_EQ(here.Ask("bank", "GET", "/api/payments").Field("/payments/0/amount"), "7");
  ExpectProblem(here.Ask("bank", "GET", "/api/payments/" + shop.Field("/id")), 404, "not_found");
}

TEST(Tenants, AreNamedByAnAdmin) {
  const GuardedOnced here;
  here.Post("shop-1", "/v1/complete", "{'key':'done','result':1}");
  here.Post("shop-1", "/v1/claim", "{'key':'lost','on_lapse':'unknown','lease_ms':100}");
  const std::string fence = here.Post("shop-1", "/v1/claim", "{'key':'odd'}").Field("/fence");
  here.Post("shop-1", "/v1/mark-unknown", "{'key':'odd','fence':'" + fence + "'}");
  EXPECT_EQ(here.Ask("ops", "GET", "/v1/keys").Count("/keys"), 0u)
      << "its own, unless it names one";
  EXPECT_EQ(here.Ask("ops", "GET", "/v1/keys?tenant=shop").Count("/keys"), 3u);
  EXPECT_EQ(here.Ask("ops", "GET", "/v1/keys/odd?tenant=shop").Field("/state"), "unknown");
  EXPECT_GT(here.Ask("ops", "GET", "/v1/keys/odd/history?tenant=shop").Count("/events"), 0u);
  const std::string decision = "{'key':'odd','decision':'completed','result':9";
  ExpectProblem(here.Post("ops", "/v1/resolve", decision + "}"), 404, "not_found");
  EXPECT_EQ(here.Post("ops", "/v1/resolve", decision + ",'tenant':'shop'}").status, 200);
  EXPECT_EQ(here.Ask("shop-1", "GET", "/v1/keys/odd/result").body, "9");
  ExpectProblem(here.Ask("ops", "DELETE", "/v1/keys/done"), 404, "not_found");
  EXPECT_EQ(here.Ask("ops", "DELETE", "/v1/keys/done?tenant=shop").status, 204);
  EXPECT_EQ(here.Ask("shop-1", "GET", "/v1/keys/done").status, 404);
  for (const char* target : {"/v1/keys?tenant=", "/v1/keys/k?tenant=a%20b"}) {
    ExpectRefusal(here.Ask("ops", "GET", target), 400, "invalid_request", "tenant");
  }
}

TEST(Tenants, NamedByAnAppAreItsOwnOrForbidden) {
  const GuardedOnced here;
  here.Post("shop-1", "/v1/complete", "{'key':'k','result':1}");
  EXPECT_EQ(here.Ask("shop-1", "GET", "/v1/keys/k?tenant=shop").status, 200);
  EXPECT_EQ(here.Ask("shop-1", "GET", "/v1/keys?tenant=shop").Count("/keys"), 1u);
  for (const std::string target : {"/v1/keys/k", "/v1/keys/k/history", "/v1/keys"}) {
    const HttpAnswer there = here.Ask("bank", "GET", target + "?tenant=shop");
    ExpectProblem(there, 403, "forbidden");
    EXPECT_EQ(here.Ask("bank", "GET", target + "?tenant=nobody").body, there.body);
  }
}

// What a tenant has, so that another can try to see it.
struct Belonging {
  std::string key;
  std::string scope;
  std::string fence;
};

std::vector<Belonging> FillShop(const GuardedOnced& here) {
  std::vector<Belonging> all;
  for (int i = 0; i < 60; ++i) {
    const std::string n = std::to_string(i);
    Belonging one{.key = "order-" + n, .scope = i % 3 == 0 ? "default" : "scope-" + n, .fence = ""};
    const std::string of = "{'key':'" + one.key + "','scope':'" + one.scope + "'";
    one.fence = here.Post("shop-1", "/v1/claim", of + ",'lease_ms':3600000}").Field("/fence");
    const std::string by = of + ",'fence':'" + one.fence + "'";
    if (i % 4 == 1) here.Post("shop-1", "/v1/complete", by + ",'result':'mine'}");
    if (i % 4 == 2) here.Post("shop-1", "/v1/mark-unknown", by + "}");
    all.push_back(one);
  }
  return all;
}

// The calls by which a key can be named, but those that begin one.
std::string Probe(int call, const std::string& key, const std::string& scope,
                  const std::string& fence) {
  const auto get = [&](const std::string& target) {
    return RequestText("GET", target, "", Bearer("bank"));
  };
  const auto post = [&](const std::string& target, const std::string& json) {
    return RequestText("POST", target, Json(json), Bearer("bank"));
  };
  const std::string named = "'key':'" + key + "','scope':'" + scope + "','fence':'" + fence + "'}";
  switch (call) {
    case 0:
      return get("/v1/keys/" + key + "?scope=" + scope);
    case 1:
      return get("/v1/keys/" + key + "/result?wait_ms=30000&scope=" + scope);
    case 2:
      return get("/v1/keys/" + key + "/history?scope=" + scope);
    case 3:
      return get("/v1/keys?prefix=" + key + "&scope=" + scope);
    case 4:
      return get("/v1/keys?state=in_flight&scope=" + scope +
                 "&cursor=" + CursorAt({.scope = scope}, key));
    case 5:
      return get("/api/payments/" + key);
    case 6:
      return post("/v1/complete", "{'result':'theirs'," + named);
    case 7:
      return post("/v1/renew", "{" + named);
    case 8:
      return post("/v1/release", "{" + named);
    case 9:
      return post("/v1/mark-unknown", "{" + named);
    case 10:
      return post("/v1/batch", "{'operations':[{'op':'release'," + named + ",{'op':'renew'," +
                                   named + ",{'op':'complete','result':1," + named + "]}");
    case 11:
      return post("/v1/resolve", "{'key':'" + key + "','decision':'released'}");
    default:
      return RequestText("DELETE", "/v1/keys/" + key + "?force=true&scope=" + scope, "",
                         Bearer("bank"));
  }
}

TEST(Tenants, CannotTellAnothersKeyFromNoneInTenThousandProbes) {
  const GuardedOnced here;
  const std::vector<Belonging> belongings = FillShop(here);
  std::vector<std::string> before;
  for (const Belonging& one : belongings) {
    before.push_back(here.Ask("shop-1", "GET", "/v1/keys/" + one.key + "?scope=" + one.scope).body);
  }
  const HttpAnswer paid = here.Post("shop-1", "/api/payments", "{'amount':5,'currency':'EUR'}");
  const uint64_t seed = Seed(20'261'124);
  SCOPED_TRACE("ONCED_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  Client client = here.program.Connect();
  const auto ask = [&](const std::string& request) {
    client.Send(request);
    HttpAnswer answer = client.Receive();
    // Each has one of its own, by the clock and by chance.
    std::erase_if(answer.headers,
                  [](const auto& header) { return header.first == "X-Request-Id"; });
    return answer;
  };
  int differ = 0;
  for (int i = 0; i < 10'000 && differ < 5; ++i) {
    const Belonging& there = belongings[random() % belongings.size()];
    const int call = static_cast<int>(random() % 13);
    const bool payment = call == 5 && random() % 2 == 0;
    const std::string key = payment ? paid.Field("/id") : there.key;
    std::string absent = key;
    for (char& c : absent) c = static_cast<char>('a' + random() % 26);
    const HttpAnswer probed = ask(Probe(call, key, there.scope, there.fence));
    const HttpAnswer missed = ask(Probe(call, absent, there.scope, there.fence));
    const bool known_refusal = probed.status == 404 || probed.status == 409 ||
                               probed.status == 403 || probed.body == "{\"events\":[]}" ||
                               probed.body == "{\"keys\":[]}" || call == 10;
    if (known_refusal && probed.status == missed.status && probed.body == missed.body &&
        probed.headers == missed.headers) {
      continue;
    }
    ++differ;
    ADD_FAILURE() << "call " << call << " of " << key << ": " << probed.status << probed.body
                  << "\nbut of " << absent << ": " << missed.status << missed.body;
  }
  for (size_t i = 0; i < belongings.size(); ++i) {
    const Belonging& one = belongings[i];
    EXPECT_EQ(here.Ask("shop-1", "GET", "/v1/keys/" + one.key + "?scope=" + one.scope).body,
              before[i]);
  }
}

}  // namespace
}  // namespace onced
