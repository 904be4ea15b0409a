// SPDX-License-Identifier: MIT
// What onced writes for its operator, on stderr and in RocksDB's log, has no token, no key, no body
// and no fingerprint in it: a run with a canary in every field, and a search for each.
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <string>
#include <vector>

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
  EXPECT_NE(said.find("onced: reload: "), std::string::npos);
  for (const std::string& canary : kCanaries) {
    EXPECT_EQ(said.find(canary), std::string::npos) << canary;
    EXPECT_EQ(said.find(Hex(canary)), std::string::npos) << canary << ", in hexadecimal";
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
