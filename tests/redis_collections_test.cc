// SPDX-License-Identifier: MIT
// Collections at the Redis door, as far as it is not Redis' to say: how large they may become, and
// what is drawn by lot. What commands answer is compared with Redis itself
// (redis_differential_test.cc).
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string>
#include <vector>

#include "tests/redis.h"

namespace onced {
namespace {

constexpr size_t kMax = 1'048'576;

std::string Numbered(size_t i) { return "m" + std::to_string(100'000 + i); }

// The bulk strings of a reply that holds nothing else.
Words Bulks(const std::string& reply) {
  Words bulks;
  size_t at = reply[0] == '$' ? 0 : reply.find("\r\n") + 2;
  while (at < reply.size()) {
    const size_t line = reply.find("\r\n", at);
    const auto size = static_cast<size_t>(std::atoi(reply.c_str() + at + 1));
    bulks.push_back(reply.substr(line + 2, size));
    at = line + 4 + size;
  }
  return bulks;
}

TEST(RedisCollections, AreAtMostAMebibyte) {
  const RedisInAFolder here({"--durability", "os"});
  RespClient client = here.Connect();
  const std::string most(kMax - 4 - 3, 'x');
  EXPECT_EQ(client.Ask({"SADD", "s", most}), ":1\r\n");
  EXPECT_EQ(client.Ask({"RPUSH", "l", most}), ":1\r\n");
  EXPECT_EQ(client.Ask({"HSET", "h", "", most.substr(1)}), ":1\r\n");
  EXPECT_EQ(client.Ask({"ZADD", "z", "1", most.substr(8)}), ":1\r\n");
  const std::string one_more =
      "-ERR the value would be 1048577 bytes long, a collection is at most "
      "1048576 bytes\r\n";
  const Words too_much[] = {{"SADD", "s", ""}, {"LPUSH", "l", ""}};
  for (const Words& words : too_much) EXPECT_EQ(client.Ask(words), one_more) << words[0];
  const Words other[] = {{"HSET", "h", "a", "b"},        {"HSETNX", "h", "a", "b"},
                         {"HINCRBY", "h", "a", "1"},     {"HINCRBYFLOAT", "h", "a", "1"},
                         {"HSET", "h", "", most + "x"},  {"ZADD", "z", "1", "a"},
                         {"ZINCRBY", "z", "1", "a"},     {"RPUSH", "l", "a", "b"},
                         {"LSET", "l", "0", most + "x"}, {"LINSERT", "l", "BEFORE", most, "a"},
                         {"SADD", "none", most + "x"}};
  for (const Words& words : other) {
    EXPECT_NE(client.Ask(words).find("a collection is at most 1048576 bytes\r\n"),
              std::string::npos)
        << words[0];
  }
  EXPECT_EQ(client.Ask("SCARD s"), ":1\r\n");
  EXPECT_EQ(client.Ask("LLEN l"), ":1\r\n");
  EXPECT_EQ(client.Ask("HSTRLEN h ''"), ":" + std::to_string(most.size() - 1) + "\r\n");
  EXPECT_EQ(client.Ask("ZCARD z"), ":1\r\n");
  EXPECT_EQ(client.Ask("EXISTS none"), ":0\r\n");
}

TEST(RedisCollections, KeepTheirTimeOfDeath) {
  const RedisInAFolder here;
  RespClient client = here.Connect();
  EXPECT_EQ(client.Ask("HSET h a 1 b 2"), ":2\r\n");
  EXPECT_EQ(client.Ask("SADD s a b c d"), ":4\r\n");
  EXPECT_EQ(client.Ask("ZADD z 1 a 2 b 3 c 4 d 5 e"), ":5\r\n");
  EXPECT_EQ(client.Ask("RPUSH l a b c d e f"), ":6\r\n");
  for (const char* key : {"h", "s", "z", "l"}) {
    EXPECT_EQ(client.Ask({"PEXPIREAT", key, "4102444800123"}), ":1\r\n");
  }
  for (const char* change : {"HSET h a 2 c 3",
                             "HSETNX h d 1",
                             "HINCRBY h a 1",
                             "HINCRBYFLOAT h a 1",
                             "HDEL h d",
                             "SADD s e",
                             "SREM s a",
                             "SPOP s",
                             "SPOP s 1",
                             "ZADD z 9 a",
                             "ZINCRBY z 1 a",
                             "ZREM z b",
                             "ZREMRANGEBYSCORE z 3 3",
                             "ZREMRANGEBYRANK z 0 0",
                             "LPUSH l x",
                             "RPUSHX l y",
                             "LPOP l",
                             "RPOP l 1",
                             "LSET l 0 q",
                             "LINSERT l AFTER q r",
                             "LREM l 1 r",
                             "LTRIM l 0 2"}) {
    EXPECT_FALSE(client.Ask(std::string(change)).starts_with('-')) << change;
  }
  for (const char* key : {"h", "s", "z", "l"}) {
    EXPECT_EQ(client.Ask(Words{"PEXPIRETIME", key}), ":4102444800123\r\n") << key;
  }
}

TEST(RedisCollections, AreGoneWhenTheyAreEmpty) {
  const RedisInAFolder here;
  RespClient client = here.Connect();
  const std::pair<const char*, const char*> cases[] = {
      {"HSET k a 1", "HDEL k a"},    {"SADD k a", "SREM k a"},
      {"SADD k a", "SPOP k"},        {"SADD k a b", "SPOP k 5"},
      {"ZADD k 1 a", "ZREM k a"},    {"ZADD k 1 a", "ZREMRANGEBYSCORE k -inf inf"},
      {"RPUSH k a", "LPOP k"},       {"ZADD k 1 a", "ZREMRANGEBYRANK k 0 -1"},
      {"RPUSH k a b", "RPOP k 2"},   {"RPUSH k a", "LTRIM k 1 0"},
      {"RPUSH k a a", "LREM k 0 a"},
  };
  for (const auto& [make, empty] : cases) {
    EXPECT_TRUE(client.Ask(std::string(make)).starts_with(':')) << make;
    (void)client.Ask(std::string(empty));
    EXPECT_EQ(client.Ask("EXISTS k"), ":0\r\n") << empty;
  }
}

// A command with as many members as the set it asks has no time to look for each by itself.
TEST(RedisCollections, FindManyAmongManyInOneWalk) {
  const RedisInAFolder here({"--durability", "os"});
  RespClient client = here.Connect();
  constexpr size_t kMany = 120'000;
  const auto with_all = [](Words words, const char* before) {
    for (size_t i = kMany; i > 0; --i) {
      if (before != nullptr) words.emplace_back(before);
      words.push_back(Numbered(i));
    }
    return words;
  };
  const std::string all = ":" + std::to_string(kMany) + "\r\n";
  EXPECT_EQ(client.Ask(with_all({"SADD", "s"}, nullptr)), all);
  EXPECT_EQ(client.Ask(with_all({"SADD", "s"}, nullptr)), ":0\r\n");
  EXPECT_EQ(ReplySize(client.Ask(with_all({"SMISMEMBER", "s"}, nullptr))), 9 + 4 * kMany);
  EXPECT_EQ(client.Ask(with_all({"SREM", "s"}, nullptr)), all);
  const std::string half = ":" + std::to_string(kMany / 2) + "\r\n";
  const auto with_half = [&](Words words) {
    for (size_t i = 0; i < kMany / 2; ++i) words.insert(words.end(), {"1", Numbered(i)});
    return words;
  };
  EXPECT_EQ(client.Ask(with_half({"ZADD", "z"})), half);
  EXPECT_EQ(client.Ask(with_half({"ZADD", "z", "CH"})), ":0\r\n");
}

TEST(RedisCollections, DrawByLot) {
  const RedisInAFolder here({"--durability", "os"});
  RespClient client = here.Connect();
  Words all;
  for (size_t i = 0; i < 10; ++i) all.push_back(Numbered(i));
  const auto add_all = [&] {
    Words words = {"SADD", "s"};
    words.insert(words.end(), all.begin(), all.end());
    return client.Ask(words);
  };
  EXPECT_EQ(add_all(), ":10\r\n");
  std::set<std::string> alone, of_three, of_many, popped;
  for (int i = 0; i < 300; ++i) {
    for (const std::string& one : Bulks(client.Ask("SRANDMEMBER s"))) alone.insert(one);
    const Words three = Bulks(client.Ask("SRANDMEMBER s 3"));
    EXPECT_EQ(three.size(), 3u);
    EXPECT_EQ(std::set<std::string>(three.begin(), three.end()).size(), 3u);
    of_three.insert(three.begin(), three.end());
    const Words taken = Bulks(client.Ask("SPOP s 2"));
    EXPECT_EQ(taken.size(), 2u);
    EXPECT_EQ(client.Ask("SCARD s"), ":8\r\n");
    popped.insert(taken.begin(), taken.end());
    EXPECT_EQ(add_all(), ":2\r\n");
  }
  const Words many = Bulks(client.Ask("SRANDMEMBER s -300"));
  EXPECT_EQ(many.size(), 300u);
  of_many.insert(many.begin(), many.end());
  const std::set<std::string> expected(all.begin(), all.end());
  for (const auto& drawn : {alone, of_three, of_many, popped}) EXPECT_EQ(drawn, expected);
  EXPECT_EQ(Bulks(client.Ask("SRANDMEMBER s 99")).size(), 10u);
  EXPECT_EQ(client.Ask("SRANDMEMBER s -9000000000000000000"),
            "-ERR value is out of range, the reply would be too long\r\n");
  EXPECT_EQ(Bulks(client.Ask("SPOP s 99")).size(), 10u);
  EXPECT_EQ(client.Ask("EXISTS s"), ":0\r\n");
}

TEST(RedisCollections, AreToldByTheirType) {
  const RedisInAFolder here;
  RespClient client = here.Connect();
  EXPECT_EQ(client.Ask("HSET h a 1"), ":1\r\n");
  EXPECT_EQ(client.Ask("ZADD z 1 a"), ":1\r\n");
  EXPECT_EQ(client.Ask("RPUSH l a"), ":1\r\n");
  EXPECT_EQ(client.Ask("SADD s a"), ":1\r\n");
  EXPECT_EQ(client.Ask("SCAN 0 COUNT 100 TYPE zset"), "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nz\r\n");
  EXPECT_EQ(client.Ask("TYPE l"), "+list\r\n");
  EXPECT_TRUE(client.Ask("MEMORY USAGE h").starts_with(':'));
  EXPECT_EQ(client.Ask("COPY s s2"), ":1\r\n");
  EXPECT_EQ(client.Ask("SMEMBERS s2"), "*1\r\n$1\r\na\r\n");
  // Of Redis 8.4 and Valkey 9: the oracle does not know them.
  for (const char* newer : {"DIGEST h", "DELIFEQ z 1", "DELEX l IFEQ 1", "SET s 1 IFEQ 1"}) {
    EXPECT_TRUE(client.Ask(std::string(newer)).starts_with("-WRONGTYPE ")) << newer;
  }
}

// However often it is written anew: what counts is what is to be kept.
TEST(RedisCollections, MayChangeOftenInOneScript) {
  const RedisInAFolder here({"--durability", "os"});
  RespClient client = here.Connect();
  EXPECT_EQ(client.Ask({"HSET", "h", "large", std::string(1'000'000, 'x')}), ":1\r\n");
  const std::string script =
      "for i = 1, 200 do redis.call('hset', 'h', 'n', i) end return redis.call('hlen', 'h')";
  EXPECT_EQ(client.Ask({"EVAL", script, "0"}), ":2\r\n");
  EXPECT_EQ(client.Ask("HGET h n"), "$3\r\n200\r\n");
}

// What a change answers is there when the program is killed.
TEST(RedisCollections, OutliveACrash) {
  RedisInAFolder here;
  RespClient client = here.Connect();
  EXPECT_EQ(client.Ask("ZADD z 2 b 1 a"), ":2\r\n");
  EXPECT_EQ(client.Ask("HSET h a 1 b 2"), ":2\r\n");
  here.Crash();
  RespClient again = here.Connect();
  EXPECT_EQ(again.Ask("ZRANGE z 0 -1"), "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
  EXPECT_EQ(again.Ask("HMGET h b a"), "*2\r\n$1\r\n2\r\n$1\r\n1\r\n");
}

}  // namespace
}  // namespace onced
