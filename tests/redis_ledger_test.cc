// SPDX-License-Identifier: MIT
// The ledger of the API at the Redis door: the same keys, whichever door one comes by.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/redis.h"

namespace onced {
namespace {

std::string Outcome(const std::string& reply) { return FieldOf(reply, "outcome"); }

TEST(RedisLedger, ClaimsCompletesAndReplays) {
  const RedisInAFolder here({"--durability", "os"});
  RespClient client = here.Connect();
  EXPECT_EQ(client.Ask("ONCED.GET order-1"), "$-1\r\n");
  const std::string claimed = client.Ask("ONCED.CLAIM order-1 FINGERPRINT v1 LEASE 60000");
  EXPECT_EQ(Outcome(claimed), "claimed");
  const std::string fence = FieldOf(claimed, "fence");
  EXPECT_EQ(Outcome(client.Ask("onced.claim order-1 fingerprint v1")), "in_flight");
  EXPECT_EQ(Outcome(client.Ask("ONCED.CLAIM order-1 FINGERPRINT v2")), "conflict");
  EXPECT_EQ(FieldOf(client.Ask("ONCED.GET order-1"), "state"), "in_flight");
  EXPECT_EQ(Outcome(client.Ask("ONCED.RENEW order-1 " + fence + " LEASE 90000")), "renewed");
  EXPECT_EQ(Outcome(client.Ask("ONCED.COMPLETE order-1 1 {}")), "stale");
  EXPECT_EQ(Outcome(client.Ask({"ONCED.COMPLETE", "order-1", fence, R"({"paid":true})"})),
            "completed");
  const std::string again = client.Ask("ONCED.CLAIM order-1 FINGERPRINT v1");
  EXPECT_EQ(Outcome(again), "replay");
  EXPECT_EQ(FieldOf(again, "result"), R"({"paid":true})");
  EXPECT_EQ(Outcome(client.Ask("ONCED.RELEASE nokey 7")), "stale");
}

TEST(RedisLedger, IsTheOneOfTheApi) {
  const RedisInAFolder here({"--durability", "os"});
  RespClient client = here.Connect();
  const std::string fence = FieldOf(client.Ask("ONCED.CLAIM k SCOPE s"), "fence");
  const HttpAnswer completed =
      here.program->Ask("POST", "/v1/complete",
                        R"({"scope":"s","key":"k","fence":")" + fence + R"(","result":[1,2]})");
  EXPECT_EQ(completed.status, 200) << completed.body;
  EXPECT_EQ(FieldOf(client.Ask("ONCED.GET k SCOPE s"), "result"), "[1,2]");
  EXPECT_EQ(client.Ask("ONCED.GET k"), "$-1\r\n") << "another scope";
  const HttpAnswer claimed = here.program->Ask("POST", "/v1/claim", R"({"key":"by-http"})");
  EXPECT_EQ(claimed.status, 201);
  EXPECT_EQ(Outcome(client.Ask("ONCED.CLAIM by-http")), "in_flight");
  // Keys that were set are none of the ledger's, and the other way round.
  EXPECT_EQ(client.Ask("EXISTS by-http"), ":0\r\n");
}

TEST(RedisLedger, TellsInMapsOfResp3) {
  const RedisInAFolder here({"--durability", "os"});
  RespClient client = here.Connect();
  (void)client.Ask("HELLO 3");
  EXPECT_TRUE(client.Ask("ONCED.CLAIM k").starts_with("%4\r\n$7\r\noutcome\r\n$7\r\nclaimed\r\n"));
  EXPECT_EQ(client.Ask("ONCED.GET other"), "_\r\n");
}

// In the order in which they were sent, among commands of every kind.
TEST(RedisLedger, KeepsItsPlaceInAPipeline) {
  const RedisInAFolder here;
  RespClient client = here.Connect();
  RespClient other = here.Connect();
  std::string bytes;
  constexpr int kTimes = 100;
  for (int i = 0; i < kTimes; ++i) {
    const std::string n = std::to_string(i);
    bytes += Resp({"SET", "k", n}) + Resp({"ONCED.CLAIM", "k" + n}) +
             Resp({"ONCED.CLAIM", "k" + n}) + Resp({"GET", "k"});
  }
  ASSERT_TRUE(client.SendBytes(bytes));
  for (int i = 0; i < kTimes; ++i) {
    const std::string n = std::to_string(i);
    ASSERT_EQ(client.Receive(), "+OK\r\n");
    ASSERT_EQ(Outcome(client.Receive()), "claimed");
    ASSERT_EQ(Outcome(client.Receive()), "in_flight");
    ASSERT_EQ(client.Receive(), "$" + std::to_string(n.size()) + "\r\n" + n + "\r\n");
    ASSERT_EQ(Outcome(other.Ask("ONCED.CLAIM o" + n)), "claimed");
  }
}

TEST(RedisLedger, StaysOutOfTransactionsAndScripts) {
  const RedisInAFolder here({"--durability", "os"});
  RespClient client = here.Connect();
  EXPECT_EQ(client.Ask("MULTI"), "+OK\r\n");
  EXPECT_EQ(client.Ask("ONCED.CLAIM k"), "-ERR Command not allowed inside a transaction\r\n");
  EXPECT_TRUE(client.Ask("EXEC").starts_with("-EXECABORT"));
  EXPECT_TRUE(client.Ask({"EVAL", "return redis.call('onced.claim', 'k')", "0"})
                  .starts_with("-ERR This Redis command is not allowed from script"));
  EXPECT_EQ(client.Ask("ONCED.GET k"), "$-1\r\n");
}

struct Mistake {
  const char* words;
  const char* answer;
};

TEST(RedisLedger, NamesWhatIsWrong) {
  const RedisInAFolder here({"--durability", "os"});
  RespClient client = here.Connect();
  constexpr Mistake kMistakes[] = {
      {"ONCED.CLAIM", "-ERR wrong number of arguments for 'onced.claim' command\r\n"},
      {"ONCED.CLAIM \"\"", "-ERR key: "},
      {"ONCED.CLAIM k SCOPE \"\"", "-ERR scope: "},
      {"ONCED.CLAIM k SCOPE gw:a", "-ERR scope: "},
      {"ONCED.CLAIM k LEASE", "-ERR syntax error\r\n"},
      {"ONCED.CLAIM k LEASE 1", "-ERR lease_ms: "},
      {"ONCED.CLAIM k LEASE x", "-ERR value is not an integer or out of range\r\n"},
      {"ONCED.CLAIM k RETENTION 1", "-ERR retention_ms: "},
      {"ONCED.CLAIM k LEASE 1000 LEASE 1000", "-ERR syntax error\r\n"},
      {"ONCED.CLAIM k ONLAPSE never", "-ERR onlapse: "},
      {"ONCED.CLAIM k TTL 5", "-ERR syntax error\r\n"},
      {"ONCED.COMPLETE k 1 {", "-ERR result: "},
      {"ONCED.COMPLETE k 1 nonsense", "-ERR result: "},
      {"ONCED.COMPLETE k -1 {}", "-ERR fence: "},
      {"ONCED.COMPLETE k \"\" {}", "-ERR fence: "},
      {"ONCED.COMPLETE k 1 {} SCOPE gw:a", "-ERR scope: "},
      {"ONCED.RENEW k 99999999999999999999", "-ERR fence: "},
      {"ONCED.RELEASE k", "-ERR wrong number of arguments for 'onced.release' command\r\n"},
  };
  for (const Mistake& mistake : kMistakes) {
    const std::string answer = client.Ask(std::string(mistake.words));
    EXPECT_TRUE(answer.starts_with(mistake.answer)) << mistake.words << ": " << answer;
    EXPECT_EQ(client.Ask("ONCED.GET k"), "$-1\r\n") << mistake.words;
  }
}

TEST(RedisLedger, OfATenantIsItsOwnAndKeepsItsLimit) {
  const TempFolder folder;
  const RedisInAFolder here(
      {"--durability", "os", "--tokens",
       PutTokens(folder, Tenant("shop", Role::kApp, {"shop"}, "keys_max = 2") +
                             Tenant("bank", Role::kApp, {"bank"}))});
  RespClient shop = here.Connect();
  RespClient bank = here.Connect();
  EXPECT_EQ(shop.Ask("ONCED.CLAIM a"), "-NOAUTH Authentication required.\r\n");
  EXPECT_EQ(shop.Ask(Words{"AUTH", "shop"}), "+OK\r\n");
  EXPECT_EQ(bank.Ask(Words{"AUTH", "bank"}), "+OK\r\n");
  const std::string claimed = shop.Ask("ONCED.CLAIM a");
  EXPECT_EQ(Outcome(claimed), "claimed");
  EXPECT_EQ(bank.Ask("ONCED.GET a"), "$-1\r\n");
  EXPECT_EQ(Outcome(bank.Ask("ONCED.CLAIM a")), "claimed");
  EXPECT_EQ(Outcome(shop.Ask("ONCED.CLAIM b")), "claimed");
  EXPECT_TRUE(shop.Ask("ONCED.CLAIM c").starts_with("-ERR this tenant has as many live keys"));
  EXPECT_EQ(Outcome(shop.Ask("ONCED.CLAIM a")), "in_flight") << "what is there is not refused";
  EXPECT_EQ(Outcome(shop.Ask("ONCED.RELEASE a " + FieldOf(claimed, "fence"))), "released");
  EXPECT_EQ(Outcome(shop.Ask("ONCED.CLAIM c")), "claimed");
}

}  // namespace
}  // namespace onced
