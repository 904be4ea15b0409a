// SPDX-License-Identifier: MIT
// The program on a disk whose syncs take their time, and are written down: in sync mode no door
// answers a write before a sync has returned that was called after the write had come; who asks
// how the program is does not wait for the disk; and of those who wait there are only so many.
//
// ONCED_SLOW=<n>: writes of each client. ONCED_SLOW_SYNC_MS=<n>: the longest sync.
#include "tests/slow_disk.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/program.h"
#include "tests/proof.h"
#include "tests/redis.h"

namespace onced {
namespace {

constexpr size_t kClients = 12;

struct Moments {
  int64_t begin = 0;
  int64_t end = 0;
};

int64_t NowNs() { return std::chrono::steady_clock::now().time_since_epoch().count(); }

using Written = std::map<std::string, std::vector<Moments>>;  // by what was asked

// One client, which notes how long each of its writes took, and that it was done.
class Writer {
 public:
  explicit Writer(const Program& program)
      : http_(program.Connect()), redis_(RedisPortOf(program)) {}

  HttpAnswer Post(const std::string& call, const std::string& json, int status) {
    HttpAnswer answer;
    Note(call, [&] {
      answer = http_.Ask("POST", "/v1/" + call, Json(json));
      return answer.status == status;
    });
    return answer;
  }
  void Redis(const Words& words, const std::string& reply) {
    Note(words[0], [&] { return redis_.Ask(words).find(reply) != std::string::npos; });
  }
  const Written& written() const { return written_; }

