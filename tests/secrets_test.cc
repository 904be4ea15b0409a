// SPDX-License-Identifier: MIT
// What onced writes for its operator, on stderr and in RocksDB's log, and what it shows of requests
// and counts, has no token, no key, no body and no fingerprint in it: a run with a canary in every
// field, at every door, and a search for each.
#include <gtest/gtest.h>
#include <signal.h>

#include <cctype>
#include <filesystem>
#include <string>
#include <vector>

#include "tests/gateway.h"
#include "tests/redis.h"
#include "tests/tenants.h"

namespace onced {
namespace {

const std::vector<std::string> kCanaries = {
    "canary-token", "canary-wrong",  "canary-key",    "canary-scope",     "canary-print",
    "canary-id",    "canary-holder", "canary-result", "canary-reference", "canary-header",
    "canary-query", "canary-path",   "canary-junk",   "canary-prefix"};

std::string Hex(const std::string& text) {
  std::string out;
  for (const char c : text) {
    out.push_back("0123456789ABCDEF"[static_cast<unsigned char>(c) >> 4]);
    out.push_back("0123456789ABCDEF"[c & 15]);
  }
  return out;
}

void SendCanaries(const Program& program) {
  Headers told = Bearer("canary-token");
  told.emplace_back("X-Canary", "canary-header");
  told.emplace_back("Idempotency-Key", "canary-key");
  const auto post = [&](const std::string& target, const std::string& json) {
    return program.Ask("POST", target, Json(json), told);
  };
  const std::string named = "'key':'canary-key','scope':'canary-scope'";
  const std::string fence =
      post("/v1/claim", "{" + named +
                            ",'fingerprint':'canary-print','claim_id':'canary-id',"
                            "'holder':'canary-holder'}")
          .Field("/fence");
  ASSERT_FALSE(fence.empty());
  post("/v1/claim", "{" + named + ",'fingerprint':'canary-print2'}");
  post("/v1/complete", "{" + named + ",'fence':'" + fence + "','result':'canary-result'}");
  post("/v1/complete", "{" + named + ",'fence':'1','result':'canary-result'}");
  post("/v1/batch", "{'operations':[{'op':'claim'," + named + "},{'op':'canary-junk'}]}");
  post("/v1/resolve", "{" + named + ",'decision':'canary-junk','tenant':'canary-scope'}");
  post("/v1/keygen", "{'unique':true,'prefix':'canary-prefix'}");
  post("/api/payments", "{'amount':5,'currency':'EUR','reference':'canary-reference'}");
  post("/v1/claim", "{'canary-junk':");
  post("/v1/claim", "{'key':'canary-key','canary-junk':1}");
  for (const char* target : {"/v1/keys/canary-key?scope=canary-scope", "/v1/keys/canary-path",
                             "/v1/keys/canary-key/history?scope=canary-scope",
                             "/v1/keys?prefix=canary-key&cursor=canary-query",
                             "/canary-path?canary-query=canary-query", "/v1/keys/canary-path%zz"}) {
    (void)program.Ask("GET", target, "", told);
    (void)program.Ask("GET", target, "", Bearer("canary-wrong"));
  }
  Client raw = program.Connect();
  raw.Send("canary-junk canary-path\r\ncanary-header\r\n\r\n");
  (void)raw.Receive();
  (void)program.Ask("DELETE", "/v1/keys/canary-key?scope=canary-scope&force=1", "", told);
}

TEST(Secrets, NeverReachALogLine) {
  const TempFolder folder;
  const std::string tokens = PutTokens(folder, Tenant("a", Role::kAdmin, {"canary-token"}));
  std::string said;
  for (int start = 0; start < 2; ++start) {  // the second one recovers what the first wrote
    Program program(folder.path(), {"--tokens", tokens, "--retention", "1s"});
    SendCanaries(program);
    // Somebody puts the token itself into the file.
    PutTokens(folder, "[[tenant]]\nname = \"a\"\ntokens = [\"canary-token\"]\n");
    program.Signal(SIGHUP);
    ASSERT_TRUE(Eventually([&] { return program.Said().find("reload") != std::string::npos; }));
    PutTokens(folder, Tenant("a", Role::kAdmin, {"canary-token"}));
    const Ended ended = program.Stop();
    EXPECT_EQ(ended.code, 0) << ended.err;
    said += ended.err + ended.out;
  }
  size_t logs = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path() + "/db")) {
    if (!entry.path().filename().string().starts_with("LOG")) continue;
    said += ReadFile(entry.path());
    ++logs;
  }
  EXPECT_GT(logs, 0u) << "RocksDB's log is not where it was looked for";
  EXPECT_NE(said.find("onced: error: reload: "), std::string::npos);
  for (const std::string& canary : kCanaries) {
    EXPECT_EQ(said.find(canary), std::string::npos) << canary;
    EXPECT_EQ(said.find(Hex(canary)), std::string::npos) << canary << ", in hexadecimal";
  }
}

