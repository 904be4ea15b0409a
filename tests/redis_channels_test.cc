// SPDX-License-Identifier: MIT
// Channels of the Redis door: who listens is told, as Redis tells it, in order, and nobody else.
#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "tests/redis.h"

namespace onced {
namespace {

const Words kOs = {"--durability", "os"};

std::string Message(const std::string& channel, const std::string& text, char type = '*') {
  std::string message = Resp({"message", channel, text});
  message[0] = type;
  return message;
}

// Everything that comes as the answer to `commands`, up to the echo of a mark behind them.
std::string All(uint16_t port, const std::vector<Words>& commands) {
  RespClient client(port);
  std::string bytes;
  for (const Words& command : commands) bytes += Resp(command);
  bytes += Resp({"RESET"}) + Resp({"ECHO", "the end"});
  EXPECT_TRUE(client.SendBytes(bytes));
  std::string all;
  while (!all.ends_with("$7\r\nthe end\r\n")) {
    const std::string reply = client.Receive();
    if (reply.starts_with("(")) return all + reply;
    all += reply;
  }
  return all;
}

const std::vector<std::vector<Words>>& Alike() {
  static const std::vector<std::vector<Words>> kAlike = {
      {{"SUBSCRIBE", "a", "b"},
       {"PING"},
       {"PING", "x"},
       {"GET", "a"},
       {"CLIENT", "ID"},
       {"NOSUCH"},
       {"GET"},
       {"MULTI"},
       {"SUBSCRIBE"},
       {"SUBSCRIBE", "a"},
       {"UNSUBSCRIBE", "a", "zz"},
       {"UNSUBSCRIBE"},
       {"UNSUBSCRIBE"},
       {"PUNSUBSCRIBE"},
       {"GET", "a"}},
      {{"PSUBSCRIBE", "a*", "b*", "a*"},
       {"SUBSCRIBE", "x"},
       {"PUNSUBSCRIBE", "a*"},
       {"PUNSUBSCRIBE"},
       {"UNSUBSCRIBE"}},
      {{"CLIENT", "REPLY", "OFF"},
       {"SUBSCRIBE", "a", "b"},
       {"GET", "a"},
       {"UNSUBSCRIBE", "a"},
       {"PUNSUBSCRIBE"},
       {"UNSUBSCRIBE"},
       {"ECHO", "not heard"},
       {"CLIENT", "REPLY", "ON"},
       {"CLIENT", "REPLY", "SKIP"},
       {"PSUBSCRIBE", "a*"},
       {"PUNSUBSCRIBE"}},
      {{"SUBSCRIBE", "a"}, {"HELLO", "3"}, {"RESET"}, {"PUBSUB", "CHANNELS"}},
      {{"PUBSUB"},
       {"PUBSUB", "CHANNELS"},
       {"PUBSUB", "CHANNELS", "*"},
       {"PUBSUB", "CHANNELS", "a", "b"},
       {"PUBSUB", "NUMSUB"},
       {"PUBSUB", "NUMSUB", "a", "b"},
       {"PUBSUB", "NUMPAT"},
       {"PUBSUB", "NUMPAT", "x"},
       {"PUBSUB", "FOO"},
       {"PUBLISH", "a"},
       {"PUBLISH", "a", "b"}},
      {{"MULTI"}, {"SUBSCRIBE", "a"}, {"SUBSCRIBE", "b", "c"}, {"EXEC"}, {"UNSUBSCRIBE", "b"}},
      {{"HELLO", "3", "SETNAME", "me"},
       {"SUBSCRIBE", "a"},
       {"PUBLISH", "a", "m"},
       {"PING"},
       {"GET", "k"},
       {"PSUBSCRIBE", "*"},
       {"PUBLISH", "a", "m"},
       {"PUBSUB", "CHANNELS"},
       {"PUBSUB", "NUMSUB", "a"},
       {"PUBSUB", "NUMPAT"},
       {"EVAL", "return redis.call('publish', 'a', 's')", "0"},
       {"EVAL", "return redis.call('subscribe', 'a')", "0"},
       {"UNSUBSCRIBE"},
       {"PUNSUBSCRIBE"},
       {"PUNSUBSCRIBE"}},
  };
  return kAlike;
}

TEST(RedisChannels, AnswerAsRedisDoes) {
  if (!RedisServer::IsInstalled()) GTEST_SKIP() << "no redis-server: install redis-server";
  const RedisServer server;
  const RedisInAFolder here(kOs);
  for (const std::vector<Words>& commands : Alike()) {
    std::string theirs = All(server.port(), commands);
    std::string ours = All(here.port, commands);
    // What HELLO tells of itself, they do not have in common.
    for (std::string* const all : {&theirs, &ours}) {
      const size_t hello = all->find("$6\r\nserver\r\n");
      const size_t end = all->find("$7\r\nmodules\r\n");
      if (hello != std::string::npos) all->erase(hello, end - hello);
    }
    EXPECT_EQ(Shown(ours), Shown(theirs));
  }
}

TEST(RedisChannels, TellWhoListens) {
  const RedisInAFolder here;
  RespClient listener = here.Connect();
  RespClient by_pattern = here.Connect();
  RespClient publisher = here.Connect();
  (void)by_pattern.Ask("HELLO 3");
  EXPECT_EQ(listener.Ask("SUBSCRIBE news"), "*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n");
  EXPECT_EQ(by_pattern.Ask("PSUBSCRIBE n*"), ">3\r\n$10\r\npsubscribe\r\n$2\r\nn*\r\n:1\r\n");
  constexpr int kMessages = 2'000;
  std::string bytes;
  for (int i = 0; i < kMessages; ++i) bytes += Resp({"PUBLISH", "news", std::to_string(i)});
  ASSERT_TRUE(publisher.SendBytes(bytes));
  for (int i = 0; i < kMessages; ++i) {
    const std::string text = std::to_string(i);
    ASSERT_EQ(publisher.Receive(), ":2\r\n");
    ASSERT_EQ(listener.Receive(), Message("news", text));
    std::string expected = Resp({"pmessage", "n*", "news", text});
    expected[0] = '>';
    ASSERT_EQ(by_pattern.Receive(), expected);
  }
  EXPECT_EQ(publisher.Ask("PUBLISH other x"), ":0\r\n");
  EXPECT_EQ(by_pattern.Ask("PING"), "+PONG\r\n");
}

// It was noted twice, for its first message and for the one that was too much. The first note
// closed it, and the second was read from what was freed, where nothing else held on to the
// connection.
TEST(RedisChannels, EndWhoIsSentMoreThanItMayKeep) {
  const RedisInAFolder here(kOs);
  RespClient listener = here.Connect();
  RespClient publisher = here.Connect();
  EXPECT_EQ(listener.Ask("SUBSCRIBE c").substr(0, 2), "*3");
  EXPECT_EQ(publisher.Ask("MULTI"), "+OK\r\n");
  const std::string message(1'000'000, 'x');
  constexpr int kMessages = 36;
  for (int i = 0; i < kMessages; ++i) {
    ASSERT_EQ(publisher.Ask({"PUBLISH", "c", message}), "+QUEUED\r\n");
  }
  const std::string told = publisher.Ask("EXEC");
  EXPECT_EQ(told.substr(0, 9), "*36\r\n:1\r\n") << told.substr(0, 100);
  EXPECT_TRUE(Eventually([&] { return publisher.Ask("PUBLISH c x") == ":0\r\n"; }));
}

// As Redis 7.2 has it: RESP3 knows no message within another reply.
TEST(RedisChannels, TellThemselvesBeforeWhatTheyAreAnswered) {
  const RedisInAFolder here(kOs);
  RespClient client = here.Connect();
  (void)client.Ask("HELLO 3");
  (void)client.Ask("SUBSCRIBE a");
  EXPECT_EQ(client.Ask("MULTI"), "+OK\r\n");
  EXPECT_EQ(client.Ask("PUBLISH a 1"), "+QUEUED\r\n");
  EXPECT_EQ(client.Ask("PUBLISH a 2"), "+QUEUED\r\n");
  EXPECT_EQ(client.Ask("EXEC"), Message("a", "1", '>'));
  EXPECT_EQ(client.Receive(), Message("a", "2", '>'));
  EXPECT_EQ(client.Receive(), "*2\r\n:1\r\n:1\r\n");
}

TEST(RedisChannels, OfATenantAreItsOwn) {
  const GuardedRedis guarded;
  RespClient shop = guarded.here.Connect();
  RespClient bank = guarded.here.Connect();
  EXPECT_EQ(shop.Ask("SUBSCRIBE a"), "-NOAUTH Authentication required.\r\n");
  EXPECT_EQ(shop.Ask(Words{"AUTH", "shop-1"}), "+OK\r\n");
  EXPECT_EQ(bank.Ask(Words{"AUTH", "bank"}), "+OK\r\n");
  (void)shop.Ask("SUBSCRIBE a");
  EXPECT_EQ(bank.Ask("PUBLISH a x"), ":0\r\n");
  EXPECT_EQ(bank.Ask("PUBSUB CHANNELS"), "*0\r\n");
  EXPECT_EQ(bank.Ask("PUBSUB NUMSUB a"), "*2\r\n$1\r\na\r\n:0\r\n");
}

TEST(RedisChannels, AreLeftAtTheEnd) {
  const RedisInAFolder here(kOs);
  RespClient publisher = here.Connect();
  {
    RespClient listener = here.Connect();
    (void)listener.Ask("SUBSCRIBE a b");
    (void)listener.Ask("PSUBSCRIBE *");
    EXPECT_EQ(publisher.Ask("PUBLISH a x"), ":2\r\n");
    listener.HangUp();
  }
  EXPECT_TRUE(Eventually([&] { return publisher.Ask("PUBSUB CHANNELS") == "*0\r\n"; }));
  EXPECT_EQ(publisher.Ask("PUBSUB NUMPAT"), ":0\r\n");
  EXPECT_EQ(publisher.Ask("PUBLISH a x"), ":0\r\n");
}

TEST(RedisChannels, KillWhoIsKilled) {
  const RedisInAFolder here(kOs);
  RespClient listener = here.Connect();
  RespClient other = here.Connect();
  (void)listener.Ask("SUBSCRIBE a");
  EXPECT_EQ(other.Ask("CLIENT KILL TYPE pubsub"), ":1\r\n");
  EXPECT_TRUE(listener.SeesEnd());
  EXPECT_EQ(other.Ask("PUBLISH a x"), ":0\r\n");
}

// Its messages would fill the memory.
TEST(RedisChannels, CutOffWhoDoesNotRead) {
  const RedisInAFolder here(kOs);
  RespClient listener = here.Connect();
  RespClient publisher = here.Connect();
  (void)listener.Ask("SUBSCRIBE a");
  const std::string large(1'000'000, 'x');
  int delivered = 0;
  while (delivered < 500 && publisher.Ask({"PUBLISH", "a", large}) == ":1\r\n") ++delivered;
  EXPECT_GE(delivered, 30) << "it may be slow";
  EXPECT_LT(delivered, 100) << "but not for ever";
  EXPECT_EQ(publisher.Ask("PING"), "+PONG\r\n");
}

// A star in a pattern once cost a frame of the stack for each character of what it was matched
// with: one client could end the program for all.
TEST(RedisChannels, MatchPatternsOfAnyLength) {
  const RedisInAFolder here(kOs);
  RespClient listener = here.Connect();
  RespClient publisher = here.Connect();
  std::string stars;
  for (int i = 0; i < 300'000; ++i) stars += "*a";
  (void)listener.Ask({"PSUBSCRIBE", stars + "b"});
  (void)listener.Ask({"PSUBSCRIBE", stars});
  EXPECT_EQ(publisher.Ask({"PUBLISH", std::string(300'000, 'a'), "x"}), ":1\r\n");
  EXPECT_EQ(publisher.Ask("PING"), "+PONG\r\n");
}

// While a script keeps others waiting: what it tells is not ahead of what it writes.
TEST(RedisChannels, WaitForTheScriptThatTells) {
  const RedisInAFolder here(kOs);
  RespClient listener = here.Connect();
  RespClient client = here.Connect();
  EXPECT_EQ(client.Ask("CONFIG SET busy-reply-threshold 0"), "+OK\r\n");
  (void)listener.Ask("SUBSCRIBE a");
  ASSERT_TRUE(client.Send({"EVAL",
                           "redis.call('publish', 'a', 'told') redis.call('set', 'k', 'v') "
                           "for i = 1, 3e7 do end return 'done'",
                           "0"}));
  EXPECT_EQ(listener.Receive(), Message("a", "told"));
  EXPECT_EQ(here.Connect().Ask("GET k"), "$1\r\nv\r\n");
  EXPECT_EQ(client.Receive(), "$4\r\ndone\r\n");
}

}  // namespace
}  // namespace onced
