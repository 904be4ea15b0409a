// SPDX-License-Identifier: MIT
// Bytes under a key that are no collection, as a fault of the disk or of a program might leave
// them: every command says so and changes nothing, and the key can be deleted.
//
// The interpreter and the store are the real ones, in this process; there is no socket.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "server/redis/interpreter.h"
#include "tests/fixtures.h"

namespace onced {
namespace {

using Words = std::vector<std::string>;

class DamagedCollection : public testing::Test {
 protected:
  DamagedCollection()
      : keyspace_(here_.store->NewKeyspace()), redis_({.keyspace = keyspace_.get()}) {
    redis_.Enter(&session_);
  }
  ~DamagedCollection() override { redis_.Leave(&session_); }

  std::string Ask(const Words& words) {
    session_.out.clear();
    redis_.Execute(&session_, std::vector<std::string_view>(words.begin(), words.end()));
    return session_.out;
  }

  LedgerInAFolder here_;
  const std::unique_ptr<Keyspace> keyspace_;
  redis::Interpreter redis_;
  redis::Session session_;
};

TEST_F(DamagedCollection, IsSaidToBeDamaged) {
  const std::pair<ValueType, std::vector<Words>> cases[] = {
      {ValueType::kHash,
       {{"HSET", "k", "a", "1"},
        {"HSETNX", "k", "a", "1"},
        {"HINCRBY", "k", "a", "1"},
        {"HINCRBYFLOAT", "k", "a", "1"},
        {"HDEL", "k", "a"},
        {"HGET", "k", "a"},
        {"HMGET", "k", "a"},
        {"HGETALL", "k"},
        {"HLEN", "k"},
        {"HSCAN", "k", "0"}}},
      {ValueType::kSet,
       {{"SADD", "k", "a"},
        {"SREM", "k", "a"},
        {"SPOP", "k"},
        {"SRANDMEMBER", "k", "-2"},
        {"SISMEMBER", "k", "a"},
        {"SMEMBERS", "k"},
        {"SSCAN", "k", "0"}}},
      {ValueType::kSortedSet,
       {{"ZADD", "k", "1", "a"},
        {"ZREM", "k", "a"},
        {"ZREMRANGEBYRANK", "k", "0", "-1"},
        {"ZSCORE", "k", "a"},
        {"ZRANK", "k", "a"},
        {"ZCOUNT", "k", "0", "1"},
        {"ZRANGE", "k", "0", "-1"},
        {"ZREVRANGEBYSCORE", "k", "1", "0"}}},
      {ValueType::kList,
       {{"LPUSH", "k", "a"},
        {"RPOP", "k"},
        {"LRANGE", "k", "0", "-1"},
        {"LTRIM", "k", "0", "1"},
        {"LSET", "k", "0", "a"},
        {"LREM", "k", "0", "a"},
        {"LINSERT", "k", "BEFORE", "a", "b"},
        {"LINDEX", "k", "0"}}},
  };
  const std::string damages[] = {"", std::string("\0\0\0\0", 4), std::string("\5\0\0\0\1a", 6),
                                 std::string("\xff\xff\xff\xff\xff\xff\xff", 7),
                                 std::string("\1\0\0\0\1abcdefghijklm", 18)};
  for (const auto& [type, commands] : cases) {
    for (const std::string& damage : damages) {
      redis_.data().Put(session_.db, "k", type, kNeverMs, damage);
      for (const Words& words : commands) {
        EXPECT_EQ(Ask(words), "-ERR the collection that is kept under this key is damaged\r\n")
            << words[0];
      }
      const Entry* const entry = redis_.data().Load(session_.db, "k");
      ASSERT_NE(entry, nullptr);
      EXPECT_EQ(entry->bytes, damage);
      EXPECT_EQ(Ask({"DEL", "k"}), ":1\r\n");
    }
  }
}

}  // namespace
}  // namespace onced