// The most that is ever told, of requests at all doors at once.
struct ChattyOnced {
  explicit ChattyOnced(const std::string& format)
      : program(folder.path("data"),
                {"--tokens", PutTokens(folder, Tenant("a", Role::kAdmin, {"canary-token"})),
                 "--durability", "os", "--redis", "127.0.0.1:0", "--gateway", "127.0.0.1:0",
                 "--upstream", upstream.url(), "--gateway-principal", "token", "--log-level",
                 "debug", "--access-log", "all", "--log-format", format}) {}

  TempFolder folder;
  ScriptedUpstream upstream;
  Program program;
};

const std::vector<std::string> kRubbishIds = {"canary-id canary", "canary-id\xC3\xA4", "canary-\t1",
                                              std::string(60, 'x') + "canary"};

void SendCanariesToTheGateway(ChattyOnced& here) {
  const uint16_t port = GatewayPort(here.program);
  here.upstream.On("/canary-path", Answer(201, "canary-result", {{"X-Canary", "canary-header"}}));
  here.upstream.On("/canary-fails", Answer(500, "canary-result"));
  here.upstream.On("/canary-breaks", Script().Close());
  const auto ask = [&](const std::string& method, const std::string& target,
                       const std::string& token, const std::string& id) {
    return Client(port).Ask(method, target, R"({"canary-junk":"canary-result"})",
                            {{"Authorization", "Bearer " + token},
                             {"Idempotency-Key", "canary-key" + target.substr(1, 8)},
                             {"X-Request-Id", id},
                             {"traceparent", "00-canary-canary-01"},
                             {"tracestate", "canary=canary-header"},
                             {"Cookie", "canary-header"},
                             {"X-Canary", "canary-header"}});
  };
  for (const std::string& id : kRubbishIds) {
    for (const char* target : {"/canary-path?canary-query=canary-query", "/canary-fails",
                               "/canary-breaks", "/canary-nowhere", "/canary%2fpath"}) {
      for (const char* method : {"POST", "GET"}) (void)ask(method, target, "canary-token", id);
    }
    (void)ask("POST", "/canary-path", "canary-wrong", id);
    (void)ask("CANARY", "/canary-path", "canary-token", id);
  }
}

void SendCanariesToTheRedisDoor(const ChattyOnced& here) {
  RespClient redis(RedisPortOf(here.program));
  for (const Words& words : std::vector<Words>{
           {"AUTH", "canary-wrong"},
           {"AUTH", "a", "canary-wrong"},
           {"HELLO", "3", "AUTH", "canary-id", "canary-wrong"},
           {"AUTH", "canary-token"},
           {"SET", "canary-key", "canary-result"},
           {"SET", "canary-key", "v", "canary-junk"},
           {"INCR", "canary-key"},
           {"LPUSH", "canary-key", "canary-result"},
           {"EVAL", "return canary-junk(", "0"},
           {"EVAL", "error('canary-junk')", "1", "canary-key"},
           {"EVAL", "return redis.call('SET', KEYS[1])", "1", "canary-key", "canary-result"},
           {"ONCED.CLAIM", "canary-key", "canary-junk"},
           {"ONCED.CLAIM", "canary-key"},
           {"ONCED.COMPLETE", "canary-key", "1", "canary-result"},
           {"CLIENT", "SETNAME", "canary-id"},
           {"CONFIG", "SET", "requirepass", "canary-token"},
           {"xnone", "canary-key", "canary-result"},
           {"{\"key\":\"canary-key\"}"}}) {
    (void)redis.Ask(words);
  }
  RespClient lost(RedisPortOf(here.program));  // who speaks something else
  lost.SendBytes("{\"token\":\"canary-token\"}\r\n\"canary-junk\r\n$canary-junk\r\n");
  (void)lost.Receive();
  RespClient http(RedisPortOf(here.program));
  http.SendBytes(
      "canary-token: canary\r\nPOST /canary-path HTTP/1.1\r\nAuthorization: canary-token\r\n\r\n");
  (void)http.Receive();
}

