// SPDX-License-Identifier: MIT
// Clients that are not ours (tests/clients), as they are installed everywhere, at the Redis door of
// the real program; and at Redis itself, so that nothing is asked of the door that Redis does not
// do.
#include <gtest/gtest.h>

#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "tests/child.h"
#include "tests/redis.h"
#include "tests/tenants.h"

namespace onced {
namespace {

constexpr int kNotInstalled = 77;  // what a program of tests/clients then says
constexpr int kNotFound = 127;     // and what env says of its interpreter

struct Kind {
  std::string name;
  std::string run;  // by env, in tests/clients; before the port
  std::string library;
};
void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

std::vector<Kind> Kinds() {
  const std::string python = "/usr/bin/python3 -B ";  // Debian's: the one that has redis-py
  return {{"RedisPy", python + "redis_py_client.py", ""},
          {"ClassicPattern", python + "classic_pattern.py", ""},
          {"RedisCli", "bash cli_client.sh", ""},
          {"Ioredis5", "node ioredis_client.js", "ioredis-5"},
          {"Ioredis6", "node ioredis_client.js", "ioredis-6"},
          {"NodeRedis5", "node node_redis_client.js", "redis-5"},
          {"NodeRedis6", "node node_redis_client.js", "redis-6"}};
}

// A client at a port, in a process of its own.
struct RedisClient : Child {
  RedisClient(const Kind& kind, uint16_t port, const std::string& more = "")
      : Child({"/usr/bin/env", "-C", ONCED_CLIENTS, std::string("NODE_PATH=") + ONCED_NODE_MODULES,
               "sh", "-c",
               "exec " + kind.run + " " + std::to_string(port) + " " + kind.library + " " + more}) {
  }
};

// Goes on until the client ends, and does `meanwhile` what the test has to do.
void WaitFor(
    RedisClient& client, const std::function<void()>& meanwhile = [] {}) {
  const auto ended = [&] {
    meanwhile();
    return client.Ended();
  };
  for (int i = 0; i < 6 && !Eventually(ended); ++i) {
  }
  ASSERT_TRUE(client.Ended()) << client.Said();
  if (client.code() == kNotInstalled || client.code() == kNotFound) {
    GTEST_SKIP() << client.Said();
  }
  EXPECT_EQ(client.code(), 0) << client.Said();
  EXPECT_NE(client.Said().find("ok       "), std::string::npos) << client.Said();
}

class RedisClients : public testing::TestWithParam<Kind> {};

TEST_P(RedisClients, AreServed) {
  const RedisInAFolder here;
  RedisClient client(GetParam(), here.port);
  WaitFor(client);
  std::printf("%s", client.Said().c_str());
  EXPECT_EQ(here.Connect().Ask("PING"), "+PONG\r\n");
}

TEST_P(RedisClients, AskWhatRedisDoes) {
  if (!RedisServer::IsInstalled()) GTEST_SKIP() << "no redis-server here";
  const RedisServer redis;
  RedisClient client(GetParam(), redis.port());
  WaitFor(client);
}

// A tenant's token is the password.
TEST_P(RedisClients, AreLetInByAPassword) {
  const TempFolder folder;
  const RedisInAFolder here(
      {"--tokens", PutTokens(folder, Tenant("shop", Role::kApp, {"secret"}))});
  RedisClient client(GetParam(), here.port, "--password secret");
  WaitFor(client);
  if (IsSkipped() || !RedisServer::IsInstalled()) return;
  const RedisServer redis;
  EXPECT_EQ(RespClient(redis.port()).Ask("CONFIG SET requirepass secret"), "+OK\r\n");
  RedisClient other(GetParam(), redis.port(), "--password secret");
  WaitFor(other);
}

// `kill -9` in the middle of what a client does, as often as it is ready for it.
TEST_P(RedisClients, GoOnAfterACrash) {
  RedisInAFolder here;
  here.flags = {"--redis", "127.0.0.1:" + std::to_string(here.port)};  // from now on
  RedisClient client(GetParam(), here.port, "--reconnect");
  size_t crashes = 0;
  WaitFor(client, [&] {
    const std::string said = client.Said();
    size_t ready = 0;
    for (size_t at = 0; (at = said.find("ready\n", at)) != said.npos; ++at) ++ready;
    if (ready == crashes) return;
    here.Crash();
    ++crashes;
  });
  EXPECT_TRUE(IsSkipped() || crashes > 0);
}

INSTANTIATE_TEST_SUITE_P(Real, RedisClients, testing::ValuesIn(Kinds()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace onced
