// SPDX-License-Identifier: MIT
// The program on a disk that does not return from a sync: every sort of write, by every door, waits
// for it, and nothing is sent to an upstream meanwhile; who asks how the program is does not wait;
// and of those who wait there are only so many.
//
// ONCED_SLOW=<n>: how often it is held.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/gateway.h"
#include "tests/program.h"
#include "tests/proof.h"
#include "tests/redis.h"
#include "tests/slow_disk.h"

namespace onced {
namespace {

struct Asked {
  uint16_t port;
  std::string bytes;
  std::string answer;      // is in the first bytes of it, when the disk lets it go
  std::string first = "";  // on the same connection, asked and answered before the disk is held
};

Asked Post(const Program& program, const std::string& target, const std::string& json, int status) {
  return {program.port(), RequestText("POST", target, Json(json)),
          "HTTP/1.1 " + std::to_string(status)};
}
Asked Ask(const Program& program, const char* method, const std::string& target, int status) {
  return {program.port(), RequestText(method, target), "HTTP/1.1 " + std::to_string(status)};
}

// Every sort of write by HTTP, and what shows a write that is not on the disk yet. The runs that
// they end are begun here.
std::vector<Asked> AllThatWaitsByHttp(const Program& program, const std::string& round) {
  Client client = program.Connect();
  const auto run = [&](const std::string& name) {
    const std::string key = "'key':'" + name + round + "'";
    const HttpAnswer won = client.Ask("POST", "/v1/claim", Json("{" + key + "}"));
    EXPECT_EQ(won.status, 201);
    return "{" + key + ",'fence':'" + won.Field("/fence") + "'}";
  };
  const std::string doubtful = run("doubt");
  EXPECT_EQ(client.Ask("POST", "/v1/mark-unknown", Json(doubtful)).status, 200);
  (void)run("forgotten");
  const std::string fresh = "fresh" + round;
  return {
      Post(program, "/v1/claim", "{'key':'" + fresh + "'}", 201),
      Post(program, "/v1/claim", "{'key':'" + fresh + "'}", 409),  // is shown the one before
      Ask(program, "GET", "/v1/keys/" + fresh, 200),
      Ask(program, "GET", "/v1/keys/" + fresh + "/history", 200),
      Ask(program, "GET", "/v1/keys?prefix=" + fresh, 200),
      Post(program, "/v1/complete", run("complete"), 200),
      Post(program, "/v1/complete", "{'key':'one-shot" + round + "'}", 200),
      Post(program, "/v1/renew", run("renew"), 200),
      Post(program, "/v1/release", run("release"), 200),
      Post(program, "/v1/mark-unknown", run("unknown"), 200),
      Post(program, "/v1/resolve", "{'key':'doubt" + round + "','decision':'released'}", 200),
      Ask(program, "DELETE", "/v1/keys/forgotten" + round + "?force=true", 204),
      Post(program, "/v1/batch", "{'operations':[{'op':'claim','key':'batch" + round + "'}]}", 200),
      Post(program, "/api/payments", "{'amount':5,'currency':'EUR','reference':'" + round + "'}",
           201)};
}

// The same by the Redis door.
std::vector<Asked> AllThatWaitsByRedis(const Program& program, const std::string& round) {
  const uint16_t port = RedisPortOf(program);
  RespClient client(port);
  const auto asked = [port](const Words& words, const std::string& answer) {
    return Asked{port, Resp(words), answer};
  };
  const auto ends = [&](const char* word, const Words& more, const std::string& answer) {
    const std::string key = word + round;
    const std::string won = client.Ask(Words{"ONCED.CLAIM", key});
    EXPECT_EQ(FieldOf(won, "outcome"), "claimed") << won;
    Words words{word, key, FieldOf(won, "fence")};
    words.insert(words.end(), more.begin(), more.end());
    return asked(words, answer);
  };
  Asked exec = asked({"EXEC"}, "*1\r\n+OK");
  exec.first = Resp({"MULTI"}) + Resp({"SET", "multi" + round, "v"});
  const std::string lock = "lock" + round;
  return {asked({"SET", lock, "v", "NX", "EX", "1000"}, "+OK"),
          asked({"GET", lock}, "$1"),
          asked({"PEXPIRE", lock, "1000000"}, ":1"),
          asked({"HSET", "hash" + round, "field", "v"}, ":1"),
          exec,
          asked({"EVAL", "return redis.call('SET', KEYS[1], 'v')", "1", "script" + round}, "+OK"),
          asked({"ONCED.CLAIM", "redis" + round}, "claimed"),
          ends("ONCED.COMPLETE", {"\"result\""}, "completed"),
          ends("ONCED.RENEW", {"LEASE", "10000"}, "renewed"),
          ends("ONCED.RELEASE", {}, "released"),
          asked({"DEL", lock}, ":1")};
}

// While a sync cannot return: what the wire contract calls durable is decided, and held; and who
// asks how the program is, or for what was on the disk before, is answered.
TEST(SlowDisk, HoldsEveryWriteAndNobodyElse) {
  Proof proof("held disks", "ONCED_SLOW", 10);
  HeldProgram program;
  for (; proof.faults < proof.rounds() && !HasFailure(); ++proof.faults) {
    const std::string round = std::to_string(proof.faults);
    EXPECT_EQ(program->Ask("POST", "/v1/complete", Json("{'key':'old" + round + "'}")).status, 200);
    std::vector<Asked> all = AllThatWaitsByHttp(*program, round);
    for (Asked& one : AllThatWaitsByRedis(*program, round)) all.push_back(std::move(one));
    std::vector<Client> held;
    for (const Asked& one : all) {
      held.emplace_back(one.port);
      if (one.first.empty()) continue;
      EXPECT_TRUE(held.back().Send(one.first));
      std::string heard;
      while (!heard.ends_with("+QUEUED\r\n")) {
        const std::string more = held.back().ReceiveSome();
        ASSERT_NE(more, "") << heard;
        heard += more;
      }
    }
    ASSERT_TRUE(program.Becomes("answers_held", 0));
    program.Hold();
    for (size_t i = 0; i < all.size(); ++i) {
      EXPECT_TRUE(held[i].Send(all[i].bytes));
      ASSERT_TRUE(program.Becomes("answers_held", i + 1)) << all[i].bytes;
    }
    EXPECT_TRUE(Eventually([&] { return program.IsHeld(); }));
    for (const char* asked : {"/livez", "/v1/status", "/.well-known/idempotency"}) {
      EXPECT_EQ(program->Ask("GET", asked).status, 200) << asked;
    }
    EXPECT_EQ(program->Ask("GET", "/v1/keys/old" + round).status, 200);
    for (size_t i = 0; i < all.size(); ++i) {
      const bool answered = held[i].HasInput();
      EXPECT_FALSE(answered) << "before its sync has returned: " << all[i].bytes;
      proof.failures += answered ? 1 : 0;
    }
    program.LetGo();
    for (size_t i = 0; i < all.size(); ++i) {
      const std::string heard = held[i].ReceiveSome();
      EXPECT_NE(heard.find(all[i].answer), std::string::npos) << all[i].bytes << heard;
      ++proof.count;
    }
  }
  EXPECT_EQ(proof.failures, 0u);
}

// Callers that wait for a run, answers of one connection, and connections: of each only so many
// wait while the disk does not return, and the next is told so at once.
TEST(SlowDisk, IsWaitedForByNoMoreThanIsAllowed) {
  constexpr size_t kWaiters = 3;
  constexpr size_t kConnections = 12;
  HeldProgram program({"--waiters-max", std::to_string(kWaiters), "--connections-max",
                       std::to_string(kConnections)});
  const std::string run = "{'key':'run'";
  const std::string fence = program->Ask("POST", "/v1/claim", Json(run + "}")).Field("/fence");
  const auto send = [&](const std::string& call, const std::string& json) {
    Client client = program->Connect();
    EXPECT_TRUE(client.Send(RequestText("POST", "/v1/" + call, Json(json))));
    return client;
  };
  program.Hold();

  std::vector<Client> waiters;
  while (waiters.size() < kWaiters) waiters.push_back(send("claim", run + ",'wait_ms':30000}"));
  EXPECT_TRUE(program.Becomes("waiters", kWaiters));
  ExpectProblem(program->Ask("POST", "/v1/claim", Json(run + ",'wait_ms':30000}")), 409,
                "idempotency_in_flight");

  std::vector<Client> held;
  held.push_back(send("complete", run + ",'fence':'" + fence + "','result':'done'}"));
  // Its completion, and what they are told of it.
  EXPECT_TRUE(program.Becomes("answers_held", 1 + kWaiters));
  while (waiters.size() + held.size() + 1 < kConnections) {
    held.push_back(send("claim", "{'key':'held-" + std::to_string(held.size()) + "'}"));
  }
  EXPECT_TRUE(program.Becomes("answers_held", waiters.size() + held.size()));
  EXPECT_TRUE(program.IsHeld());
  const std::string late = "{'key':'late'}";
  ExpectProblem(program->Ask("POST", "/v1/claim", Json(late)), 503, "overloaded");
  EXPECT_EQ(program->Ask("GET", "/livez").status, 200);
  for (const Client& client : waiters) EXPECT_FALSE(client.HasInput());
  for (const Client& client : held) EXPECT_FALSE(client.HasInput());

  program.LetGo();
  for (Client& client : waiters) EXPECT_EQ(client.Receive().Field("/result"), "done");
  EXPECT_EQ(held[0].Receive().status, 200);
  for (size_t i = 1; i < held.size(); ++i) EXPECT_EQ(held[i].Receive().status, 201);
  held.clear();
  EXPECT_TRUE(
      Eventually([&] { return program->Ask("POST", "/v1/claim", Json(late)).status == 201; }));
}

// Nothing is sent before the claim is durable: what was sent on, and is forgotten, would be sent on
// again.
TEST(SlowDisk, IsWaitedForBeforeARequestIsSentOn) {
  ScriptedUpstream upstream;
  HeldProgram program({"--gateway", "127.0.0.1:0", "--upstream", upstream.url()});
  const uint16_t gateway = GatewayPort(*program);
  Client passes(gateway);
  for (size_t round = 0; round < 5; ++round) {
    const std::string key = "k" + std::to_string(round);
    ASSERT_TRUE(program.Becomes("answers_held", 0));
    program.Hold();
    Client client(gateway);
    EXPECT_TRUE(client.Send(RequestText("POST", "/pay", "{}", Keyed(key))));
    EXPECT_TRUE(Eventually([&] { return program.IsHeld(); }));
    // It would be on its way by now: what came later, and needs no claim, is there and back.
    EXPECT_EQ(passes.Ask("GET", "/seen").status, 200);
    EXPECT_EQ(upstream.HitsOfPath("/pay"), round) << "it was sent on before its claim was synced";
    EXPECT_FALSE(client.HasInput());
    EXPECT_EQ(program.Status("answers_held"), "1") << "the request, until its claim is synced";
    program.LetGo();
    ExpectCreated(client.Receive(), key);
    EXPECT_EQ(upstream.HitsOfKey(key), 1u);
  }
}

// A connection that goes on asking does not fill the memory with answers.
TEST(SlowDisk, HoldsOnlySoManyAnswersOfAConnection) {
  constexpr size_t kPipelineMax = 64;  // of server/wire/connection.cc
  HeldProgram program;
  program.Hold();
  Client client = program->Connect();
  std::string bytes;
  for (size_t i = 0; i < 3 * kPipelineMax; ++i) {
    bytes += RequestText("POST", "/v1/claim", Json("{'key':'k" + std::to_string(i) + "'}"));
  }
  EXPECT_TRUE(client.Send(bytes));
  EXPECT_TRUE(program.Becomes("answers_held", kPipelineMax));
  for (int i = 0; i < 50; ++i) {
    EXPECT_EQ(program.Status("answers_held"), std::to_string(kPipelineMax));
  }
  EXPECT_FALSE(client.HasInput());
  program.LetGo();
  for (size_t i = 0; i < 3 * kPipelineMax; ++i) ASSERT_EQ(client.Receive().status, 201) << i;
}

}  // namespace
}  // namespace onced