void SendCanariesToOperations(const ChattyOnced& here) {
  for (const std::string& id : kRubbishIds) {
    Headers told = Bearer("canary-token");
    told.emplace_back("X-Request-Id", id);
    told.emplace_back("traceparent", "canary-header");
    (void)here.program.Ask("POST", "/v1/backup", R"({"folder":"canary-junk"})", told);
    (void)here.program.Ask("POST", "/v1/claim", R"({"key":"canary-key","scope":"canary-scope"})",
                           told);
    (void)here.program.Ask("POST", "/v1/backup", R"({"folder":"/canary-junk/canary"})", told);
    (void)here.program.Ask("GET", "/v1/requests?canary-query", "", told);
    (void)here.program.Ask("CANARY", "/v1/canary-path", "", told);
  }
}

TEST(Secrets, NeverReachALineOfARequest) {
  for (const std::string format : {"json", "text"}) {
    SCOPED_TRACE(format);
    ChattyOnced here(format);
    SendCanaries(here.program);
    SendCanariesToTheGateway(here);
    SendCanariesToTheRedisDoor(here);
    SendCanariesToOperations(here);
    const HttpAnswer metrics = here.program.Ask("GET", "/metrics", "", Bearer("canary-token"));
    const HttpAnswer requests = here.program.Ask("GET", "/v1/requests", "", Bearer("canary-token"));
    ASSERT_EQ(requests.status, 200);
    ASSERT_GT(requests.Count("/recent"), 60U);
    ASSERT_EQ(metrics.status, 200);
    const Ended ended = here.program.Stop();
    EXPECT_EQ(ended.code, 0);
    for (const char* told : {"request_id", "gateway", "/v1/backup", "/v1/keys/*", "key_hash",
                             "no word for a command"}) {
      EXPECT_NE(ended.err.find(told), std::string::npos) << told << " is not told of at all";
    }
    for (const std::string& said : {ended.err, metrics.body, requests.body}) {
      std::string lower = said;
      for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
      const size_t at = lower.find("canary");
      EXPECT_EQ(at, std::string::npos) << said.substr(at < 200 ? 0 : at - 200, 400);
    }
  }
}

// Compactions tell RocksDB's log what they do, by table and level.
TEST(Secrets, NeverReachTheLogOfACompaction) {
  LedgerInAFolder here([](RocksStoreOptions& o) { o.reap_memory_age_ms = 0; });
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 500; ++i) {
      (void)Value(here->CompleteUnclaimed(
          K("canary-key-" + std::to_string(i), "canary-scope", "canary-token"),
          {.fingerprint = "canary-print", .result = "canary-result", .retention_ms = kSecondMs}));
    }
    here.clock.Advance(kDayMs);
    Must(here.store->Reap());
    here.Reopen();
  }
  here.Close();
  std::string said;
  for (const auto& entry : std::filesystem::directory_iterator(here.folder.path() + "/db")) {
    if (entry.path().filename().string().starts_with("LOG")) said += ReadFile(entry.path());
  }
  EXPECT_NE(said.find("ompact"), std::string::npos) << "nothing was compacted";
  for (const std::string& canary : kCanaries) {
    EXPECT_EQ(said.find(canary), std::string::npos) << canary;
    EXPECT_EQ(said.find(Hex(canary)), std::string::npos) << canary << ", in hexadecimal";
  }
}

}  // namespace
}  // namespace onced
