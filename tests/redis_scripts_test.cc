// SPDX-License-Identifier: MIT
// Scripts of the Redis door: that they answer as Redis answers, that they cannot leave their
// sandbox or keep others waiting for ever, and that what is ended leaves nothing.
#include "tests/redis_scripts.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

#include "tests/redis.h"

namespace onced {
namespace {

const Words kOs = {"--durability", "os"};

std::string Eval(RespClient* client, const std::string& script) {
  return client->Ask({"EVAL", script, "0"});
}

void CompareAll(int protocol) {
  if (!RedisServer::IsInstalled()) GTEST_SKIP() << "no redis-server: install redis-server";
  const RedisServer server;
  const RedisInAFolder here(kOs);
  RespClient redis(server.port());
  RespClient onced(here.port);
  if (protocol == 3) {
    (void)redis.Ask("HELLO 3");
    (void)onced.Ask("HELLO 3");
  }
  for (const char* const script : kScriptsAlike) {
    const std::string theirs = redis.Ask({"EVAL", script, "1", "k1", "a1"});
    const std::string ours = onced.Ask({"EVAL", script, "1", "k1", "a1"});
    EXPECT_EQ(Shown(ours), Shown(theirs)) << script;
  }
}

TEST(RedisScripts, AnswerAsRedisDoesInResp2) { CompareAll(2); }
TEST(RedisScripts, AnswerAsRedisDoesInResp3) { CompareAll(3); }

TEST(RedisScripts, AreKeptByTheirSha) {
  const RedisInAFolder here(kOs);
  RespClient client = here.Connect();
  const std::string sha = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db";
  EXPECT_EQ(client.Ask({"EVALSHA", sha, "0"}),
            "-NOSCRIPT No matching script. Please use EVAL.\r\n");
  EXPECT_EQ(Eval(&client, "return 1"), ":1\r\n");
  EXPECT_EQ(client.Ask({"EVALSHA", sha, "0"}), ":1\r\n");
  EXPECT_EQ(client.Ask({"SCRIPT", "EXISTS", sha, "x"}), "*2\r\n:1\r\n:0\r\n");
  EXPECT_EQ(client.Ask("SCRIPT FLUSH"), "+OK\r\n");
  EXPECT_EQ(client.Ask({"SCRIPT", "EXISTS", sha}), "*1\r\n:0\r\n");
  EXPECT_EQ(client.Ask({"SCRIPT", "LOAD", "return 1"}), "$40\r\n" + sha + "\r\n");
  EXPECT_EQ(client.Ask({"EVALSHA_RO", sha, "0"}), ":1\r\n");
}

// Those that were kept first are forgotten, and can be given again.
TEST(RedisScripts, AreKeptWithinBounds) {
  const RedisInAFolder here(kOs);
  RespClient client = here.Connect();
  const std::string first = client.Ask({"SCRIPT", "LOAD", "return 'first'"}).substr(5, 40);
  for (int i = 0; i < 1'000; ++i) (void)Eval(&client, "return " + std::to_string(i));
  EXPECT_TRUE(client.Ask({"EVALSHA", first, "0"}).starts_with("-NOSCRIPT"));
  EXPECT_EQ(Eval(&client, "return 'first'"), "$5\r\nfirst\r\n");
}

// What a script asks of the client that runs it, in vain: its name, its transaction.
TEST(RedisScripts, KeepTheDatabaseOfWhoRunsThem) {
  const RedisInAFolder here(kOs);
  RespClient client = here.Connect();
  EXPECT_EQ(Eval(&client, "redis.call('select', 3) return redis.call('set', 'k', 'in 3')"),
            "+OK\r\n");
  EXPECT_EQ(client.Ask("GET k"), "$-1\r\n");
  EXPECT_EQ(client.Ask("SELECT 3"), "+OK\r\n");
  EXPECT_EQ(client.Ask("GET k"), "$4\r\nin 3\r\n");
}

TEST(RedisScripts, RunWithinTransactionsAndAreWatched) {
  const RedisInAFolder here(kOs);
  RespClient client = here.Connect();
  RespClient other = here.Connect();
  EXPECT_EQ(client.Ask("WATCH k"), "+OK\r\n");
  EXPECT_EQ(Eval(&other, "return redis.call('set', 'k', '1')"), "+OK\r\n");
  EXPECT_EQ(client.Ask("MULTI"), "+OK\r\n");
  EXPECT_EQ(Eval(&client, "return redis.call('incr', 'k')"), "+QUEUED\r\n");
  EXPECT_EQ(client.Ask("EXEC"), "*-1\r\n");
  EXPECT_EQ(client.Ask("MULTI"), "+OK\r\n");
  EXPECT_EQ(Eval(&client, "return redis.call('incr', 'k')"), "+QUEUED\r\n");
  EXPECT_EQ(client.Ask("EXEC"), "*1\r\n:2\r\n");
}

// As with Redis, an error in the middle leaves what was done before.
TEST(RedisScripts, KeepWhatTheyWroteBeforeAnErrorOfTheirOwn) {
  const RedisInAFolder here(kOs);
  RespClient client = here.Connect();
  EXPECT_TRUE(Eval(&client, "redis.call('set', 'k', 'v') error('x')").starts_with("-ERR"));
  EXPECT_EQ(client.Ask("GET k"), "$1\r\nv\r\n");
}

struct Endless {
  const char* name;
  const char* script;
};

class RedisEndlessScripts : public testing::TestWithParam<Endless> {};

TEST_P(RedisEndlessScripts, AreKilledAndLeaveNothing) {
  const RedisInAFolder here(kOs);
  RespClient client = here.Connect();
  EXPECT_EQ(client.Ask("CONFIG SET busy-reply-threshold 50"), "+OK\r\n");
  EXPECT_EQ(client.Ask("SET k before"), "+OK\r\n");
  ASSERT_TRUE(client.Send({"EVAL", GetParam().script, "0"}));
  ASSERT_TRUE(client.Send({"ECHO", "after"}));
  RespClient other = here.Connect();
  EXPECT_TRUE(other.Ask("GET k").starts_with("-BUSY Redis is busy running a script."));
  EXPECT_EQ(other.Ask("SCRIPT KILL"), "+OK\r\n");
  EXPECT_TRUE(client.Receive().starts_with("-ERR Script killed by user with SCRIPT KILL."));
  EXPECT_EQ(client.Receive(), "$5\r\nafter\r\n");
  EXPECT_EQ(other.Ask("GET k"), "$6\r\nbefore\r\n");
  EXPECT_EQ(other.Ask("SCRIPT KILL"), "-NOTBUSY No scripts in execution right now.\r\n");
}

INSTANTIATE_TEST_SUITE_P(
    All, RedisEndlessScripts,
    testing::Values(
        Endless{"Loop", "redis.call('set', 'k', 'x') while true do end"},
        Endless{"InPcall",
                "redis.call('del', 'k') while true do pcall(function() while true do "
                "end end) end"},
        Endless{"InCoroutines",
                "redis.call('set', 'k', 'x') while true do pcall(coroutine.wrap(function() while "
                "true do end end)) end"},
        Endless{"OfCommands", "while true do redis.call('set', 'k', 'x') end"},
        Endless{"AfterAFlush", "redis.call('flushall') while true do end"}),
    [](const auto& one) { return one.param.name; });

// It would otherwise hold up everybody, and the process' end.
TEST(RedisScripts, EndWithTheProgram) {
  RedisInAFolder here(kOs);
  RespClient client = here.Connect();
  ASSERT_TRUE(client.Send({"EVAL", "redis.call('set', 'k', 'x') while true do end", "0"}));
  RespClient other = here.Connect();
  ASSERT_TRUE(other.Send({"PING"}));
  EXPECT_EQ(here.program->Stop().code, 0);
}

TEST(RedisScripts, StayBelowTheirMemory) {
  const RedisInAFolder here(kOs);
  RespClient client = here.Connect();
  constexpr const char* kGreedy[] = {
      "redis.call('set', 'k', 'x') local t = {} while true do t[#t + 1] = string.rep('x', 1e5) .. "
      "#t end",
      "local s = 'x' while true do s = s .. s end",
      "return string.rep('x', 2^27)",
  };
  for (const char* const script : kGreedy) {
    EXPECT_EQ(Eval(&client, script), "-ERR not enough memory: a script may use 64 MiB\r\n");
    EXPECT_EQ(client.Ask("EXISTS k"), ":0\r\n");
    EXPECT_EQ(Eval(&client, "return 1"), ":1\r\n");
  }
}

// Each would end the process, or reach what is not the script's, were it let.
TEST(RedisScripts, CannotLeaveTheirSandbox) {
  const RedisInAFolder here(kOs);
  RespClient client = here.Connect();
  constexpr const char* kHostile[] = {
      "return string.find(string.rep('a', 1e6), string.rep('a?', 1e6))",
      "local b = string.rep('x', 1e6) local t = {} for i = 1, 1e5 do t[i] = b end return "
      "cjson.encode(t)",
      "cjson.encode_sparse_array(true, 0, 0) return cjson.encode({[2e9] = 1})",
      "cjson.encode_max_depth(1e9) local t = {} for i = 1, 1e5 do t = {t} end return "
      "cjson.encode(t)",
      "cjson.decode_max_depth(1e9) return cjson.decode(string.rep('[', 1e6))",
      "return cjson.new()",
      "local f f = function() return f() + 1 end return f()",
      "local f f = function(n) return coroutine.wrap(function() return f(n) end)() end return f(0)",
      "return unpack({}, 1, 1e8)",
      "return unpack({}, -2^31 + 1, 2^31 - 1)",
      "return unpack({}, -1, 2^31 - 1)",
      "table.insert({}, -2^31, 1)",
      "local n = 0 return load(function() n = n + 1 collectgarbage() return n < 3 and '(' or nil "
      "end, string.rep('n', 1000))()",
      "return newproxy(true)",
      "return getfenv(0)",
      "return debug.getregistry()",
      "return os.execute('true')",
      "return loadfile('/etc/passwd')",
      "return {loadstring(string.dump(function() return 1 end))}",
      "error({})",
      "error(setmetatable({}, {__index = function() error('x') end, __newindex = 1}))",
  };
  for (const char* const script : kHostile) {
    const std::string answer = Eval(&client, script);
    EXPECT_TRUE(answer.starts_with("-ERR") || answer == "*0\r\n") << script << ": " << answer;
  }
  // Tables within tables deeper than an answer can go.
  RespClient deep = here.Connect();
  ASSERT_TRUE(deep.Send({"EVAL", "local t = {} t[1] = t return t", "0"}));
  EXPECT_EQ(client.Ask("PING"), "+PONG\r\n");
}

// One script's rubbish is not the next one's surprise.
TEST(RedisScripts, SeeNothingOfEachOther) {
  const RedisInAFolder here(kOs);
  RespClient client = here.Connect();
  constexpr const char* kDirty[] = {
      "rawset(string, 'len', nil)",
      "string.len = nil",
      "table.insert(string, 1, 'x')",
      "getmetatable('').__index = nil",
      "setmetatable(redis, {})",
      "rawset(_G, 'redis', nil)",
      "getmetatable(_G).__index = nil",
      "for k in pairs(redis) do redis[k] = nil end",
      "next(_G)",
      "collectgarbage('stop')",
      "redis.setresp(3)",
      "KEYS.x = 1 ARGV.x = 1",
      "getmetatable(redis).__index.call = function() return 'not redis' end",
      "getmetatable(string).__index.upper = function() return 'not upper' end",
      "getmetatable('').__index.upper = function() return 'not upper' end",
      "rawset(getmetatable(_G).__index, 'leak', 1)",
      "local f = _G.pairs(_G) f(string)",
      "table.foreach(string, function(k) string[k] = 1 end)",
  };
  for (const char* const script : kDirty) {
    (void)Eval(&client, script);
    EXPECT_EQ(Eval(&client, "return rawget(_G, 'leak')"), "$-1\r\n") << script;
    EXPECT_EQ(Eval(&client,
                   "return {#'abc', ('x'):upper(), type(redis.call), string[1] or 'none', "
                   "KEYS.x or 'none', type(redis.call('get', 'nokey'))}"),
              "*6\r\n:3\r\n$1\r\nX\r\n$8\r\nfunction\r\n$4\r\nnone\r\n$4\r\nnone\r\n"
              "$7\r\nboolean\r\n")
        << script;
  }
}

// What a script may write is kept in memory until its end.
TEST(RedisScripts, WriteNoMoreThanATurnMayHold) {
  const RedisInAFolder here(kOs);
  RespClient client = here.Connect();
  const std::string answer = Eval(&client,
                                  "local big = string.rep('x', 1e6) for i = 1, 1000 do "
                                  "redis.call('set', 'k' .. i, big) end");
  EXPECT_TRUE(answer.starts_with("-OOM command not allowed")) << answer.substr(0, 100);
  EXPECT_EQ(client.Ask("EXISTS k1 k1000"), ":1\r\n");
}

TEST(RedisScripts, OfATenantAreItsOwn) {
  const GuardedRedis guarded;
  RespClient shop = guarded.here.Connect();
  RespClient bank = guarded.here.Connect();
  EXPECT_EQ(shop.Ask(Words{"AUTH", "shop-1"}), "+OK\r\n");
  EXPECT_EQ(bank.Ask(Words{"AUTH", "bank"}), "+OK\r\n");
  EXPECT_EQ(Eval(&shop, "redis.call('set', 'k', 'v') return 1"), ":1\r\n");
  EXPECT_EQ(Eval(&bank, "return redis.call('get', 'k')"), "$-1\r\n");
  const Words by_sha = {"EVALSHA", "e0e1f9fabfc9d4800c877a703b823ac0578ff8db", "0"};
  EXPECT_EQ(Eval(&shop, "return 1"), ":1\r\n");
  EXPECT_EQ(shop.Ask(by_sha), ":1\r\n");
  EXPECT_TRUE(bank.Ask(by_sha).starts_with("-NOSCRIPT"));
  EXPECT_EQ(shop.Ask("CONFIG SET busy-reply-threshold 20"), "+OK\r\n");
  ASSERT_TRUE(shop.Send({"EVAL", "while true do end", "0"}));
  RespClient killer = guarded.here.Connect();
  std::string answer;  // until the script has run for long enough
  while (!(answer = bank.Ask("SCRIPT KILL")).starts_with("-BUSY")) {
    ASSERT_TRUE(answer.starts_with("-NOTBUSY")) << answer;
  }
  EXPECT_EQ(killer.Ask(Words{"AUTH", "shop-1"}), "+OK\r\n");
  EXPECT_EQ(killer.Ask("SCRIPT KILL"), "+OK\r\n");
  EXPECT_TRUE(shop.Receive().starts_with("-ERR Script killed"));
}

// A value may stand in a thousand places: forty tables are a million million replies.
TEST(RedisScripts, AnswerNoMoreThanIsRead) {
  const RedisInAFolder here(kOs);
  RespClient client = here.Connect();
  EXPECT_EQ(Eval(&client, "local t = {1} for i = 1, 40 do t = {t, t} end return t"),
            "-ERR the reply of a script is at most 67108864 bytes long\r\n");
  EXPECT_EQ(client.Ask("PING"), "+PONG\r\n");
}

// What is compiled of them is larger than they are, and fills their Lua first.
TEST(RedisScripts, AreForgottenBeforeTheirLuaIsFull) {
  const RedisInAFolder here(kOs);
  RespClient client = here.Connect();
  std::string calls;
  for (int i = 0; i < 6'000; ++i) calls += "f()";
  for (int i = 0; i < 800; ++i) {
    const std::string sha =
        client.Ask({"SCRIPT", "LOAD", "local v = " + std::to_string(i) + " " + calls});
    ASSERT_TRUE(sha.starts_with("$40")) << i << ": " << sha.substr(0, 100);
  }
  EXPECT_EQ(Eval(&client, "return 1"), ":1\r\n");
}

TEST(RedisScripts, CanBeSwitchedOff) {
  const RedisInAFolder here({"--durability", "os", "--redis-scripts", "off"});
  RespClient client = here.Connect();
  for (const Words& words :
       {Words{"EVAL", "return 1", "0"}, Words{"EVALSHA", std::string(40, 'a'), "0"},
        Words{"SCRIPT", "LOAD", "return 1"}}) {
    EXPECT_TRUE(client.Ask(words).starts_with("-ERR scripts are off here"));
  }
}

}  // namespace
}  // namespace onced