 private:
  template <typename Ask>
  void Note(const std::string& what, const Ask& ask) {
    Moments moments{.begin = NowNs()};
    EXPECT_TRUE(ask()) << what;
    moments.end = NowNs();
    written_[what].push_back(moments);
  }
  Client http_;
  RespClient redis_;
  Written written_;
};

// One client's writes: a run that is renewed and completed, one that is given back, one that ends
// in doubt; or the same by the Redis door, and a lock as it is taken there.
Written Write(const Program& program, size_t client, uint64_t times) {
  Writer writer(program);
  for (uint64_t i = 0; i < times; ++i) {
    const std::string key = "c" + std::to_string(client) + "-" + std::to_string(i);
    if (client % 2 != 0) {
      writer.Redis({"SET", key, "v", "NX", "EX", "1000"}, "+OK");
      writer.Redis({"ONCED.CLAIM", key}, "claimed");
      writer.Redis({"DEL", key}, ":1");
      continue;
    }
    const std::string by = "{'key':'" + key + "','fence':'" +
                           writer.Post("claim", "{'key':'" + key + "'}", 201).Field("/fence") +
                           "'}";
    if (i % 3 == 0) writer.Post("renew", by, 200);
    writer.Post(i % 3 == 0 ? "complete" : i % 3 == 1 ? "release" : "mark-unknown", by, 200);
  }
  return writer.written();
}

TEST(SlowDisk, IsWaitedForByEveryWriteAndByNobodyElse) {
  Proof proof("slow disks", "ONCED_SLOW", 10);
  const TempFolder folder;
  std::filesystem::create_directories(folder.path());
  const std::string trace = folder.path() + "/trace";
  const std::unique_ptr<Program> program = StartOnSlowDisk(folder, "ONCED_SLOW_SYNC", trace);
  std::vector<Written> written(kClients);
  std::vector<std::thread> clients;
  for (size_t c = 0; c < kClients; ++c) {
    clients.emplace_back([&, c] { written[c] = Write(*program, c, proof.rounds()); });
  }
  std::vector<int64_t> probes;
  for (uint64_t i = 0; i < 5 * proof.rounds(); ++i) {
    const int64_t begin = NowNs();
    EXPECT_EQ(program->Ask("GET", "/livez").status, 200);
    probes.push_back(NowNs() - begin);
  }
  for (std::thread& client : clients) client.join();

  std::vector<Moments> syncs;
  std::ifstream lines(trace);
  for (Moments sync; lines >> sync.begin >> sync.end;) syncs.push_back(sync);
  std::map<std::string, size_t> waited;
  for (const Written& of_client : written) {
    for (const auto& [what, answers] : of_client) {
      for (const Moments& answer : answers) {
        ++proof.count;
        const bool one = std::any_of(syncs.begin(), syncs.end(), [&](const Moments& sync) {
          return sync.begin >= answer.begin && sync.end <= answer.end;
        });
        waited[what] += one ? 1 : 0;
        proof.failures += one ? 0 : 1;
      }
    }
  }
  proof.faults = syncs.size();
  EXPECT_EQ(proof.failures, 0u) << "answered before a sync of it had returned";
  const uint64_t runs = kClients / 2 * proof.rounds();
  for (const char* each : {"claim", "SET", "ONCED.CLAIM", "DEL"}) EXPECT_EQ(waited[each], runs);
  for (const auto& [what, each] : {std::pair<const char*, uint64_t>{"renew", 2},
                                   {"complete", 2},
                                   {"release", 1},
                                   {"mark-unknown", 0}}) {
    EXPECT_EQ(waited[what], kClients / 2 * ((proof.rounds() + each) / 3)) << what;
  }
  std::sort(probes.begin(), probes.end());
  const auto ms = [](int64_t ns) { return std::to_string(ns / 1'000'000); };
  int64_t longest = 0;
  for (const Moments& sync : syncs) longest = std::max(longest, sync.end - sync.begin);
  proof.remark = "syncs up to " + ms(longest) + " ms, /livez up to " + ms(probes.back()) + " ms";
}

struct Asked {
  uint16_t port;
  std::string bytes;
  std::string answer;  // is in the first bytes of it, when the disk lets it go
};

Asked Post(const Program& program, const std::string& target, const std::string& json, int status) {
  return {program.port(), RequestText("POST", target, Json(json)),
          "HTTP/1.1 " + std::to_string(status)};
}
Asked Get(const Program& program, const std::string& target, int status) {
  return {program.port(), RequestText("GET", target), "HTTP/1.1 " + std::to_string(status)};
}

// Every sort of write, and what shows a write that is not on the disk yet. The runs that they end
// are begun here.
std::vector<Asked> AllThatWaits(const Program& program, const std::string& round) {
  Client client = program.Connect();
  const auto run = [&](const std::string& name) {
    const std::string key = "'key':'" + name + round + "'";
    const HttpAnswer won = client.Ask("POST", "/v1/claim", Json("{" + key + "}"));
    EXPECT_EQ(won.status, 201);
    return "{" + key + ",'fence':'" + won.Field("/fence") + "'}";
  };
  const std::string fresh = "fresh" + round;
  const auto redis = [port = RedisPortOf(program)](const Words& words, const std::string& answer) {
    return Asked{port, Resp(words), answer};
  };
  return {
      Post(program, "/v1/claim", "{'key':'" + fresh + "'}", 201),
      Post(program, "/v1/claim", "{'key':'" + fresh + "'}", 409),  // is shown the one before
      Get(program, "/v1/keys/" + fresh, 200),
      Post(program, "/v1/complete", run("complete"), 200),
      Post(program, "/v1/complete", "{'key':'one-shot" + round + "'}", 200),
      Post(program, "/v1/renew", run("renew"), 200),
      Post(program, "/v1/release", run("release"), 200),
      Post(program, "/v1/mark-unknown", run("unknown"), 200),
      Post(program, "/v1/batch", "{'operations':[{'op':'claim','key':'batch" + round + "'}]}", 200),
      Post(program, "/api/payments", "{'amount':5,'currency':'EUR','reference':'" + round + "'}",
           201),
      redis({"SET", "lock" + round, "v", "NX", "EX", "1000"}, "+OK"),
      redis({"GET", "lock" + round}, "$1"),
      redis({"ONCED.CLAIM", "redis" + round}, "claimed"),
      redis({"DEL", "lock" + round}, ":1")};
}

// While a sync cannot return: what the wire contract calls durable is decided, and held; and who
// asks how the program is, or for what was on the disk before, is answered.
TEST(SlowDisk, HoldsEveryWriteAndNobodyElse) {
  Proof proof("held disks", "ONCED_SLOW", 10);
  HeldDisk program;
  for (; proof.faults < proof.rounds() && !HasFailure(); ++proof.faults) {
    const std::string round = std::to_string(proof.faults);
    EXPECT_EQ(program->Ask("POST", "/v1/complete", Json("{'key':'old" + round + "'}")).status, 200);
    const std::vector<Asked> all = AllThatWaits(*program, round);
    ASSERT_TRUE(program.Becomes("answers_held", 0));
    program.Hold();
    std::vector<Client> held;
    for (const Asked& one : all) {
      held.emplace_back(one.port);
      EXPECT_TRUE(held.back().Send(one.bytes));
      EXPECT_TRUE(program.Becomes("answers_held", held.size())) << one.bytes;
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
  HeldDisk program({"--waiters-max", std::to_string(kWaiters), "--connections-max",
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

// A connection that goes on asking does not fill the memory with answers.
TEST(SlowDisk, HoldsOnlySoManyAnswersOfAConnection) {
  constexpr size_t kPipelineMax = 64;  // of server/wire/connection.cc
  HeldDisk program;
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
