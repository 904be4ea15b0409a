// SPDX-License-Identifier: MIT
// What a RESP port may be sent that is not the usual: the Redis door does as Redis does, up to the
// end of the connection.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/redis.h"
#include "tests/resp_corners.h"

namespace onced {
namespace {

// All that comes back for `bytes` from one who says no more.
std::string AllAnswers(uint16_t port, const std::string& bytes) {
  Client client(port);
  (void)client.Send(bytes);
  client.FinishSending();
  std::string all;
  for (std::string more; !(more = client.ReceiveSome()).empty();) all += more;
  return all + (client.SeesEnd() ? "" : "(no end)");
}

TEST(RedisCorners, AreTakenAsRedisTakesThem) {
  if (!RedisServer::IsInstalled()) GTEST_SKIP() << "no redis-server: install redis-server";
  const RedisServer server;
  const RedisInAFolder here({"--durability", "os"});
  for (const std::string& bytes : RespCorners()) {
    EXPECT_EQ(Shown(AllAnswers(here.port, bytes)), Shown(AllAnswers(server.port(), bytes)))
        << Shown(bytes.substr(0, 200));
  }
}

// What the random commands do not come upon: words that stand beside those that there are.
TEST(RedisCorners, AreAnsweredByNameAsRedisAnswersThem) {
  if (!RedisServer::IsInstalled()) GTEST_SKIP() << "no redis-server: install redis-server";
  const RedisServer server;
  const RedisInAFolder here({"--durability", "os"});
  const std::vector<Words> commands = {
      {"COMMAND", "NOPE"},
      {"COMMAND", "GETKEYS", "get"},
      {"COMMAND", "GETKEYS", "ping"},
      {"COMMAND", "INFO", "nope", "publish"},
      {"CLIENT", "KILL", "TYPE", "nope"},
      {"CLIENT", "KILL", "TYPE", "Replica"},
      {"CLIENT", "KILL", "USER", "nope"},
      {"CLIENT", "LIST", "TYPE", "nope"},
      {"EVAL_RO", "return redis.call('publish', 'a', 'b')", "0"},
      {"EVAL", "#!lua flags=no-writes\nreturn redis.call('publish', 'a', 'b')", "0"},
      {"EVAL", "return redis.call('command', 'nope')", "0"},
  };
  for (const char* protocol : {"2", "3"}) {
    RespClient ours(here.port);
    RespClient theirs(server.port());
    (void)ours.Ask(std::string("HELLO ") + protocol);
    (void)theirs.Ask(std::string("HELLO ") + protocol);
    for (const Words& command : commands) {
      EXPECT_EQ(Shown(ours.Ask(command)), Shown(theirs.Ask(command))) << Shown(Resp(command));
    }
  }
}

// EXPIRETIME of the last millisecond that there is once came back negative: it was rounded by a sum
// that has no room. Found by the random commands, with a seed that was new.
TEST(RedisCorners, TellsTheLastSecondThatThereIs) {
  const RedisInAFolder here({"--durability", "os"});
  RespClient client = here.Connect();
  ASSERT_EQ(client.Ask("SET a 1"), "+OK\r\n");
  ASSERT_EQ(client.Ask("PEXPIREAT a 9223372036854775807"), ":1\r\n");
  EXPECT_EQ(client.Ask("EXPIRETIME a"), ":9223372036854776\r\n");
  EXPECT_EQ(client.Ask("PEXPIREAT a 9223372036854775499"), ":1\r\n");
  EXPECT_EQ(client.Ask("EXPIRETIME a"), ":9223372036854775\r\n");
}

// As a shell does it: printf 'SET a b\r\nGET a\r\n' | nc -N HOST PORT.
TEST(RedisCorners, AreAnsweredAlsoWhenNothingMoreIsSaid) {
  for (const char* mode : {"sync", "os"}) {
    const RedisInAFolder here({"--durability", mode});
    std::string bytes;
    std::string expected;
    for (int i = 0; i < 5'000; ++i) {
      bytes += "SET a " + std::to_string(i) + "\r\nGET a\r\n";
      const std::string n = std::to_string(i);
      expected += "+OK\r\n$" + std::to_string(n.size()) + "\r\n" + n + "\r\n";
    }
    EXPECT_EQ(AllAnswers(here.port, bytes), expected) << mode;
  }
}

// A client that goes away in the middle of anything leaves nothing half done.
TEST(RedisCorners, LeaveNothingWhenCutOff) {
  const RedisInAFolder here({"--durability", "os"});
  const std::string bytes =
      Resp({"MULTI"}) + Resp({"SET", "a", "1"}) + Resp({"SET", "b", "1"}) + Resp({"EXEC"});
  for (size_t size = 1; size < bytes.size(); ++size) {
    Client client(here.port);
    ASSERT_TRUE(client.Send(bytes.substr(0, size)));
    client.HangUp();
  }
  RespClient after = here.Connect();
  EXPECT_EQ(after.Ask("EXISTS a b"), ":0\r\n");
  EXPECT_EQ(after.Ask("PING"), "+PONG\r\n");
}

}  // namespace
}  // namespace onced
