// SPDX-License-Identifier: MIT
// The Redis door of the real program: who may come in, what transactions promise, what a crash
// leaves, and what is not Redis' to say. What commands answer is compared with Redis itself
// (redis_differential_test.cc).
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/redis.h"

namespace onced {
namespace {

TEST(RedisDoor, IsClosedUnlessAsked) {
  const TempFolder folder;
  const Program program(folder.path());
  EXPECT_EQ(program.Said().find("redis"), std::string::npos);
}

TEST(RedisDoor, AnswersInTheOrderOfAPipeline) {
  const RedisInAFolder here;
  RespClient client = here.Connect();
  std::string bytes;
  for (int i = 0; i < 5'000; ++i) {
    bytes += Resp({"SET", "k" + std::to_string(i % 7), std::to_string(i)});
    bytes += Resp({"GET", "k" + std::to_string(i % 7)});
  }
  std::thread sender([&] { EXPECT_TRUE(client.SendBytes(bytes)); });
  sender.join();
  for (int i = 0; i < 5'000; ++i) {
    const std::string value = std::to_string(i);
    ASSERT_EQ(client.Receive(), "+OK\r\n");
    ASSERT_EQ(client.Receive(), "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n");
  }
}

// More than a socket holds, to a client that reads it only when all is sent.
TEST(RedisDoor, GoesOnWhenASlowClientReads) {
  const RedisInAFolder here({"--durability", "os"});
  RespClient client = here.Connect();
  const std::string large(1'000'000, 'x');
  EXPECT_EQ(client.Ask({"SET", "large", large}), "+OK\r\n");
  constexpr int kTimes = 40;
  for (int i = 0; i < kTimes; ++i) ASSERT_TRUE(client.Send({"GET", "large"}));
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // real time: the sockets fill
  RespClient other = here.Connect();
  EXPECT_EQ(other.Ask("PING"), "+PONG\r\n");
  for (int i = 0; i < kTimes; ++i) {
    ASSERT_EQ(client.Receive(), "$1000000\r\n" + large + "\r\n") << i;
  }
}

TEST(RedisDoor, RefusesAPortInUse) {
  const RedisInAFolder here;
  const TempFolder folder;
  const Ended second = Program::Run({"serve", "--http", "127.0.0.1:0", "--data", folder.path("d"),
                                     "--redis", "127.0.0.1:" + std::to_string(here.port)});
  EXPECT_EQ(second.code, 4);
  EXPECT_NE(second.err.find(std::to_string(here.port)), std::string::npos) << second.err;
  EXPECT_NE(second.err.find("choose another with --redis"), std::string::npos) << second.err;
  EXPECT_FALSE(std::filesystem::exists(folder.path("d")));
}

TEST(RedisDoor, HangsUpOnABrowser) {
  const RedisInAFolder here;
  for (const char* request :
       {"POST / HTTP/1.1\r\nHost: a\r\n\r\nSET a b\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"}) {
    Client client(here.port);
    ASSERT_TRUE(client.Send(request));
    std::string seen;
    for (std::string more; !(more = client.ReceiveSome()).empty();) seen += more;
    EXPECT_EQ(seen.find("+OK"), std::string::npos) << seen;
  }
  EXPECT_EQ(here.Connect().Ask("DBSIZE"), ":0\r\n");
}

TEST(RedisDoor, ClaimsFetchesAndFinishesInRedisOwnWords) {
  const RedisInAFolder here;
  RespClient client = here.Connect();
  EXPECT_EQ(client.Ask("SET pay:1 token-a NX GET PX 60000"), "$-1\r\n") << "claimed";
  EXPECT_EQ(client.Ask("SET pay:1 token-b NX GET PX 60000"), "$7\r\ntoken-a\r\n") << "in flight";
  EXPECT_EQ(client.Ask("SET pay:1 done IFEQ token-b PX 60000"), "$-1\r\n") << "not the owner";
  EXPECT_EQ(client.Ask("DELIFEQ pay:1 token-b"), ":0\r\n");
  EXPECT_EQ(client.Ask("SET pay:1 done IFEQ token-a PX 60000"), "+OK\r\n");
  EXPECT_EQ(client.Ask("SET pay:1 token-c NX GET PX 60000"), "$4\r\ndone\r\n") << "the result";
  EXPECT_EQ(client.Ask("DELIFEQ pay:1 done"), ":1\r\n");
  EXPECT_EQ(client.Ask("GET pay:1"), "$-1\r\n");
}

// Redis 8.4 and Valkey 9; the oracle is older. The digests are the documentation's.
TEST(RedisDoor, ComparesByValueAndByDigest) {
  const RedisInAFolder here;
  RespClient client = here.Connect();
  EXPECT_EQ(client.Ask("SET a 'Hello world'"), "+OK\r\n");
  EXPECT_EQ(client.Ask("DIGEST a"), "$16\r\nb6acb9d84a38ff74\r\n");
  EXPECT_EQ(client.Ask("DIGEST none"), "$-1\r\n");
  EXPECT_EQ(client.Ask("SET a x IFDNE b6acb9d84a38ff74"), "$-1\r\n");
  EXPECT_EQ(client.Ask("SET a hello IFDEQ B6ACB9D84A38FF74 GET"), "$11\r\nHello world\r\n");
  EXPECT_EQ(client.Ask("DIGEST a"), "$16\r\n9555e8555c62dcfd\r\n");
  EXPECT_EQ(client.Ask("SET b x IFEQ y"), "$-1\r\n") << "not made";
  EXPECT_EQ(client.Ask("SET b x IFNE y"), "+OK\r\n") << "made";
  EXPECT_EQ(client.Ask("DELEX b IFNE x"), ":0\r\n");
  EXPECT_EQ(client.Ask("DELEX b IFEQ x"), ":1\r\n");
  EXPECT_EQ(client.Ask("DELEX b"), ":0\r\n");
  EXPECT_EQ(client.Ask("MSETEX 2 c 1 d 2 NX EX 100"), ":1\r\n");
  EXPECT_EQ(client.Ask("MSETEX 2 c 3 e 4 NX EX 100"), ":0\r\n");
  EXPECT_EQ(client.Ask("MGET c d e"), "*3\r\n$1\r\n1\r\n$1\r\n2\r\n$-1\r\n");
  EXPECT_EQ(client.Ask("COMMAND GETKEYS MSETEX 2 c 3 e 4 NX"), "*2\r\n$1\r\nc\r\n$1\r\ne\r\n");
  EXPECT_EQ(client.Ask("SET a 1 IFEQ 2 NX"), "-ERR syntax error\r\n");
}

TEST(RedisDoor, WatchesAcrossConnections) {
  const RedisInAFolder here;
  RespClient one = here.Connect();
  RespClient two = here.Connect();
  EXPECT_EQ(one.Ask("WATCH a"), "+OK\r\n");
  EXPECT_EQ(one.Ask("MULTI"), "+OK\r\n");
  EXPECT_EQ(one.Ask("INCR a"), "+QUEUED\r\n");
  EXPECT_EQ(two.Ask("SET a 7"), "+OK\r\n");
  EXPECT_EQ(one.Ask("EXEC"), "*-1\r\n");
  EXPECT_EQ(one.Ask("MULTI"), "+OK\r\n");
  EXPECT_EQ(one.Ask("INCR a"), "+QUEUED\r\n");
  EXPECT_EQ(one.Ask("EXEC"), "*1\r\n:8\r\n");
  // A flush takes away what was there, also when it is there again by the time of EXEC.
  for (const char* again : {"PING", "SET a 8"}) {
    EXPECT_EQ(two.Ask("SET a 8"), "+OK\r\n");
    EXPECT_EQ(one.Ask("WATCH a"), "+OK\r\n");
    EXPECT_EQ(two.Ask("FLUSHDB"), "+OK\r\n");
    (void)two.Ask(std::string(again));
    EXPECT_EQ(one.Ask("MULTI"), "+OK\r\n");
    EXPECT_EQ(one.Ask("EXEC"), "*-1\r\n") << again;
  }
  // Also a value that died at once, and where none was.
  EXPECT_EQ(one.Ask("WATCH none"), "+OK\r\n");
  EXPECT_EQ(two.Ask("SET none 1 PXAT 1"), "+OK\r\n");
  EXPECT_EQ(one.Ask("MULTI"), "+OK\r\n");
  EXPECT_EQ(one.Ask("EXEC"), "*-1\r\n");
}

// Among many that have died and are still on the disk it once began anew at each of them, which
// kept all others waiting: three seconds for two hundred thousand.
TEST(RedisDoor, FindsARandomKeyBehindManyDeadOnes) {
  const RedisInAFolder here({"--durability", "os"});
  RespClient client = here.Connect();
  constexpr int kNames = 100'000;
  std::string sets;
  for (int i = 0; i < kNames; ++i) sets += Resp({"SET", std::to_string(i), "v", "PX", "1"});
  ASSERT_TRUE(client.SendBytes(sets));
  for (int i = 0; i < kNames; ++i) ASSERT_EQ(client.Receive(), "+OK\r\n");
  ASSERT_EQ(client.Ask("SET alive v"), "+OK\r\n");
  const auto time_of = [&client](const char* command, const std::string& answer) {
    auto least = std::chrono::steady_clock::duration::max();
    for (int i = 0; i < 10; ++i) {
      const auto begin = std::chrono::steady_clock::now();
      EXPECT_EQ(client.Ask(command), answer);
      least = std::min(least, std::chrono::steady_clock::now() - begin);
    }
    return least;
  };
  // KEYS walks over all of them, once.
  const auto walk = time_of("KEYS *", "*1\r\n$5\r\nalive\r\n");
  EXPECT_LT(time_of("RANDOMKEY", "$5\r\nalive\r\n"), 5 * walk);
}

TEST(RedisDoor, IsSilentWhereNoReplyIsWanted) {
  const RedisInAFolder here;
  RespClient client = here.Connect();
  ASSERT_TRUE(
      client.SendBytes("CLIENT REPLY SKIP\r\nSET a 1\r\nGET a\r\n"
                       "CLIENT REPLY OFF\r\nSET a 2\r\nNOSUCH\r\nCLIENT REPLY ON\r\nGET a\r\n"));
  EXPECT_EQ(client.Receive(), "$1\r\n1\r\n");
  EXPECT_EQ(client.Receive(), "+OK\r\n");
  EXPECT_EQ(client.Receive(), "$1\r\n2\r\n");
}

TEST(RedisDoor, EndsTheConnectionItIsTold) {
  const RedisInAFolder here;
  RespClient one = here.Connect();
  RespClient two = here.Connect();
  const std::string id = one.Ask("CLIENT ID");
  EXPECT_EQ(two.Ask("CLIENT KILL ID " + id.substr(1, id.size() - 3)), ":1\r\n");
  EXPECT_TRUE(one.SeesEnd());
  EXPECT_EQ(two.Ask("QUIT"), "+OK\r\n");
  EXPECT_TRUE(two.SeesEnd());
}

TEST(RedisDoor, TellsTheOperatorOnceWhatItDoesNotHave) {
  const RedisInAFolder here;
  RespClient client = here.Connect();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(client.Ask("XADD s * a 1"),
              "-ERR unknown command 'XADD', with args beginning with: 's' '*' 'a' '1' \r\n");
  }
  EXPECT_NE(client.Ask("INFO stats").find("unknown_commands:3\r\n"), std::string::npos);
  EXPECT_TRUE(Eventually(
      [&] { return here.program->Said().find("the command 'xadd'") != std::string::npos; }));
}

TEST(RedisDoor, LetsInWhoHasAToken) {
  const GuardedRedis guarded;
  RespClient client = guarded.here.Connect();
  EXPECT_EQ(client.Ask("GET a"), "-NOAUTH Authentication required.\r\n");
  EXPECT_TRUE(client.Ask("HELLO 3").starts_with("-NOAUTH HELLO must be called"));
  const std::string wrong = "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
  EXPECT_EQ(client.Ask(Words{"AUTH", "nobody"}), wrong);
  EXPECT_EQ(client.Ask({"AUTH", "bank", "shop-1"}), wrong);
  EXPECT_EQ(client.Ask(Words{"AUTH", "shop-1"}), "+OK\r\n");
  EXPECT_EQ(client.Ask("SET a shop"), "+OK\r\n");
  RespClient bank = guarded.here.Connect();
  EXPECT_TRUE(bank.Ask({"HELLO", "3", "AUTH", "bank", "bank"}).starts_with("%7\r\n"));
  EXPECT_EQ(bank.Ask("GET a"), "_\r\n");
  EXPECT_EQ(bank.Ask("KEYS *"), "*0\r\n");
  EXPECT_EQ(bank.Ask("DBSIZE"), ":0\r\n");
  EXPECT_EQ(bank.Ask("FLUSHALL"), "+OK\r\n");
  EXPECT_EQ(bank.Ask("CLIENT LIST").find("user=default"), std::string::npos);
  EXPECT_EQ(client.Ask("GET a"), "$4\r\nshop\r\n");
}

// A connection once was good for as long as it stayed, whatever became of its token.
TEST(RedisDoor, ClosesWhoseTokenIsTakenBack) {
  const GuardedRedis guarded;
  RespClient shop = guarded.here.Connect();
  RespClient bank = guarded.here.Connect();
  RespClient stranger = guarded.here.Connect();
  EXPECT_EQ(shop.Ask(Words{"AUTH", "shop-1"}), "+OK\r\n");
  EXPECT_EQ(bank.Ask(Words{"AUTH", "bank"}), "+OK\r\n");
  // It is taken from the one and given to the other: still not who its sessions said they were.
  PutTokens(guarded.folder, Tenant("shop", Role::kApp, {"shop-2"}) +
                                Tenant("bank", Role::kApp, {"bank", "shop-1"}));
  EXPECT_EQ(shop.Ask("PING"), "+PONG\r\n") << "not yet";
  guarded.here.program->Signal(SIGHUP);
  EXPECT_TRUE(shop.SeesEnd());
  EXPECT_EQ(bank.Ask("PING"), "+PONG\r\n");
  EXPECT_EQ(stranger.Ask(Words{"AUTH", "shop-1"}), "+OK\r\n") << "the bank's now";
  EXPECT_EQ(stranger.Ask("GET a"), "$-1\r\n");
}

TEST(RedisDoor, TakesLittleFromStrangers) {
  const GuardedRedis guarded;
  RespClient client = guarded.here.Connect();
  ASSERT_TRUE(client.SendBytes("*100\r\n"));
  EXPECT_EQ(client.Receive(), "-ERR Protocol error: unauthenticated multibulk length\r\n");
  EXPECT_TRUE(client.SeesEnd());
}

// Ten seconds to say who one is; who has said it has all the time there is.
TEST(RedisDoor, HangsUpOnWhoStaysAStranger) {
  const GuardedRedis guarded;
  RespClient stranger = guarded.here.Connect();
  RespClient friendly = guarded.here.Connect();
  EXPECT_EQ(friendly.Ask(Words{"AUTH", "bank"}), "+OK\r\n");
  EXPECT_EQ(stranger.Ask("PING"), "-NOAUTH Authentication required.\r\n");
  std::this_thread::sleep_for(std::chrono::seconds(11));  // real time: its time is over
  EXPECT_TRUE(stranger.SeesEnd());
  EXPECT_EQ(friendly.Ask("PING"), "+PONG\r\n");
}

// A script that keeps others waiting once had answers of a later turn leave before those of an
// earlier one, when it began as that one's answers left.
TEST(RedisDoor, AnswersInOrderWhileScriptsRun) {
  const RedisInAFolder here;
  RespClient busy = here.Connect();
  RespClient counting = here.Connect();
  EXPECT_EQ(busy.Ask("CONFIG SET busy-reply-threshold 0"), "+OK\r\n");
  EXPECT_EQ(busy.Ask({"SET", "big", std::string(600'000, 'x')}), "+OK\r\n");
  int last = 0;
  for (int round = 0; round < 10; ++round) {
    constexpr int kTimes = 400;
    ASSERT_TRUE(busy.SendBytes(Resp({"SET", "k", "1"}) + Resp({"GET", "big"}) +
                               Resp({"GET", "big"}) +
                               Resp({"EVAL", "for i = 1, 1e6 do end return 1", "0"})));
    for (int i = 0; i < kTimes; ++i) ASSERT_TRUE(counting.Send({"INCR", "n"}));
    for (int i = 0; i < kTimes; ++i) {
      const std::string answer = counting.Receive();
      if (answer.starts_with("-BUSY")) continue;
      ASSERT_GT(std::atoi(answer.c_str() + 1), last) << answer;
      last = std::atoi(answer.c_str() + 1);
    }
    for (int i = 0; i < 4; ++i) (void)busy.Receive();
  }
}

// Whose connection ended while its own script ran: what it had sent behind that once listened and
// watched in its name, which was gone.
TEST(RedisDoor, RunsNothingMoreOfWhoIsGone) {
  const RedisInAFolder here({"--durability", "os"});
  RespClient other = here.Connect();
  EXPECT_EQ(other.Ask("CONFIG SET busy-reply-threshold 0"), "+OK\r\n");
  EXPECT_EQ(other.Ask({"SET", "big", std::string(400'000, 'x')}), "+OK\r\n");
  const std::string last = Resp({"EVAL", "for i = 1, 2e7 do end return 1", "0"}) +
                           Resp({"SUBSCRIBE", "a"}) + Resp({"WATCH", "k"});
  // Until its sockets are full, and a little is left that waits to be written.
  for (int gets = 6; gets < 40; gets += 2) {
    RespClient client = here.Connect();
    for (int i = 0; i < gets; ++i) ASSERT_TRUE(client.Send({"GET", "big"}));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // real time: they are answered
    ASSERT_TRUE(client.SendBytes(last));
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // real time: its script runs
    client.HangUp();
    EXPECT_TRUE(Eventually([&] {
      return other.Ask("PUBSUB NUMSUB a") == "*2\r\n$1\r\na\r\n:0\r\n";
    })) << gets;
    EXPECT_EQ(other.Ask("PUBLISH a x"), ":0\r\n");
    EXPECT_EQ(other.Ask("SET k v"), "+OK\r\n");
  }
}

TEST(RedisDoor, TellsWhatIsTooLarge) {
  const RedisInAFolder here({"--durability", "os"});
  RespClient client = here.Connect();
  EXPECT_NE(client.Ask("CONFIG GET proto-max-bulk-len").find("67108864"), std::string::npos);
  ASSERT_TRUE(client.SendBytes("*2\r\n$4\r\nECHO\r\n$67108865\r\n"));
  EXPECT_EQ(client.Receive(), "-ERR Protocol error: invalid bulk length\r\n");
  EXPECT_TRUE(client.SeesEnd());
}

// A client that counts: by a transaction that sets two keys to the number, and by a script that
// sets two more. Killing onced ends it.
class CountingClient {
 public:
  CountingClient(uint16_t port, int number) : client_(port), me_(std::to_string(number)) {}

  // The last number that both were answered for.
  int CountFrom(int last) {
    for (;; ++last) {
      const std::string n = std::to_string(last + 1);
      const std::string sent =
          Resp({"MULTI"}) + Resp({"SET", "a" + me_, n}) + Resp({"SET", "b" + me_, n}) +
          Resp({"EXEC"}) +
          Resp({"EVAL", "for _, key in ipairs(KEYS) do redis.call('set', key, ARGV[1]) end", "2",
                "c" + me_, "d" + me_, n});
      if (!client_.SendBytes(sent)) return last;
      std::string replies;
      for (int reply = 0; reply < 5; ++reply) replies += client_.Receive();
      if (!replies.ends_with("*2\r\n+OK\r\n+OK\r\n$-1\r\n")) return last;
    }
  }

 private:
  RespClient client_;
  const std::string me_;
};

int NumberIn(const std::string& reply) {
  const size_t at = reply.find("\r\n");
  return at == std::string::npos ? 0 : std::atoi(reply.c_str() + at + 2);
}

class RedisCrash : public testing::TestWithParam<const char*> {};

// What was answered is there after `kill -9`, and a transaction or a script is there whole or not
// at all.
TEST_P(RedisCrash, LosesNothingThatWasAnswered) {
  constexpr int kClients = 4;
  constexpr int kRounds = 7;
  RedisInAFolder here({"--durability", GetParam()});
  std::vector<int> answered(kClients, 0);
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::thread> clients;
    for (int c = 0; c < kClients; ++c) {
      clients.emplace_back([&, c] {
        int& last = answered[static_cast<size_t>(c)];
        last = CountingClient(here.port, c).CountFrom(last);
      });
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(150));  // real time: under load
    here.program->Kill();
    for (std::thread& client : clients) client.join();
    here.StartAgain();
    RespClient client = here.Connect();
    for (int c = 0; c < kClients; ++c) {
      const std::string me = std::to_string(c);
      int& last = answered[static_cast<size_t>(c)];
      const std::string by_multi = client.Ask("GET a" + me);
      const std::string by_script = client.Ask("GET c" + me);
      EXPECT_EQ(client.Ask("GET b" + me), by_multi) << "half a transaction";
      EXPECT_EQ(client.Ask("GET d" + me), by_script) << "half a script";
      EXPECT_GE(NumberIn(by_script), last);
      EXPECT_GE(NumberIn(by_multi), NumberIn(by_script));
      EXPECT_LE(NumberIn(by_multi), last + 1);
      last = NumberIn(by_script);
    }
  }
  for (const int each : answered) EXPECT_GT(each, 0);
}

INSTANTIATE_TEST_SUITE_P(InEveryMode, RedisCrash, testing::Values("sync", "interval", "os"),
                         [](const auto& one) { return std::string(one.param); });

}  // namespace
}  // namespace onced
